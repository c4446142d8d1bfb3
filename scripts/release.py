"""Make one file of a run for others: all that captions need and a model card, no training state, no paths from here.

The other commands accept the file in place of a run. Weights are stored as float16 where that changes no caption of the
split, by default test, which takes minutes for 1,000 images; the decoding options below become the file's defaults.
"""
import os
from pathlib import Path

from models.checkpoint import save_checkpoint
from models.safetensors_file import save_model
from scripts.commandline.command import run, set_threads
from scripts.commandline.decoding_options import add_search, check_search
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import Kind, add_force, check_output
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split, add_threads
from scripts.evaluation.captioner import load_captioner
from scripts.evaluation.halving import halve
from scripts.evaluation.model_card import model_card
from scripts.evaluation.run_scores import evaluate_run
from scripts.runs import choose_split, load_run
from scripts.runs.released import is_released, run_to_release

WRITE = {".h5": save_checkpoint, ".safetensors": save_model}
MODEL = Kind("file of scripts.release", lambda path: is_released(load_run(path)))


def parse(argv=None):
    parser = Parser(prog="python -m scripts.release", description=__doc__)
    add_run(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"the file, {' or '.join(WRITE)}")
    parser.add_argument("--card", action="store_true", help="print the model card of a file that was released")
    parser.add_argument("--licence", metavar="TEXT", help="licence of the data, for the card (known for scenes and "
                        "Flickr8k, else \"not stated\")")
    add_split(parser)
    add_search(parser)
    add_data(parser)
    add_threads(parser)
    add_force(parser)
    args = parser.parse_args(argv)
    check_search(args)
    if (args.out is None) is not args.card:
        raise ValueError("expected either --out FILE, or --card of a file that was released")
    if args.out is not None and args.out.suffix not in WRITE:
        raise ValueError(f"--out {args.out}: expected a name that ends in {' or '.join(WRITE)}")
    return args


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    checkpoint = load_run(args.run)
    if args.card:
        if not is_released(checkpoint):
            raise ValueError(f"{args.run}: has no model card, expected a file of scripts.release")
        print(checkpoint.run["release"]["card"])
        return
    out = args.out.resolve()
    if out == Path(checkpoint.path).resolve() or out.name in ("best.h5", "last.h5") and out.exists():
        raise ValueError(f"--out {args.out}: is what is released, or belongs to its run: choose another name")
    if is_released(checkpoint):
        raise ValueError(f"{args.run}: was released already; release the run that it came from, or copy the file")
    check_output("--out", args.out, MODEL, args.force)
    release(checkpoint, args)


def release(checkpoint, args):
    """Write the file, and print what is in it. args: the options of the command."""
    captioner = load_captioner([args.run], args.data)
    split, options = choose_split(captioner.dataset, args.split), captioner.options(vars(args))
    captioner, halved, captions = halve(captioner, split, options, print)
    print(f"{len(captions):,} of {len(captions):,} captions of {split} are the same with float16: "
          f"{len(halved)} of {len(captioner.model.params)} arrays ({', '.join(halved) or 'none'})")
    result = evaluate_run(captioner, split, options, captions).result
    card = model_card(args.out.name, checkpoint, captioner.dataset, result, halved, args.licence)
    decoding = {name: getattr(options, name) for name in ("beam", "max_length", "normalisation")}
    path = os.path.realpath(args.out)
    WRITE[args.out.suffix](path, captioner.model, run_to_release(checkpoint.run, decoding, card), halved=halved)
    print(f"written to {args.out}: {os.path.getsize(path) / 1e6:.1f} MB; the run has "
          f"{os.path.getsize(checkpoint.path) / 1e6:.1f} MB")
    print_next("release", out=args.out)


if __name__ == "__main__":
    run(main)
