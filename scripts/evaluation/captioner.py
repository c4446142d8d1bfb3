"""A trained run, or an ensemble of some, that captions a split."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from data.dataset import Dataset, open_dataset
from models import CaptioningRNN
from models.cells import VECTOR
from models.consensus import rank_by_consensus
from models.decoding import BEAM
from models.ensemble import Ensemble
from scripts.evaluation.baselines import nearest_training_images
from scripts.evaluation.captions import caption_split
from scripts.runs import load_run, open_run_data
from scripts.runs.released import decoding_of, outputs_of

BUDGET = 2**31                      # bytes of a split's features that are read at once, instead of batch by batch


class Options(NamedTuple):
    """How a split is captioned."""
    beam: int = BEAM                # captions kept at each word
    batch: int = 128                # images at a time
    max_length: int = 30            # words at most
    normalisation: float = 1.0      # captions are ranked by log p / length**normalisation
    block_trigrams: bool = False    # no three words twice in a caption
    allow_unknown: bool = False     # <UNK> may be among the words
    consensus: int = 0              # rerank by the captions of that many nearest training images; 0: do not


DEFAULT = Options()


@dataclass
class Captioner:
    """A run, or several that decide each word together."""
    runs: list[str | Path]          # their paths as given, the first one's first
    model: CaptioningRNN | Ensemble
    dataset: Dataset
    checkpoint: str                 # file of the first run
    epoch: int | None
    outputs: Path                   # folder for what is made of the first run
    decoding: dict[str, Any] = field(default_factory=dict)      # the first run's own defaults of Options

    def options(self, given: Mapping[str, Any]) -> Options:
        """The options that are given, those that are not None, else the run's own defaults, else those of Options."""
        return Options(**{**self.decoding, **{name: given[name] for name in Options._fields
                                              if given.get(name) is not None}})

    @cached_property
    def vectors(self) -> Dataset:
        """The dataset with one feature vector per image, for finding the nearest images."""
        first = self.model.models[0] if isinstance(self.model, Ensemble) else self.model
        return self.dataset if first.cell.features == VECTOR else open_dataset(self.dataset.folder)


def load_captioner(runs: Sequence[str | Path], data: str | Path | None = None) -> Captioner:
    """The captioner of one run, or of an ensemble; data: the dataset's folder, if it has moved.

    Raises ValueError if the runs differ in vocabulary or features.
    """
    checkpoints = [load_run(path) for path in runs]
    first = checkpoints[0]
    dataset = open_run_data(first, data)
    for path, other in zip(runs[1:], checkpoints[1:]):
        taken, expected = ((c.model.attends, c.model.input_dim, c.model.pooled_dim) for c in (other, first))
        if taken != expected:
            raise ValueError(f"--ensemble {path}: --model {other.model.cell_type} takes other features than "
                             f"{first.model.cell_type}, expected runs that share them")
        open_run_data(other, str(dataset.folder))           # raises where vocabulary or features differ
    model = first.model if len(checkpoints) == 1 else Ensemble([c.model for c in checkpoints])
    return Captioner(list(runs), model, dataset, first.path, first.run.get("epoch"), outputs_of(first),
                     decoding_of(first))


def split_captions(captioner: Captioner, split: str, options: Options = DEFAULT) -> dict[str, str]:
    """Captions of the images of a split, image name -> caption."""
    dataset, model = captioner.dataset, captioner.model
    rows, names = dataset.images(split)
    dataset.features[split].preload(rows, BUDGET)

    def find(model):
        return caption_split(model, dataset, split, rows, options.beam, options.batch, max_length=options.max_length,
                             normalisation=options.normalisation, block_trigrams=options.block_trigrams,
                             allow_unknown=options.allow_unknown)
    beams = find(model)
    if options.consensus:                                   # members of an ensemble also find captions of their own
        members = model.models if isinstance(model, Ensemble) else ()
        beams = rerank(captioner, split, [sum(pool, []) for pool in zip(beams, *map(find, members))], options)
    return {name: dataset.vocabulary.decode(beam[0].ids) for name, beam in zip(names, beams)}


def rerank(captioner, split, beams, options):
    """The captions found for each image, ranked by their consensus with those of the nearest training images."""
    captions = list(captioner.dataset.references("train").values())
    near = nearest_training_images(captioner.vectors, split, options.consensus, captions)
    texts = [[captioner.dataset.vocabulary.decode(hypothesis.ids) for hypothesis in beam] for beam in beams]
    return rank_by_consensus(beams, texts, near, captions, options.normalisation)
