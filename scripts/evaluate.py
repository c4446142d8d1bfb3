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
from scripts.commandline.decoding_options import add_search, add_unknown, check_search
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split, add_threads, check_least
from scripts.evaluation.captioner import load_captioner
from scripts.evaluation.run_scores import compare, evaluate_run, load_other
from scripts.evaluation.tables import coco_results, output_folder, result_lines
from scripts.runs import choose_split


def parse(argv=None):
    parser = Parser(prog="python -m scripts.evaluate", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run(parser)
    add_split(parser)
    add_search(parser)
    add_unknown(parser)
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="images at a time (default 128)")
    parser.add_argument("--block-trigrams", action="store_true", help="no three words twice in a caption")
    parser.add_argument("--consensus", type=int, default=0, metavar="M", help="rerank the captions of the beam "
                        "(of each run, in an ensemble) by their probability and by their similarity to the captions "
                        "of the M nearest training images")
    parser.add_argument("--ensemble", nargs="+", default=[], metavar="RUN",
                        help="more runs on the same data; the predictions of all runs are averaged at each word")
    parser.add_argument("--against", metavar="RUN2", help="compare with another run: 95 %% interval of the difference "
                        "in CIDEr and BLEU-4, by a paired bootstrap over the images")
    add_data(parser)
    add_threads(parser)
    args = parser.parse_args(argv)
    check_least(args, beam=1, batch=1, consensus=0)
    check_search(args)
    return args


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    began = time.perf_counter()
    captioner = load_captioner([args.run, *args.ensemble], args.data)
    split = choose_split(captioner.dataset, args.split)
    other = load_other(args.against, captioner, split, args.data) if args.against is not None else None
    options = captioner.options(vars(args))
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
    print_next("evaluate", run=args.run)


if __name__ == "__main__":
    run(main)
