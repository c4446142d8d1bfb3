"""Show a training minibatch as the model sees it: captions with their ids, and pictures if the dataset has them."""
from pathlib import Path

from data.dataset import open_dataset
from scripts.commandline.command import run
from scripts.commandline.outputs import FIGURE, add_force, check_output, write_output
from scripts.commandline.parser import Parser
from scripts.datasets.defaults import SCENES, batch_lines, draw_batch, ensure_dataset
from scripts.pages.figures import sheet
from scripts.pages.pictures import gone
from scripts.pages.samples import batch_tiles

BATCH = Path("runs/batch.png")


def parse(argv=None):
    parser = Parser(prog="python -m scripts.show_batch", description=__doc__)
    parser.add_argument("--data", metavar="DIR", default=SCENES, help="dataset folder (default: the scenes)")
    parser.add_argument("--split", default="train", help="train, val or test (default train)")
    parser.add_argument("--n", type=int, default=8, metavar="N", help="captions in the batch (default 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="random seed of the choice (default 0)")
    parser.add_argument("--out", metavar="PNG", type=Path, default=BATCH,
                        help="where the figure goes, if the dataset has pictures (default %(default)s)")
    add_force(parser)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    dataset = open_dataset(ensure_dataset(args.data))
    drawn = dataset.pictures is not None or dataset.photographs and not gone(dataset)
    if drawn:
        if args.out == BATCH:
            BATCH.parent.mkdir(exist_ok=True)
        check_output("--out", args.out, FIGURE, args.force)
    captions, rows = draw_batch(dataset, args.split, args.n, args.seed)
    print(*batch_lines(dataset, args.split, captions, rows), sep="\n")
    print(*(f"\n{line}" for line in gone(dataset)))
    if not drawn:
        return
    tiles = batch_tiles(dataset, args.split, captions, rows)
    if all(tile.picture is None for tile in tiles):
        print("\nnone of these images has a photograph, so no picture was drawn")
    else:
        write_output(args.out, sheet({f"a batch of {dataset.name}, {args.split}": tiles}))
        print(f"\npicture: {args.out}")


if __name__ == "__main__":
    run(main)
