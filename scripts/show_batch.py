"""Show a training minibatch as the model sees it: pictures where the dataset has them, and captions with their ids."""
import argparse
from pathlib import Path

from data.dataset import open_dataset
from models.checkpoint import write_atomically
from scripts.commandline.command import run
from scripts.datasets.defaults import SCENES, draw_batch, ensure_dataset
from scripts.pages.figures import sheet


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.show_batch", description=__doc__)
    parser.add_argument("--data", metavar="DIR", default=SCENES, help="dataset folder (default: the scenes)")
    parser.add_argument("--split", default="train", help="train, val or test (default train)")
    parser.add_argument("--n", type=int, default=8, metavar="N", help="captions in the batch (default 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="random seed of the choice (default 0)")
    parser.add_argument("--out", metavar="PNG", default="runs/batch.png",
                        help="where the figure goes, if the dataset has pictures (default runs/batch.png)")
    return parser.parse_args(argv)


def print_batch(dataset, split, captions, rows):
    """Print the features' statistics and every caption, as ids and as words."""
    x, names = dataset.features[split][rows], dataset.names(split)
    print(f"features {x.shape} {x.dtype}, mean {x.mean():.3f}, standard deviation {x.std():.3f}, "
          f"range {x.min():.3f} to {x.max():.3f}; captions {captions.shape} {captions.dtype}")
    for row, ids in zip(rows, captions):
        words = " ".join(dataset.vocabulary.idx_to_word[i] for i in ids if i != dataset.vocabulary.null)
        print(f"\n{names[row]} (row {row})\n  {words}\n  {' '.join(map(str, ids))}")


def main(argv=None):
    args = parse(argv)
    dataset = open_dataset(ensure_dataset(args.data))
    captions, rows = draw_batch(dataset, args.split, args.n, args.seed)
    print_batch(dataset, args.split, captions, rows)
    if dataset.pictures is not None:
        names = dataset.names(args.split)
        tiles = [(dataset.picture(row), names[row], dataset.vocabulary.decode(ids))
                 for row, ids in zip(rows, captions)]
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(args.out), sheet({f"a batch of {dataset.name}, {args.split}": tiles}))
        print(f"\npicture: {args.out}")


if __name__ == "__main__":
    run(main)
