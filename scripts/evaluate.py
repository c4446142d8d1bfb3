"""Caption a split with a trained run and score it, beside what is easy (floors) and what people reach (the ceiling).

Writes RUN/evaluate/SPLIT-beamK/captions.json, in COCO's results format, and scores.json. Floors: one caption for all
images (the most central training caption), a random training caption, the first caption of the training image with the
nearest features. Human: each image's first reference against its others.
"""
import argparse
import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.coco_captions import image_id
from data.dataset import open_dataset
from models.bootstrap import paired_bootstrap
from models.checkpoint import write_atomically
from models.consensus import Consensus
from models.ensemble import Ensemble
from models.likelihood import split_loss
from models.metrics import MEASURES, score_captions
from models.retrieval import nearest_images
from scripts.commandline.command import run, set_threads
from scripts.evaluation.baselines import constant_caption
from scripts.evaluation.captions import caption_split
from scripts.evaluation.java_scores import java_scores
from scripts.runs import FEATURE_KIND, load_run, open_run_data

BUDGET = 2**31                      # bytes of a split's features that are read before, instead of batch by batch
LABELS = {"constant": "one caption for all", "random": "random training caption", "nearest": "nearest image's caption"}


class Captioner(NamedTuple):
    """A run, or several that decide each word together."""
    model: object
    dataset: object
    checkpoint: str                 # file of the first one
    epoch: int | None


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.evaluate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="folder that scripts.train wrote, or a checkpoint file in it")
    parser.add_argument("--split", help="train, val or test (default: test where there is one, else val)")
    parser.add_argument("--beam", type=int, default=3, metavar="K", help="captions kept at each word (default 3)")
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="images at a time (default 128)")
    parser.add_argument("--max-length", type=int, default=30, metavar="T", help="bound on words (default 30)")
    parser.add_argument("--normalisation", type=float, default=1.0, metavar="A",
                        help="captions are ranked by log p / length**A (default 1)")
    parser.add_argument("--block-trigrams", action="store_true", help="no three words twice in a caption")
    parser.add_argument("--consensus", type=int, default=0, metavar="M", help="of the captions found, also by each "
                        "run of an ensemble, take the one that beside its probability is most like those of the M "
                        "nearest training images")
    parser.add_argument("--ensemble", nargs="+", default=[], metavar="RUN",
                        help="runs on the same data that decide each word together with the first one")
    parser.add_argument("--against", metavar="RUN2", help="another run, captioned in the same way: 95 %% interval of "
                        "the difference in CIDEr and BLEU-4 over resampled images")
    parser.add_argument("--data", metavar="DIR", help="dataset folder, where it is no longer where the run found it")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of BLAS (default: one a core)")
    args = parser.parse_args(argv)
    for name in ("beam", "batch", "max_length"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} {getattr(args, name)}: expected at least 1")
    if args.consensus < 0:
        raise ValueError(f"--consensus {args.consensus}: expected at least 0")
    if not abs(args.normalisation) <= 10:
        raise ValueError(f"--normalisation {args.normalisation}: expected a number between -10 and 10")
    return args


def load_captioner(runs, data):
    """One run, or an ensemble of some -> Captioner. Raises ValueError where they do not fit together."""
    checkpoints = [load_run(path) for path in runs]
    first = checkpoints[0]
    dataset = open_run_data(first, data)
    for path, other in zip(runs[1:], checkpoints[1:]):
        if FEATURE_KIND.get(other.model.cell_type) != FEATURE_KIND.get(first.model.cell_type):
            raise ValueError(f"--ensemble {path}: --model {other.model.cell_type} takes other features than "
                             f"{first.model.cell_type}, expected runs that share them")
        open_run_data(other, str(dataset.folder))           # raises where vocabulary or features differ
    model = first.model if len(checkpoints) == 1 else Ensemble([c.model for c in checkpoints])
    return Captioner(model, dataset, first.path, first.run.get("epoch"))


def caption(captioner, split, args):
    """Captions of the split -> image name -> str."""
    dataset, model = captioner.dataset, captioner.model
    rows, names = dataset.images(split)
    dataset.features[split].preload(rows, BUDGET)

    def find(model):
        return caption_split(model, dataset, split, rows, args.beam, args.batch, max_length=args.max_length,
                             normalisation=args.normalisation, block_trigrams=args.block_trigrams)
    beams = find(model)
    if args.consensus:                                      # members of an ensemble also find captions of their own
        members = model.models if isinstance(model, Ensemble) else ()
        beams = consensus(dataset, split, [sum(pool, []) for pool in zip(beams, *map(find, members))], args)
    return {name: dataset.vocabulary.decode(beam[0].ids) for name, beam in zip(names, beams)}


def consensus(dataset, split, beams, args):
    """The captions found for each image of a split, ranked with those of the nearest training images."""
    captions = list(dataset.references("train").values())
    ranker, near = Consensus(captions), neighbours(dataset, split, args.consensus, captions)
    return [ranker.rank(beam, [dataset.vocabulary.decode(h.ids) for h in beam], places, args.normalisation)
            for beam, places in zip(beams, near)]


def neighbours(dataset, split, k, captions=None):
    """The k training images nearest to each image of a split -> (images, k), places among the training images.

    With the training captions, by what they say too.
    """
    vectors = open_dataset(dataset.folder, "vector")
    return nearest_images(vectors.features["train"], vectors.images("train")[0], vectors.features[split],
                          vectors.images(split)[0], k, captions)


