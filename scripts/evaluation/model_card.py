"""The model card of a released model, as Markdown: what it was trained on, how good it is, how to use it."""
import datetime
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import Dataset
from data.encoders import NAMES
from models.checkpoint import Checkpoint
from scripts.evaluation.tables import score_rows
from scripts.runs.photos import SCENES, pooled_attributes, training_attributes
from scripts.runs.released import data_name, settings_without_paths
from scripts.runs.settings import train_options

SCENES_LICENCE = "MIT: scenes and captions are drawn by this project"
FLICKR8K_LICENCE = ("for non-commercial research and education (Hodosh, Young and Hockenmaier 2013); the photographs "
                    "belong to the people who took them")
# SHA-256 of the sorted names of Flickr8k's 1,000 test images: anybody may call a data set flickr8k
FLICKR8K = "e3ec5b26b21d07aa4e8c3568b016d206d5bc04f9d3d6caf0e87a6f6eb1aa2188"
MADE_BY = {"model_sha256": "SHA-256 of the image model", "onnx_output": "its output", "layer": "layer",
           "input": "its input", "resize": "pictures are resized"}
FLOORS = ("A floor is a trivial method: one caption for all images, a random training caption, the caption of the "
          "training image with the nearest features. \"human\" is each image's first reference against its others.")


def model_card(file: str, checkpoint: Checkpoint, dataset: Dataset, result: Mapping[str, Any], halved: Sequence[str],
               licence: str | None = None) -> str:
    """The card of the file `file`; result: of run_scores.evaluate_run; halved: names of the weights in float16."""
    then = training_attributes(checkpoint)
    scenes = then.get("model") == SCENES
    licence = licence or (SCENES_LICENCE if scenes else licence_of(dataset))
    parts = {"": _about(checkpoint, result, halved), "Data": [*_data(dataset, licence), *_features(then, scenes)],
             "Scores": _scores(result), "Use": _use(file, checkpoint, then, scenes),
             "Train again": _train_again(checkpoint, scenes)}
    return "\n".join([f"# {file}", *(line for title, lines in parts.items() for line in (
        *([f"## {title}", ""] if title else []), *lines, ""))])


def licence_of(dataset: Dataset) -> str:
    """The licence of a data set of photographs, which is known of Flickr8k alone."""
    names = sorted(Path(name).stem for name in dataset.images("test")[1]) if "test" in dataset.captions else []
    if hashlib.sha256("\n".join(names).encode()).hexdigest() == FLICKR8K:
        return FLICKR8K_LICENCE
    return "not stated (scripts.release takes it as --licence TEXT)"


def _about(checkpoint, result, halved):
    model, epoch = checkpoint.model, result["epoch"]
    rounded = "all" if len(halved) == len(model.params) else ", ".join(halved) or "none"
    return ["", f"An image captioner of rnnlayers, `{model.cell_type}`: {sum(w.size for w in model.params.values()):,} "
            f"weights, {len(model.word_to_idx):,} words" + (f", after epoch {epoch}" if epoch else "") + ". Released "
            f"{datetime.date.today()}. It holds what captions need, and no training state.",
            "", f"Weights in float16: {rounded}. With them and without, all {result['images']:,} captions of the "
            f"{result['split']} split are the same."]


def _data(dataset, licence):
    splits = [f"{split}: {len(np.unique(dataset.image_idxs[split])):,} images, {len(captions):,} captions"
              for split, captions in dataset.captions.items()]
    return [f"- data set: {dataset.name}", *(f"- {line}" for line in splits), f"- licence of the data: {licence}"]


def _features(then, scenes):
    if scenes:
        return ["- image features: of drawn scenes, by data/scene_features.py; the model knows nothing of photographs"]
    lines = [f"- image features: by `{then.get('model', 'a model that they do not name')}`"]
    for attributes, words in ((then, ""), (pooled_attributes(then), " of pooled features")):
        lines += [f"- {told}{words}: `{attributes[key]}`" for key, told in MADE_BY.items()
                  if key in attributes and not (words and attributes[key] == then.get(key))]
    return lines


def _scores(result):
    rows, measures = score_rows(result)
    rows = {"**this model**": rows.pop("this run"), **rows}
    cells = [[label, *(f"{scores[name]:.3f}" if name in scores else "" for name in measures)]
             for label, scores in rows.items()]
    head = ["", *measures], ["---", *["---:"] * len(measures)]
    uncut = [] if result["references"] == "uncut" else [
        "", "The references are cut and have `<UNK>`, so these scores compare with no others."]
    return [f"{result['images']:,} images of {result['split']}; beam {result['beam']}, normalisation "
            f"{result['normalisation']:g}, {result['max_length']} words at most; loss {result['loss']:.3f} nats a word",
            "", *(f"| {' | '.join(row)} |" for row in (*head, *cells)), "", FLOORS, *uncut]


def _use(file, checkpoint, then, scenes):
    file, data = shlex.quote(file), shlex.quote(f"datasets/{data_name(checkpoint.run)}")
    encoder, hint = _encoder(then)
    photos = [f"python -m scripts.serve {file} --scenes"] if scenes else [
        f"python -m scripts.caption {file} --images photos --encoder {shlex.quote(encoder)}",
        f"python -m scripts.serve {file} --encoder {shlex.quote(encoder)}"]
    return ["```bash", 'pip install -e ".[serve]"', *photos, f"python -m scripts.evaluate {file} --data {data}",
            f"python -m scripts.train --from {file} --data datasets/mine", "```", "",
            "Decoding options that are not given are those of the scores above." + ("" if scenes else (
                f" The image model has to be the file with the SHA-256 above{hint}"))]


def _encoder(then):
    """The image model as --encoder takes it, and how to get it."""
    name = then.get("model", "model").removesuffix(".onnx")
    if name in NAMES:
        return name, f": `python -m scripts.fetch_data {name}` gets it."
    return f"{name}.onnx", "; ask for it where you got this model."


def _train_again(checkpoint, scenes):
    data, settings = f"datasets/{data_name(checkpoint.run)}", settings_without_paths(checkpoint.run)
    prepare = [f"python -m scripts.prepare_data scenes --out {shlex.quote(data)}"] if scenes else []
    prepared = [] if scenes else ["", "scripts.prepare_data makes the data set from captions and features "
                                  "(docs/datasets.md)."]
    started = ["", "Training began with another run's weights (--from), which these commands do not repeat."]
    return ["```bash", *prepare, shlex.join(["python", "-m", "scripts.train", "--data", data,
                                             *train_options(settings, scenes)]), "```",
            *prepared, *(started if "from" in checkpoint.run else [])]
