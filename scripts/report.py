"""One HTML file that shows what a run does well and badly: it opens without a network, from a mail attachment too.

Scores beside floors and people are those of the whole split; N images, the first of the split, are shown one by one.
"""
import argparse
import contextlib
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.checkpoint import write_atomically
from scripts import evaluate
from scripts.commandline.command import check_page, run, set_threads
from scripts.evaluation.captions import caption_split
from scripts.pages.figures import smooth
from scripts.pages.report_images import beams_and_trees, describe_images, fading, jpeg
from scripts.pages.report_words import findings, notable_words, word_records
from scripts.runs import load_run
from scripts.runs.settings import HELP
from scripts.show_attention import picture_of

TEMPLATES = Path(__file__).parent / "pages/templates"
POINTS = 300                        # of the loss of every step, at most


class Tile(NamedTuple):
    """An image of the grid."""
    name: str
    caption: str
    references: list                # of str
    cider: float
    log_p: float                    # a word, <END> among them
    picture: str | None             # data URI


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.report", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="folder that scripts.train wrote, or a checkpoint file in it")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures, where the dataset has none")
    parser.add_argument("--split", help="train, val or test (default: test where there is one, else val)")
    parser.add_argument("--n", type=int, default=200, metavar="N", help="first N images of the split (default 200)")
    parser.add_argument("--beam", type=int, default=3, metavar="K", help="captions kept at each word (default 3)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default RUN/report.html)")
    parser.add_argument("--data", metavar="DIR", help="dataset folder, where it is no longer where the run found it")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of BLAS (default: one a core)")
    args = parser.parse_args(argv)
    for name in ("n", "beam"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} {getattr(args, name)}: expected at least 1")
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f"{args.images}: no such folder of pictures")
    return args


def page_template():
    """The page, which escapes all that it is given. Raises ValueError where Jinja2 is absent."""
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError:
        raise ValueError("scripts.report needs Jinja2: pip install -e \".[report]\"") from None
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template("report.html")


def gather(captioner, split, args):
    """Everything that the page shows, except the run's own past -> dict, and how many pictures are missing."""
    model, dataset, vocabulary = captioner.model, captioner.dataset, captioner.dataset.vocabulary
    rows, names = dataset.images(split)
    dataset.features[split].preload(rows, evaluate.BUDGET)
    shown = caption_split(model, dataset, split, rows[:args.n], args.beam, decode=beams_and_trees)
    best = [beams[0] for beams, _ in shown] + [beams[0] for beams in caption_split(
        model, dataset, split, rows[args.n:], args.beam)]
    captions = {name: vocabulary.decode(hypothesis.ids) for name, hypothesis in zip(names, best)}
    references = dataset.references(split)
    settings = evaluate.parse([str(args.run), "--beam", str(args.beam)])
    result, scores, _ = evaluate.evaluate(captioner, split, captions, settings)
    described = describe_images(model, dataset.features[split], rows[:args.n], shown, vocabulary)
    pictures, missing = pictures_of(dataset, rows[:args.n], names, args.images)
    known = {text for texts in dataset.references("train").values() for text in texts}
    faded = {key: fading(described, key) for key in ("dh", "dc")}
    score_rows, measures = evaluate.score_rows(result)
    return {
        "split": split, "result": result, "rows": score_rows,
        "measures": sorted(measures, key=lambda name: name != "CIDEr"), "uncut": dataset.uncut,
        "missing": missing, "folder": args.images, "dataset": dataset,
        "findings": findings(result, captions, references, known, faded),
        "words": notable_words(word_records(captions, references), len(captions)),
        "tiles": [Tile(name, captions[name], references[name], scores.per_image[name]["CIDEr"],
                       hypothesis.log_prob / len(hypothesis.ids), picture)
                  for name, hypothesis, picture in zip(names, best, pictures)],
        "drawn": {"images": described, "fading": faded},
    }


def pictures_of(dataset, rows, names, folder):
    """Pictures of images as data URIs, None where there is none -> list, names of those that the folder lacks."""
    pictures, missing = [], []
    for row, name in zip(rows, names):
        try:
            picture = picture_of(dataset, row, name, folder)
        except ValueError:                                  # absent or damaged
            picture = None
            missing.append(name)
        pictures.append(None if picture is None else jpeg(picture))
    return pictures, missing


def past(folder):
    """How training went, from the run's history.csv and last.h5 -> rows of history, charts for the page."""
    history = read_history(folder / "history.csv")
    charts = [chart("Perplexity of a word", "epoch", history, {"train_loss": "training, while learning",
                                                               "val_loss": "validation"}, np.exp),
              chart("Score on the validation split", "epoch", history, {"val_cider": "CIDEr", "val_bleu4": "BLEU-4"})]
    with contextlib.suppress(OSError, ValueError):          # absent or damaged: the page is about best.h5
        charts.insert(0, loss_chart(load_run(folder / "last.h5").solver["loss_history"]))
    return history, [c for c in charts if c["series"]]


def read_history(path):
    """Rows of a history.csv, empty where there is none -> list of dicts. Raises ValueError where it is another file."""
    if not path.is_file():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as f:
            rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(f)]
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path}: not the history that training writes ({error})") from error
    if not all({"epoch", "seconds"} <= row.keys() for row in rows):
        raise ValueError(f"{path}: not the history that training writes, expected columns epoch and seconds")
    return rows


def chart(title, x, history, columns, change=float):
    """One chart of some columns of the history."""
    series = [{"name": label, "points": [[row["epoch"], float(change(row[key]))] for row in history
                                         if abs(row.get(key, np.inf)) < 700]}       # finite, also its exponential
              for key, label in columns.items()]
    return {"title": title, "x": x, "series": [s for s in series if s["points"]]}


def loss_chart(losses):
    """The training loss, smoothed, at no more than POINTS of its steps."""
    places = np.unique(np.linspace(0, len(losses) - 1, POINTS).astype(int)) if losses else []
    points = [[int(k) + 1, float(value)] for k, value in zip(places, np.asarray(smooth(losses))[places])
              if np.isfinite(value)]
    return {"title": "Training loss, nats a caption", "x": "step",
            "series": [{"name": "mean of 25 steps", "points": points}] if points else []}


def write_report(args):
    """Make the page of a run -> its path, names of missing pictures, number of images shown."""
    template = page_template()
    captioner = evaluate.load_captioner([args.run], args.data)
    checkpoint = load_run(args.run)
    split = args.split or ("test" if "test" in captioner.dataset.captions else "val")
    folder = Path(captioner.checkpoint).resolve().parent
    out = args.out or folder / "report.html"
    check_page("--out", out)
    content = gather(captioner, split, args)
    history, charts = past(folder)
    content["drawn"]["charts"] = charts
    html = template.render(
        **content, name=folder.name, cell=captioner.model.cell_type, checkpoint=checkpoint, history=history,
        settings={key: (value, HELP.get(key, "")) for key, value in checkpoint.run["settings"].items()},
        weights=sum(w.size for w in captioner.model.params.values()))
    write_atomically(out, html.encode())
    return out, content["missing"], len(content["tiles"])


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    path, missing, shown = write_report(args)
    if missing:
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        print(f"{len(missing):,} of {shown:,} pictures are not in {args.images}, or cannot be read: "
              f"{', '.join(missing[:3])}{more}")
    print(f"{path}: {shown:,} images, {path.stat().st_size / 1e6:.1f} MB; it opens in any browser")


if __name__ == "__main__":
    run(main)