def floors(dataset, split, references):
    """Captions that need no captioner -> name -> image name -> str."""
    train = dataset.references("train")
    every, first = [text for texts in train.values() for text in texts], [texts[0] for texts in train.values()]
    drawn = np.random.default_rng(0).integers(len(every), size=len(references))
    near = neighbours(dataset, split, 1)[:, 0]
    return {"constant": dict.fromkeys(references, constant_caption(every)),
            "random": {name: every[k] for name, k in zip(references, drawn)},
            "nearest": {name: first[k] for name, k in zip(references, near)}}


def human(references):
    """Scores of each image's first reference against its others, of the images that have others; None if none has."""
    several = {name: texts for name, texts in references.items() if len(texts) > 1}
    if not several:
        return None
    return score_captions({name: texts[0] for name, texts in several.items()},
                          {name: texts[1:] for name, texts in several.items()}).corpus


def evaluate(captioner, split, captions, args):
    """All about a captioner and its captions of a split -> the content of scores.json, CaptionScores, a note."""
    references = captioner.dataset.references(split)
    loss = split_loss(captioner.model, captioner.dataset.arrays(), split, args.batch)
    scores = score_captions(captions, references)
    extra, note = java_scores(captions, references)
    easy = floors(captioner.dataset, split, references)
    result = {
        "run": str(args.run), "ensemble": args.ensemble, "epoch": captioner.epoch, "split": split,
        "images": len(captions), "beam": args.beam, "max_length": args.max_length,
        "normalisation": args.normalisation, "block_trigrams": args.block_trigrams,
        "consensus": args.consensus,
        "references": "uncut" if captioner.dataset.uncut else "as learnt, cut and with <UNK>",
        "loss": loss, "perplexity": math.exp(min(loss, 700)), **scores.corpus, **extra,
        "floors": {name: score_captions(texts, references).corpus for name, texts in easy.items()},
        "human": human(references),
    }
    result["floors"]["constant"]["caption"] = next(iter(easy["constant"].values()))
    return result, scores, note


def load_other(captioner, split, args):
    """The run of --against -> Captioner. Raises ValueError where its split has other images or references."""
    other = load_captioner([args.against], args.data)
    if other.dataset.references(split) != captioner.dataset.references(split):
        raise ValueError(f"--against {args.against}: its {split} split has other images or references ("
                         f"{other.dataset.folder}), expected the same")
    return other


def compare(other, scores, split, args):
    """This run's scores less those of the other one -> a part of scores.json."""
    captions = caption(other, split, args)
    references = other.dataset.references(split)
    theirs = score_captions({name: captions[name] for name in scores.per_image}, references)
    differences = paired_bootstrap(scores, theirs, np.random.default_rng(0))
    return {"run": args.against, **theirs.corpus,
            "difference": {name: d._asdict() for name, d in differences.items()}}


def output_folder(captioner, split, args):
    """RUN/evaluate/SPLIT-beamK, and what else is not as usual."""
    parts = [split, f"beam{args.beam}"]
    parts += [Path(args.run).stem] if Path(args.run).is_file() and Path(args.run).stem != "best" else []
    parts += [f"norm{args.normalisation:g}"] if args.normalisation != 1 else []
    parts += [f"max{args.max_length}"] if args.max_length != 30 else []
    parts += ["blocked"] if args.block_trigrams else []
    parts += [f"consensus{args.consensus}"] if args.consensus else []
    parts += ["with", *(Path(path).resolve().name for path in args.ensemble)] if args.ensemble else []
    folder = Path(captioner.checkpoint).parent / "evaluate" / "-".join(parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def results(captions):
    """Captions in COCO's results format: ids are COCO's where every image has one of its own, else names."""
    ids = [image_id(name) for name in captions]
    ids = ids if len(set(ids)) == len(ids) else list(captions)
    return [{"image_id": key, "caption": text} for key, text in zip(ids, captions.values())]


def score_rows(result):
    """Who is scored -> scores, and the measures there are."""
    rows = {"this run": result, **{LABELS[name]: scores for name, scores in result["floors"].items()}}
    if result["human"]:
        rows["human"] = result["human"]
    if "against" in result:
        rows[result["against"]["run"]] = result["against"]
    return rows, [*MEASURES, *(name for name in ("METEOR", "SPICE") if name in result)]


def table(result):
    """The scores as lines of text."""
    rows, measures = score_rows(result)
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{name:>9s}" for name in measures)]
    for label, scores in rows.items():
        lines.append(f"{label:{width}s}" + "".join(
            f"{scores[name]:9.3f}" if name in scores else " " * 9 for name in measures))
    return lines


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    began = time.perf_counter()
    captioner = load_captioner([args.run, *args.ensemble], args.data)
    split = args.split or ("test" if "test" in captioner.dataset.captions else "val")
    captioner.dataset.captions_of(split)
    other = load_other(captioner, split, args) if args.against is not None else None
    folder = output_folder(captioner, split, args)
    captions = caption(captioner, split, args)
    result, scores, note = evaluate(captioner, split, captions, args)
    if other is not None:
        result["against"] = compare(other, scores, split, args)
    write_atomically(folder / "captions.json", json.dumps(results(captions), indent=0).encode())
    write_atomically(folder / "scores.json", json.dumps(result, indent=1).encode())
    print(f"{len(captions):,} images of {split}, beam {args.beam}: loss {result['loss']:.3f} nats a word, "
          f"perplexity {result['perplexity']:.2f}")
    print(*table(result), sep="\n")
    for name, d in result.get("against", {}).get("difference", {}).items():
        print(f"{name}: {d['difference']:+.3f} against {args.against}, 95 % of resamples between {d['low']:+.3f} and "
              f"{d['high']:+.3f}")
    if not captioner.dataset.uncut:
        print("this folder has no uncut references: the scores are against captions that are cut and have <UNK>, not "
              "to be compared with others")
    if note:
        print(note)
    print(f"written to {folder} in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    run(main)
