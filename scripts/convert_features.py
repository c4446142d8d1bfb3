"""Make a feature file for scripts.prepare_data from features that others wrote.

IN is an HDF5 file, an .npy or .npz file, a folder of .npy or .npz files, one per image, or Anderson's .tsv. The command
prints how it interprets each axis, and asks for --layout if two interpretations fit.
"""
import functools
import math
from pathlib import Path

from data.feature_conversion import axes, layout_of, survey, write
from data.foreign_features import open_foreign
from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import check_new
from scripts.commandline.parser import Parser
from scripts.commandline.progress import tqdm


def parse(argv=None):
    parser = Parser(prog="python -m scripts.convert_features", description=__doc__)
    parser.add_argument("input", metavar="IN", type=Path, help="features in another form")
    parser.add_argument("--out", required=True, type=Path, metavar="H5", help="the feature file to make")
    parser.add_argument("--layout", metavar="AXES", help="what each axis is, for example rows,D,h,w: rows (images), D "
                        "(features), L (regions), h and w (a grid of regions); default: inferred from the shapes, if "
                        "they allow one reading")
    parser.add_argument("--names", metavar="FILE", type=Path, help="names of the images in the order of the rows, one "
                        "per line, or a JSON list (default: the names in the input)")
    parser.add_argument("--dataset", metavar="NAME", help="array that holds the features, if there are several")
    parser.add_argument("--float16", action="store_true", help="round to float16, which halves the file (default: "
                        "float32, or float16 if rounding changes no number)")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    check_new("--out", args.out)
    foreign = open_foreign(args.input, args.names, args.dataset)
    layout = layout_of(foreign, args.input, args.layout)
    print(f"{args.input}: {foreign.key}, {foreign.dtype.name}, {len(foreign.names):,} images with names like "
          f"{foreign.names[0]!r:.80}", *(f"  {line}" for line in axes(foreign, layout)), sep="\n")
    bar = functools.partial(tqdm, total=len(foreign.names), disable=None, unit="image")
    conversion = survey(foreign, layout, args.input, args.float16, functools.partial(bar, desc="reading"))
    write(conversion, args.out, functools.partial(bar, desc="writing"))
    print(f"{args.out}: {conversion.dtype} {conversion.shape}")
    for line in told(conversion):
        print(f"  {line}")
    print_next("convert_features", out=args.out)


def told(conversion):
    """What to say about the file: how many regions are real, why the numbers have this type."""
    lines, regions, most = [], conversion.regions, math.prod(conversion.shape[1:-1])
    by = "as stated" if conversion.foreign.counts is not None else "without zeros at the end"
    if regions is not None:
        padding = 1 - regions.mean() / most
        lines.append(f"regions: {regions.min()} to {regions.max()} an image, {by}; the rest, {100 * padding:.0f} %, is "
                     "padding")
    elif "L" in conversion.layout and conversion.foreign.high[conversion.layout.index("L")] > most:
        lines.append(f"regions: {most} in each image, {by}; the others are padding in all images, and left out")
    if len(conversion.layout) > 2 and len(conversion.shape) == 2:
        lines.append("one region an image, written as a vector")
    if conversion.dtype == "float32":
        lines.append("float32, because float16 would round the numbers; --float16 makes the file half as large")
    return lines


if __name__ == "__main__":
    run(main)
