"""Options of scripts.caption that say how captions are decoded."""
import argparse

import numpy as np

from scripts.evaluation.captions import Decoder, beams_of, draws_of

DRAWING = ("temperature", "top_p", "top_k")         # options that go with --sample alone


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """Add the options that decoder_of takes, and --alternatives."""
    parser.add_argument("--beam", type=int, metavar="K", help="keep the K best captions at each word (default 1)")
    parser.add_argument("--sample", action="store_true", help="draw each word by its probability")
    parser.add_argument("--temperature", type=float, metavar="T",
                        help="with --sample: below 1 sharpens the probabilities, above 1 flattens them (default 1)")
    parser.add_argument("--top-p", type=float, metavar="P",
                        help="with --sample: draw from the smallest set of words whose probabilities add up to P")
    parser.add_argument("--top-k", type=int, metavar="K", help="with --sample: draw from the K most likely words")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed of --sample (default 0)")
    parser.add_argument("--alternatives", type=int, metavar="N",
                        help="print N captions per image, best first, with their log-probabilities: per word, or "
                        "with --sample of the whole caption")


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
    if not args.sample:
        return beams_of
    options = {name: getattr(args, name) for name in DRAWING if getattr(args, name) is not None}
    return draws_of(np.random.default_rng(args.seed), **options)
