"""Options that say how captions are decoded."""
import argparse
import functools

import numpy as np

from models.decoding import BEAM
from scripts.commandline.run_options import check_least
from scripts.evaluation.captions import Decoder, beams_of, draws_of

DRAWING = ("temperature", "top_p", "top_k")         # options that go with --sample alone


def add_beam(parser: argparse.ArgumentParser) -> None:
    """Add --beam, which is None where it is not given, since a released model has its own."""
    parser.add_argument("--beam", type=int, metavar="K",
                        help=f"captions kept at each word; 1 takes the likeliest word at each (default {BEAM})")


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add --beam and the other options of a beam search that a released model has of its own; None as there."""
    add_beam(parser)
    parser.add_argument("--max-length", type=int, metavar="T", help="longest caption, in words (default 30)")
    parser.add_argument("--normalisation", type=float, metavar="A",
                        help="captions are ranked by log p / length**A (default 1)")


def check_search(args: argparse.Namespace) -> None:
    """Raises ValueError for options of add_search that are out of bounds."""
    check_least(args, beam=1, max_length=1)
    if args.normalisation is not None and not abs(args.normalisation) <= 10:
        raise ValueError(f"--normalisation {args.normalisation}: expected a number between -10 and 10")


def add_unknown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-unknown", action="store_true", help="captions may have <UNK>, which stands for any "
                        "word that is not in the vocabulary")


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """Add the options that decoder_of and kept take."""
    add_beam(parser)
    add_unknown(parser)
    parser.add_argument("--sample", action="store_true", help="draw each word by its probability")
    parser.add_argument("--temperature", type=float, metavar="T",
                        help="with --sample: below 1 sharpens the probabilities, above 1 flattens them (default 1)")
    parser.add_argument("--top-p", type=float, metavar="P",
                        help="with --sample: draw from the smallest set of words whose probabilities add up to P")
    parser.add_argument("--top-k", type=int, metavar="K", help="with --sample: draw from the K most likely words")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed of --sample (default 0)")
    parser.add_argument("--alternatives", type=int, metavar="N",
                        help="print N captions per image with the log-probability of each, ordered by "
                        "log-probability per word, with --sample by that of the whole caption; more than "
                        f"{BEAM} widen the beam")


def check_decoding(args: argparse.Namespace) -> None:
    """Raises ValueError for options that do not go together."""
    given = [name for name in DRAWING if getattr(args, name) is not None]
    if given and not args.sample:
        raise ValueError(f"--{given[0].replace('_', '-')} needs --sample")
    if args.sample and args.beam:
        raise ValueError("--beam and --sample: expected one of them")
    if args.beam and (args.alternatives or 0) > args.beam:
        raise ValueError(f"--alternatives {args.alternatives} of --beam {args.beam}: expected no more than the beam")


def decoder_of(args: argparse.Namespace) -> Decoder:
    """The decoder that the options ask for: a beam search, or draws at random."""
    unknown = {"allow_unknown": args.allow_unknown}
    if not args.sample:
        return functools.partial(beams_of, **unknown)
    options = unknown | {name: getattr(args, name) for name in DRAWING if getattr(args, name) is not None}
    return draws_of(np.random.default_rng(args.seed), **options)


def kept(args: argparse.Namespace, beam: int = BEAM) -> int:
    """How many captions of each image are searched for, or drawn; beam: the run's own default."""
    shown = args.alternatives or 1
    return args.beam or (shown if args.sample else max(shown, beam))
