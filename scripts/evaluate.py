"""Caption a split with a trained run and score it, beside trivial baselines and human captions.

Writes RUN/evaluate/SPLIT-beamK/captions.json, in COCO's results format, and scores.json. Baselines: one caption for all
images (the most central training caption), a random training caption, the first caption of the training image with the
nearest features. Human: each image's first reference against its others.
"""
import argparse
import json
import time

from models.checkpoint import write_atomically
from scripts.commandline.command import run, set_threads
from scripts.commandline.decoding_options import add_beam
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split, add_threads, check_least
from scripts.evaluation.captioner import Options, load_captioner
from scripts.evaluation.run_scores import compare, evaluate_run, load_other
from scripts.evaluation.tables import coco_results, output_folder, result_lines
from scripts.runs import choose_split


def parse(argv=None):
    parser = Parser(prog="python -m scripts.evaluate", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run(parser)
    add_split(parser)
    add_beam(parser)
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="images at a time (default 128)")
    parser.add_argument("--max-length", type=int, default=30, metavar="T", help="bound on words (default 30)")
    parser.add_argument("--normalisation", type=float, default=1.0, metavar="A",
                        help="captions are ranked by log p / length**A (default 1)")
    parser.add_argument("--block-trigrams", action="store_true", help="no three words twice in a caption")
    parser.add_argument("--consensus", type=int, default=0, metavar="M", help="rank the captions found, also those of "
                        "each run of an ensemble, by their probability and by how much they resemble the captions of "
                        "the M nearest training images")
    parser.add_argument("--ensemble", nargs="+", default=[], metavar="RUN",
                        help="runs on the same data that decide each word together with the first one")
    parser.add_argument("--against", metavar="RUN2", help="another run, captioned in the same way: 95 %% interval of "
                        "the difference in CIDEr and BLEU-4 over resampled images")
    add_data(parser)
    add_threads(parser)
    args = parser.parse_args(argv)
    check_least(args, beam=1, batch=1, max_length=1, consensus=0)
    if not abs(args.normalisation) <= 10:
        raise ValueError(f"--normalisation {args.normalisation}: expected a number between -10 and 10")
    return args


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    began = time.perf_counter()
    captioner = load_captioner([args.run, *args.ensemble], args.data)
    split = choose_split(captioner.dataset, args.split)
    other = load_other(args.against, captioner, split, args.data) if args.against is not None else None
    options = Options(**{name: getattr(args, name) for name in Options._fields})
    folder = output_folder(captioner, split, options)
    found = evaluate_run(captioner, split, options)
    if other is not None:
        found.result["against"] = compare(found.scores, other, split, options)
    write_atomically(folder / "captions.json", json.dumps(coco_results(found.captions), indent=0).encode())
    write_atomically(folder / "scores.json", json.dumps(found.result, indent=1).encode())
    print(*result_lines(found.result), sep="\n")
    if found.note:
        print(found.note)
    print(f"written to {folder} in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    run(main)
