"""Print captions that a trained run gives to the images of a split: one line an image, name and caption."""
import argparse

from scripts.command import run
from scripts.runs import load_run, open_run_data
from scripts.training_files import caption_images


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.caption", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder that scripts.train wrote, or a checkpoint file in it")
    parser.add_argument("--split", help="train, val or test (default: test where there is one, else val)")
    parser.add_argument("--n", type=int, default=8, metavar="N", help="first N images, 0 for all (default 8)")
    parser.add_argument("--data", metavar="DIR", help="dataset folder, where it is no longer where the run found it")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    checkpoint = load_run(args.run)
    dataset = open_run_data(checkpoint, args.data)
    if args.n < 0:
        raise ValueError(f"--n {args.n}: expected 0 or more")
    split = args.split or ("test" if "test" in dataset.captions else "val")
    _, names, captions = caption_images(checkpoint.model, dataset, split, args.n or None)
    for name, caption in zip(names, captions):
        print(f"{name}\t{caption}")


if __name__ == "__main__":
    run(main)
