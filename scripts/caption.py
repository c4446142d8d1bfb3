"""Print a trained run's captions of the images of a split, or of your own photos: one line per image.

By default the likeliest word is taken at each step; --beam searches for the likeliest caption, --sample draws words at
random. Photos are encoded by the ONNX model that made the run's training features.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

from data.photos import list_pictures, open_picture
from data.vocabulary import Vocabulary
from models.checkpoint import write_atomically
from scripts.commandline.command import check_page, run
from scripts.commandline.image_model import add_model, model_options, noting_errors
from scripts.commandline.run_options import add_data, add_run, add_split, check_least
from scripts.evaluation.captions import beams_of, caption_split, draws_of
from scripts.pages.caption_page import caption_page
from scripts.runs import load_run, open_run_data
from scripts.runs.photos import picture_features

BATCH = 16                              # photos at a time


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.caption", description=__doc__)
    add_run(parser)
    add_split(parser)
    parser.add_argument("--n", type=int, metavar="N",
                        help="first N images, 0 for all (default: 8 of a split, all photos)")
    parser.add_argument("--beam", type=int, metavar="K", help="keep the K best captions at each word (default 1)")
    parser.add_argument("--sample", action="store_true", help="draw each word by its probability")
    parser.add_argument("--temperature", type=float, metavar="T",
                        help="with --sample: below 1 sharpens the probabilities, above 1 flattens them (default 1)")
    parser.add_argument("--top-p", type=float, metavar="P",
                        help="with --sample: draw from the smallest set of words whose probabilities add up to P")
    parser.add_argument("--top-k", type=int, metavar="K", help="with --sample: draw from the K most likely words")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed of --sample (default 0)")
    parser.add_argument("--alternatives", type=int, metavar="N",
                        help="print N captions per image with their log-probabilities, the best first: by "
                        "log-probability per word, with --sample by that of the whole caption")
    add_data(parser)
    photos = parser.add_argument_group("photos")
    photos.add_argument("--images", nargs="+", metavar="PATH", help="a folder of photos, or files, instead of a split")
    photos.add_argument("--html", type=Path, metavar="FILE", help="write a page with the photos, their captions and "
                        "where an attention model looked for each word")
    add_model(photos, "what the run was trained on")
    return parser.parse_args(argv)


def check(args):
    """Raises ValueError for numbers out of range and options that do not go together."""
    check_least(args, n=0, seed=0, beam=1, alternatives=1)
    for name in ("split", "data") if args.images else ("encoder", "html"):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name}: goes {'not with' if args.images else 'only with'} --images")
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


def caption_photos(checkpoint, features, pictures, decode, beam, failed):
    """Open, encode and caption photos, {name: path} -> yields name, PIL.Image, Hypotheses with the best first.

    What is wrong with a photo is printed and appended to `failed`.
    """
    names = list(pictures)
    for i in range(0, len(names), BATCH):
        opened = {}
        for name in names[i:i + BATCH]:
            with noting_errors(failed):
                opened[name] = open_picture(pictures[name], 2 * max(features.size))
        if opened:
            beams = decode(checkpoint.model, features(list(opened.values())), beam)
            yield from zip(opened, opened.values(), beams)


def photos(checkpoint, args):
    """Caption the photos of --images -> exit status."""
    if args.html:
        check_page("--html", args.html)                 # before hours of work
    features = picture_features(checkpoint, args.encoder, **model_options(args))
    pictures, failed = list_pictures(args.images)
    notes = [*(f"error: {line}" for line in failed), *([features.note] if features.note else [])]
    print("".join(f"{note}\n" for note in notes), end="", file=sys.stderr)
    pictures = dict(list(pictures.items())[:args.n or None])
    vocabulary, items, count = Vocabulary(checkpoint.model.word_to_idx), [], args.alternatives or 1
    for name, picture, hypotheses in caption_photos(checkpoint, features, pictures, decoder(args),
                                                    args.beam or count, failed):
        show(name, hypotheses[:count], vocabulary, args)
        items += [(name, picture, hypotheses[:count])] if args.html else []
    if args.html:
        write_atomically(args.html, caption_page(items, vocabulary, features.grid, args.run).encode())
        print(f"written to {args.html}", file=sys.stderr)
    return 2 if failed else 0


def show(name, hypotheses, vocabulary, args):
    """Print the captions of an image."""
    for hypothesis in hypotheses:
        chance = f"\t{hypothesis.log_prob:.2f}" if args.alternatives else ""
        print(f"{name}\t{vocabulary.decode(hypothesis.ids)}{chance}", flush=args.images is not None)


def main(argv=None):
    args = parse(argv)
    check(args)
    checkpoint = load_run(args.run)
    if args.images:
        return photos(checkpoint, args)
    dataset = open_run_data(checkpoint, args.data)
    split = args.split or ("test" if "test" in dataset.captions else "val")
    rows, names = dataset.images(split)
    n = 8 if args.n is None else args.n or None
    beams = caption_split(checkpoint.model, dataset, split, rows[:n], args.beam or args.alternatives or 1,
                          decode=decoder(args))
    for name, hypotheses in zip(names, beams):
        show(name, hypotheses[:args.alternatives or 1], dataset.vocabulary, args)
    return 0


if __name__ == "__main__":
    run(main)
