"""Score captions against references, both in COCO's JSON formats: BLEU-1 to 4, ROUGE-L and CIDEr.

candidates.json is a list of {"image_id", "caption"}, references.json an object with "annotations", a list of
{"image_id", "caption"}, any number per image. Captions are tokenised and scored exactly as by the COCO evaluation.
Images that have references but no candidate are not scored; a note says how many.
"""
import argparse
import sys
from pathlib import Path

from data.coco_captions import read_candidates, read_references
from models.checkpoint import write_atomically
from models.metrics import score_captions
from scripts.commandline.command import run
from scripts.commandline.parser import Parser
from scripts.evaluation.coco_pairs import check_output, pair, per_image_csv, score_lines
from scripts.evaluation.java_scores import java_scores


def parse(argv=None):
    parser = Parser(prog="python -m scripts.score", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", type=Path, metavar="candidates.json", help="one caption per image")
    parser.add_argument("references", type=Path, metavar="references.json", help="reference captions")
    parser.add_argument("--per-image", type=Path, metavar="out.csv", help="also write the scores of each image")
    args = parser.parse_args(argv)
    if args.per_image is not None:
        check_output(args.per_image, (args.candidates, args.references))
    return args


def main(argv=None):
    args = parse(argv)
    candidates = read_candidates(args.candidates)
    references, notes = pair(candidates, read_references(args.references), (args.candidates, args.references))
    scores = score_captions(candidates, references)
    for line in notes:
        print(line, file=sys.stderr)
    if args.per_image is not None:
        write_atomically(args.per_image.resolve(), per_image_csv(scores))
    print(f"{len(candidates):,} images")
    print(*score_lines(scores.corpus), sep="\n", flush=True)
    extra, note = java_scores(candidates, references)       # slow
    if extra:
        print(*score_lines(extra), sep="\n")
    if note:
        print(note, file=sys.stderr)


if __name__ == "__main__":
    run(main)
