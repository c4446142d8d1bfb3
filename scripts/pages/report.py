"""The report of a run: one HTML file that works offline."""
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data.tokenizer import written
from scripts.commandline.outputs import PAGE, check_output, write_output
from scripts.diagnosis.bounds import STEPS
from scripts.evaluation.captioner import BUDGET, load_captioner
from scripts.evaluation.captions import caption_split
from scripts.evaluation.run_scores import evaluate_run
from scripts.evaluation.tables import score_rows
from scripts.pages.overlay import jpeg
from scripts.pages.pictures import Pictures, gone
from scripts.pages.report_images import beams_and_trees, describe_images, fading
from scripts.pages.report_words import findings, notable_words, word_records
from scripts.pages.templating import page_template
from scripts.pages.training_charts import training_charts
from scripts.runs import choose_split, load_run
from scripts.runs.released import name_of
from scripts.runs.settings import HELP
from scripts.runs.transfer import describe_start

SIDE, BYTES = 280, 30_000            # pixels and bytes of a picture at most: 200 of them are 8 MB as text


class Tile(NamedTuple):
    """An image of the grid."""
    name: str
    caption: str
    references: list                # of str
    cider: float
    log_p: float                    # a word, <END> among them
    picture: str | None             # data URI


class Written(NamedTuple):
    """A report that was written."""
    path: Path
    missing: list[str]              # names of pictures that are not in the folder, or cannot be read
    shown: int                      # images
    pictures: str                   # the folder
    notes: list[str]                # lines on what is lacking

    def lines(self) -> list[str]:
        """What to print about it."""
        lines = list(self.notes)
        if self.missing:
            more = f" and {len(self.missing) - 3:,} more" if len(self.missing) > 3 else ""
            lines += [f"{len(self.missing):,} of {self.shown:,} pictures are not in {self.pictures} or cannot be read: "
                      f"{', '.join(self.missing[:3])}{more}"]
        size = self.path.stat().st_size / 1e6
        return [*lines, f"{self.path}: {self.shown:,} images, {size:.1f} MB; it opens in any browser"]


def write_report(run, split=None, n=200, beam=None, pictures=None, out=None, data=None, force=False,
                 allow_unknown=False) -> Written:
    """Make the page of a run.

    pictures: a folder, if the dataset has none; out: the page, RUN/report.html if None; data: the dataset's folder,
    if it has moved since training; force: replace also what is no page of ours; allow_unknown: captions may have <UNK>.
    """
    template = page_template("report.html", "scripts.report", "report")
    captioner, checkpoint = load_captioner([run], data), load_run(run)
    split = choose_split(captioner.dataset, split)
    folder = captioner.outputs.resolve()
    if out is None:
        folder.mkdir(exist_ok=True)
    out = out or folder / "report.html"
    check_output("--out", out, PAGE, force)
    content = gather(captioner, split, n, captioner.options({"beam": beam, "allow_unknown": allow_unknown}), pictures)
    history, content["drawn"]["charts"] = training_charts(folder, captioner.dataset)
    about = captioner.model.cell.about
    content["drawn"]["labels"] = about.labels
    html = template.render(
        **content, name=name_of(checkpoint), cell=captioner.model.cell_type, about=about, steps=STEPS,
        checkpoint=checkpoint, history=history,
        settings=shown_settings(checkpoint.run),
        weights=sum(w.size for w in captioner.model.params.values()))
    write_output(out, html.encode())
    return Written(out, content["missing"], len(content["tiles"]), content["folder"],
                   gone(captioner.dataset) if pictures is None else [])


def shown_settings(run):
    """The rows of the table of settings: name -> (value, meaning)."""
    shown = {key: (value, HELP.get(key, "")) for key, value in run.get("settings", {}).items()}
    return {**shown, **({"from": (run["from"]["path"], describe_start(run["from"]))} if "from" in run else {})}


def gather(captioner, split, n, options, folder=None):
    """Everything that the page shows, except how training went -> dict.

    The first n images of the split, those with pictures before the others, are shown one by one; options: of
    captioner.Options; folder: of pictures, if the dataset has none.
    """
    model, dataset, vocabulary = captioner.model, captioner.dataset, captioner.dataset.vocabulary
    rows, names = dataset.images(split)
    source = Pictures(dataset, split, folder)
    rows, names = map(list, zip(*source.first(rows, names, len(rows))))     # those with pictures first
    rows = np.array(rows)
    dataset.features[split].preload(rows, BUDGET)
    search = {name: getattr(options, name) for name in ("max_length", "normalisation", "allow_unknown")}
    shown = caption_split(model, dataset, split, rows[:n], options.beam, decode=beams_and_trees, **search)
    best = [beams[0] for beams, _ in shown] + [
        beams[0] for beams in caption_split(model, dataset, split, rows[n:], options.beam, **search)]
    captions = {name: vocabulary.decode(hypothesis.ids) for name, hypothesis in zip(names, best)}
    _, result, scores, _ = evaluate_run(captioner, split, options, captions)
    described = describe_images(model, dataset.features[split], rows[:n], shown, vocabulary)
    pictures, missing = pictures_of(source, rows[:n], names)
    references, people = dataset.references(split), partial(written, tokens=vocabulary.tokens)
    return {
        "split": split, "result": result, "uncut": dataset.uncut, "dataset": dataset, "missing": missing,
        "folder": " and ".join(map(str, source.folders)),
        **scores_and_words(result, captions, dataset, references, described),
        "tiles": [Tile(name, people(captions[name]), [*map(people, references[name])], scores.per_image[name]["CIDEr"],
                       hypothesis.log_prob / len(hypothesis.ids), picture)
                  for name, hypothesis, picture in zip(names, best, pictures)],
    }


def scores_and_words(result, captions, dataset, references, described):
    """The table of scores, the findings in words, and what is drawn -> a part of what `gather` gives."""
    rows, measures = score_rows(result)
    known = {text for texts in dataset.references("train").values() for text in texts}
    faded = {key: fading(described, key) for key in ("dh", "dc", "dx")}
    return {"rows": rows, "measures": sorted(measures, key=lambda name: name != "CIDEr"),
            "findings": [finding._replace(text=written(finding.text, dataset.vocabulary.tokens))
                         for finding in findings(result, captions, references, known, faded)],
            "words": notable_words(word_records(captions, references), len(captions)),
            "drawn": {"images": described, "fading": faded}}


def pictures_of(source, rows, names):
    """Images of Pictures as data URIs, None where there is none -> list, names of those that the folder lacks."""
    pictures, missing = [], []
    for row, name in zip(rows, names):
        try:
            picture = source(row, name)
        except ValueError:                                  # absent or damaged
            picture = None
            missing.append(name)
        pictures.append(None if picture is None else jpeg(Image.fromarray(picture), SIDE, BYTES).uri)
    return pictures, missing
