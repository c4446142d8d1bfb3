"""The scores of a captioner on a split, with those of trivial baselines and of people."""
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.bootstrap import paired_bootstrap
from models.likelihood import split_loss
from models.metrics import CaptionScores, score_captions
from scripts.evaluation.baselines import baseline_captions
from scripts.evaluation.captioner import DEFAULT, Captioner, Options, load_captioner, split_captions
from scripts.evaluation.java_scores import java_scores


class Evaluation(NamedTuple):
    """What evaluate_run found."""
    captions: dict[str, str]        # of each image
    result: dict[str, Any]          # the content of scores.json
    scores: CaptionScores
    note: str                       # which scores are left out and why, or empty


def evaluate_run(captioner: Captioner, split: str, options: Options = DEFAULT,
                 captions: dict[str, str] | None = None) -> Evaluation:
    """Caption a split and score it.

    captions: image name -> caption, if the split is captioned already.
    """
    captions = split_captions(captioner, split, options) if captions is None else captions
    dataset, references = captioner.dataset, captioner.dataset.references(split)
    loss = split_loss(captioner.model, dataset.arrays(), split, options.batch)
    scores = score_captions(captions, references)
    java, note = java_scores(captions, references)
    baselines = baseline_captions(captioner.vectors, split, references)
    first, *others = map(str, captioner.runs)
    result = {
        "run": first, "ensemble": others, "epoch": captioner.epoch, "split": split, "images": len(captions),
        "beam": options.beam, "max_length": options.max_length, "normalisation": options.normalisation,
        "block_trigrams": options.block_trigrams, "allow_unknown": options.allow_unknown,
        "consensus": options.consensus,
        "references": "uncut" if dataset.uncut else "as learnt, cut and with <UNK>",
        "loss": loss, "perplexity": math.exp(min(loss, 700)), **scores.corpus, **java,
        "floors": {name: score_captions(texts, references).corpus for name, texts in baselines.items()},
        "human": human_scores(references),
    }
    result["floors"]["constant"]["caption"] = next(iter(baselines["constant"].values()))
    return Evaluation(captions, result, scores, note)


def human_scores(references: dict[str, list[str]]) -> dict[str, float] | None:
    """Scores of each image's first reference against its others, of the images that have others; None if none has."""
    several = {name: texts for name, texts in references.items() if len(texts) > 1}
    if not several:
        return None
    return score_captions({name: texts[0] for name, texts in several.items()},
                          {name: texts[1:] for name, texts in several.items()}).corpus


def load_other(run: str | Path, captioner: Captioner, split: str, data: str | Path | None = None) -> Captioner:
    """A run to compare with. Raises ValueError where its split has other images or references."""
    other = load_captioner([run], data)
    if other.dataset.references(split) != captioner.dataset.references(split):
        raise ValueError(f"--against {run}: its {split} split has other images or references ("
                         f"{other.dataset.folder}), expected the same")
    return other


def compare(scores: CaptionScores, other: Captioner, split: str, options: Options) -> dict[str, Any]:
    """Another captioner's scores, and these scores less its own with intervals -> a part of scores.json."""
    captions, references = split_captions(other, split, options), other.dataset.references(split)
    theirs = score_captions({name: captions[name] for name in scores.per_image}, references)
    differences = paired_bootstrap(scores, theirs, np.random.default_rng(0))
    return {"run": str(other.runs[0]), **theirs.corpus,
            "difference": {name: d._asdict() for name, d in differences.items()}}
