"""One HTML file of photos with their captions and, for attention models, the map of each word."""
import base64
import html
import io

import numpy as np

from scripts.pages.figures import attention_figure

SIDE = 480                              # pixels of the longer side of a picture

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="rnnlayers">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 1rem auto; padding: 0 1rem; }}
article {{ display: grid; grid-template-columns: minmax(10rem, 18rem) 1fr; gap: 1rem 1.5rem; padding: 1.5rem 0;
  border-top: 1px solid #8888; }}
img {{ max-width: 100%; border-radius: .4rem; }}
.figure {{ grid-column: 1 / -1; overflow-x: auto; }}
.caption {{ font-size: 1.3rem; margin: 0; }}
small {{ opacity: .75; overflow-wrap: anywhere; }}
@media (max-width: 40rem) {{ article {{ grid-template-columns: minmax(0, 1fr); }}
  .figure img {{ max-width: none; width: 50rem; }} }}
</style></head><body><h1>{title}</h1>
{articles}
</body></html>
"""
ARTICLE = """<article><div>{picture}</div><div>{captions}<small>{name}</small></div>{figure}</article>"""


def caption_page(items, vocabulary, grid, title):
    """A page that needs no other file -> str.

    items: (name, PIL.Image in RGB, Hypotheses with the best first) of each photo; grid: (height, width) of the maps,
    None without attention.
    """
    articles = [_article(name, picture, hypotheses, vocabulary, grid) for name, picture, hypotheses in items]
    return PAGE.format(title=html.escape(f"Captions by {title}"), articles="\n".join(articles))


def _article(name, picture, hypotheses, vocabulary, grid):
    picture = picture.copy()
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    best, *others = (html.escape(vocabulary.text(h.ids)) or "(no words)" for h in hypotheses)
    captions = f'<p class="caption">{best}</p>' + "".join(f"<p>{caption}</p>" for caption in others)
    figure = ""
    if grid is not None:
        words = vocabulary.decode(hypotheses[0].ids).split()
        maps = hypotheses[0].maps[:len(words)].reshape(-1, *grid)
        figure = _image(attention_figure(np.asarray(picture), words, maps, ""), "png", "attention for each word")
        figure = f'<div class="figure" tabindex="0">{figure}</div>'
    return ARTICLE.format(picture=_image(file.getvalue(), "jpeg", best), captions=captions, name=html.escape(name),
                          figure=figure)


def _image(content, kind, alt):
    return (f'<img alt="{alt}" loading="lazy" '
            f'src="data:image/{kind};base64,{base64.b64encode(content).decode()}">')
