"""Test whether a model's attention moves from word to word, and on scenes whether it points at what the words name.

The result is also written as JSON, to RUN/attention.json or --out. Exit code 1 if the attention does not move ("dead")
or cannot be judged.
"""
import argparse
import json
from pathlib import Path

import numpy as np

from models.checkpoint import write_atomically
from scripts.commandline.command import run
from scripts.commandline.run_options import add_data, add_run, add_split
from scripts.evaluation.attention import DEAD, liveliness, pointing
from scripts.evaluation.captions import attend_images
from scripts.evaluation.scenes import read_objects
from scripts.runs import load_attending_run


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.check_attention", description=__doc__)
    add_run(parser, "folder of a run of an attention model")
    add_split(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes (default: RUN/attention.json)")
    args = parser.parse_args(argv)
    checkpoint, dataset, split = load_attending_run(args.run, args.data, args.split)
    out = args.out or Path(checkpoint.path).parent / "attention.json"
    if not out.absolute().parent.is_dir() or out.is_dir():
        raise ValueError(f"--out {out}: expected a file in a folder that exists")
    rows, _ = dataset.images(split)
    words, maps = attend_images(checkpoint.model, dataset, split, rows)
    result = {"run": str(args.run), "cell_type": checkpoint.model.cell_type, "split": split, "images": len(rows),
              **liveliness(maps)}
    path = dataset.folder / "objects.json"
    if path.is_file():
        objects = read_objects(path, len(dataset.features[split]))
        result["pointing"] = pointing(words, maps, [objects[row] for row in rows], np.random.default_rng(0))
    write_atomically(out, json.dumps(result, indent=1).encode())
    print(summary(result))
    print(f"written to {out}")
    return 0 if result["verdict"] == "alive" else 1


def summary(result):
    """The result in a few lines."""
    if result["change"] is None:
        return f"{result['verdict']}: no caption of {result['images']} has two words, or the grid has one region"
    differ = f"maps differ by {result['change']:.3f} between words"
    if result["verdict"] == "dead":
        differ = f"maps differ by less than {DEAD:g} between words ({result['change']:.1e})"
    mass = np.array(result["mass"])
    sharp = f"entropy {result['entropy']:.2f} of at most {result['entropy_uniform']:.2f} nats"
    lines = [f"{result['verdict']}: {differ}; {sharp}",
             f"{result['words']} words of {result['images']} {result['split']} images; mass by region, per cent:",
             *("  " + " ".join(f"{100 * share:4.1f}" for share in row) for row in mass)]
    if "pointing" in result and result["pointing"]["nouns"]:
        p = result["pointing"]
        lines.append(f"pointing: {p['accuracy']:.1%} of {p['nouns']} nouns peak on what they name (chance "
                     f"{p['chance']:.1%}, maps shuffled between words {p['shuffled']:.1%}); mass on it {p['mass']:.1%}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
