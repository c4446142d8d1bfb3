"""Print a trained run's captions of the images of a split, or of your own photos: one line per image.

A beam search looks for the likeliest caption; --sample draws words at random. Photos are encoded by the ONNX model that
made the run's training features. Without RUN the newest run is used, for photos the newest whose image model is there;
without --encoder the one of scripts.fetch_data that fits the run.
"""
import sys
from pathlib import Path

from scripts.commandline.command import one_line, run
from scripts.commandline.decoding_options import add_decoding, check_decoding
from scripts.commandline.image_model import add_model, model_options
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_optional_run, add_split, check_least
from scripts.evaluation.caption_output import caption_own_photos, caption_run_split
from scripts.runs import load_run
from scripts.runs.newest import fetched_encoder, newest_for_photos, newest_run
from scripts.runs.released import is_released


def parse(argv=None):
    parser = Parser(prog="python -m scripts.caption", description=__doc__)
    add_optional_run(parser)
    add_split(parser)
    parser.add_argument("--n", type=int, metavar="N",
                        help="first N images, 0 for all (default: 8 of a split, all photos)")
    add_decoding(parser)
    add_data(parser)
    photos = parser.add_argument_group("photos")
    photos.add_argument("--images", nargs="+", metavar="PATH", help="folders of photos, or files, instead of a split")
    photos.add_argument("--html", type=Path, metavar="FILE", help="write a page with the photos, their captions and "
                        "where an attention model looked for each word")
    add_force(photos)
    add_model(photos, "what the run was trained on")
    args = parser.parse_args(argv)
    check_least(args, n=0, seed=0, beam=1, alternatives=1)
    for name in ("split", "data") if args.images else ("encoder", "html", *model_options(args)):
        if getattr(args, name) != parser.get_default(name):
            raise ValueError(f"--{name.replace('_', '-')}: goes {'not with' if args.images else 'only with'} --images")
    check_decoding(args)
    return args


def choose(args):
    """The checkpoint of the run to use. Says which one, and which image model, where they are not given."""
    if args.run is None:
        args.run, notes = newest_for_photos(args.encoder) if args.images else newest_run()
        print(f"newest run: {args.run}", *(f"note: {one_line(note)}" for note in notes), sep="\n", file=sys.stderr)
    checkpoint = load_run(args.run)
    if args.images and args.encoder is None and (encoder := fetched_encoder(checkpoint)):
        args.encoder = encoder
        print(f"image model: {encoder}", file=sys.stderr)
    return checkpoint


def main(argv=None):
    args = parse(argv)
    checkpoint = choose(args)
    if args.images:
        failed = caption_own_photos(checkpoint, args)
        kind = " of a release" if is_released(checkpoint) else ""
        print_next(f"caption --images{kind if args.encoder else ' with scenes'}", sys.stderr, run=args.run,
                   encoder=args.encoder)
        return 2 if failed else 0
    caption_run_split(checkpoint, args)
    return 0


if __name__ == "__main__":
    run(main)
