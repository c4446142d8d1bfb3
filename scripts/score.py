"""Score captions against references: BLEU-1 to 4, ROUGE-L and CIDEr, exactly as the COCO evaluation computes them.

Both files may be {image: caption} or {image: [captions]} in JSON, a list of {"image_id" or "image" or "id", "caption"},
COCO's or Karpathy's JSON, references.json of a dataset folder, CSV, TSV, or JSON lines. Candidates have one caption per
image, references any number. Images are found by their ids or names, and the split of references.json by its images.
Images that have references but no candidate are not scored; a note says how many.
"""
import argparse
import sys
from pathlib import Path

from data.caption_files import STANDARD_INPUT, read_captions
from data.tokenizer import TOKENS
from models.metrics import score_captions
from scripts.commandline.command import run
from scripts.commandline.outputs import add_force, check_output, write_output
from scripts.commandline.parser import Parser, choice
from scripts.evaluation.caption_pairs import (
    SCORES,
    check_not_read,
    pair,
    per_image_csv,
    score_lines,
    tokens_of,
    words_of,
)
from scripts.evaluation.java_scores import java_scores


def parse(argv=None):
    parser = Parser(prog="python -m scripts.score", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", type=Path, metavar="candidates",
                        help="one caption per image; - for standard input")
    parser.add_argument("references", type=Path, metavar="references",
                        help="reference captions; - for standard input")
    parser.add_argument("--per-image", type=Path, metavar="out.csv", help="also write the scores of each image")
    parser.add_argument("--tokens", type=choice(list(TOKENS)), metavar="HOW", help="how captions are split into words: "
                        f"{', '.join(TOKENS)} (default: as dataset.json beside references.json says, else treebank)")
    add_force(parser)
    args = parser.parse_args(argv)
    if args.candidates == args.references == STANDARD_INPUT:
        raise ValueError("candidates and references are both -, standard input: expected a file for one of them")
    if args.per_image is not None:
        check_not_read(args.per_image, (args.candidates, args.references))
        check_output("--per-image", args.per_image, SCORES, args.force)
    return args


def main(argv=None):
    args = parse(argv)
    pairs = pair(read_captions(args.candidates, single=True), read_captions(args.references))
    candidates, references, notes = words_of(pairs, args.tokens or tokens_of(args.references))
    scores = score_captions(candidates, references)
    for line in pairs.notes + notes:
        print(line, file=sys.stderr)
    if args.per_image is not None:
        write_output(args.per_image, per_image_csv(scores))
    print(f"{len(candidates):,} images")
    print(*score_lines(scores.corpus), sep="\n", flush=True)
    extra, note = java_scores(candidates, references)       # slow
    if extra:
        print(*score_lines(extra), sep="\n")
    if note:
        print(note, file=sys.stderr)


if __name__ == "__main__":
    run(main)
