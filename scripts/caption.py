"""Print captions that a trained run gives to the images of a split: one line an image, name and caption.

The most likely word at each step; with --beam the best caption that a beam search finds; with --sample words drawn at
random.
"""
import argparse

import numpy as np

from scripts.captions import beams_of, caption_split, draws_of
from scripts.command import run
from scripts.runs import load_run, open_run_data


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.caption", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder that scripts.train wrote, or a checkpoint file in it")
    parser.add_argument("--split", help="train, val or test (default: test where there is one, else val)")
    parser.add_argument("--n", type=int, default=8, metavar="N", help="first N images, 0 for all (default 8)")
    parser.add_argument("--beam", type=int, metavar="K", help="keep the K best captions at each word (default 1)")
    parser.add_argument("--sample", action="store_true", help="draw each word by its probability")
    parser.add_argument("--temperature", type=float, metavar="T",
                        help="with --sample: below 1 likely words become likelier still, above 1 less so (default 1)")
    parser.add_argument("--top-p", type=float, metavar="P",
                        help="with --sample: only the fewest likely words that hold a share P of the probability")
    parser.add_argument("--top-k", type=int, metavar="K", help="with --sample: only the K most likely words")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of --sample (default 0)")
    parser.add_argument("--alternatives", type=int, metavar="N",
                        help="N captions an image, the best first (by log-probability a word; drawn ones by the whole "
                        "log-probability), and the log-probability of each")
    parser.add_argument("--data", metavar="DIR", help="dataset folder, where it is no longer where the run found it")
    return parser.parse_args(argv)


def check(args):
    """Raises ValueError for numbers out of range and options that do not go together."""
    for name, least in (("n", 0), ("seed", 0), ("beam", 1), ("alternatives", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} {value}: expected at least {least}")
    drawing = {"--temperature": args.temperature, "--top-p": args.top_p, "--top-k": args.top_k}
    given = [name for name, value in drawing.items() if value is not None]
    if given and not args.sample:
        raise ValueError(f"{given[0]} belongs to --sample, expected that too")
    if args.sample and args.beam:
        raise ValueError("--beam and --sample: expected one of them")
    if args.beam and (args.alternatives or 0) > args.beam:
        raise ValueError(f"--alternatives {args.alternatives} of --beam {args.beam}: expected no more than the beam")


def decoder(args):
    """What the options ask for: a function (model, features, beam) -> for each image its Hypotheses, best first."""
    if not args.sample:
        return beams_of
    options = {"temperature": args.temperature, "top_k": args.top_k, "top_p": args.top_p}
    options = {name: value for name, value in options.items() if value is not None}
    return draws_of(np.random.default_rng(args.seed), **options)


def main(argv=None):
    args = parse(argv)
    check(args)
    checkpoint = load_run(args.run)
    dataset = open_run_data(checkpoint, args.data)
    split = args.split or ("test" if "test" in dataset.captions else "val")
    rows, names = dataset.images(split)
    rows, names = rows[:args.n or None], names[:args.n or None]
    beams = caption_split(checkpoint.model, dataset, split, rows, args.beam or args.alternatives or 1,
                          decode=decoder(args))
    for name, hypotheses in zip(names, beams):
        for hypothesis in hypotheses[:args.alternatives or 1]:
            chance = f"\t{hypothesis.log_prob:.2f}" if args.alternatives else ""
            print(f"{name}\t{dataset.vocabulary.decode(hypothesis.ids)}{chance}")


if __name__ == "__main__":
    run(main)
