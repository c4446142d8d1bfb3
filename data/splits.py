"""Splits of a source: checked, and held out from the training images where they are lacking."""
import itertools
from collections.abc import Sequence

import numpy as np

from data.matching import examples, match_names
from data.sources import SPLITS, Source


def hold_out(source: Source, val: float | None = None, test: float | None = None, seed: int = 0,
             stored: Sequence[str] | None = None) -> Source:
    """The same captions with a val and a test split of this share of the training images each, drawn by the seed.

    None: no such split is drawn. Images are drawn, not captions; which ones depends on their names and the seed alone.
    stored: names of the images that have features; the others stay in the train split, where they are left out later.
    Raises ValueError for a split that the source has already, and where no training image has features or is left.
    """
    shares = {split: share for split, share in (("val", val), ("test", test)) if share}
    captions = {split: images for split, images in source.captions.items() if any(images.values())}
    training = captions.pop("train", {})
    names = sorted(training if stored is None else match_names(training, stored).row_of)
    if shares and training and not names:
        raise ValueError(f"{source.where or source.name}: no training image has features; "
                         f"{examples(training, stored or [])}")
    order, first = np.random.default_rng(seed).permutation(len(names)), 0
    for split, share in shares.items():
        if not 0 < share < 1:
            raise ValueError(f"--{split} {share}: expected a share between 0 and 1")
        if split in captions:
            raise ValueError(f"--{split} {share}: there is a {split} split of {len(captions[split]):,} images already, "
                             "leave the option out")
        chosen = {names[k] for k in order[first:first + max(1, round(share * len(names)))]}
        captions[split] = {name: texts for name, texts in training.items() if name in chosen}
        first += len(chosen)
    if shares and first >= len(names):
        options = " and ".join(f"--{split} {share}" for split, share in shares.items())
        raise ValueError(f"{source.where or source.name}: {len(names)} training images, too few for {options}: "
                         "expected at least one that stays for training")
    held = {name for split in shares for name in captions[split]}
    captions["train"] = {name: texts for name, texts in training.items() if name not in held}
    return source._replace(captions={split: captions.get(split, source.captions.get(split, {})) for split in SPLITS
                                     if split in captions or split in source.captions})


def check_splits(source: Source) -> None:
    """Raises ValueError for a missing train split, for empty splits, and if two splits share an image."""
    where = source.where or source.name
    for split in dict.fromkeys(["train", *source.captions]):
        if not any(source.captions.get(split, {}).values()):
            remedy = "" if split == "train" else f", or --{split} 0.1, which takes a tenth of the training images"
            raise ValueError(f"{where}: no image of the {split} split has a caption, expected at least one{remedy}")
    for one, other in itertools.combinations(source.captions, 2):
        both = source.captions[one].keys() & source.captions[other].keys()
        if both:
            raise ValueError(f"{where}: image {min(both)!r} is in the splits {one} and {other}, expected in one only; "
                             f"{len(both):,} images are in both: remove them from one, or leave the {other} split out "
                             f"and take --{other} 0.1 of the training images")
