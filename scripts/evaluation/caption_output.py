"""What scripts.caption prints: captions of a split, or of photos, of which it also writes a page. args: its options."""
import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from data.photos import open_picture
from data.vocabulary import Vocabulary
from models import CaptioningRNN
from models.checkpoint import Checkpoint
from models.decoding import Hypothesis
from scripts.commandline.decoding_options import decoder_of
from scripts.commandline.image_model import listed, model_options, noting_errors
from scripts.commandline.outputs import PAGE, check_output, write_output
from scripts.evaluation.captions import Decoder, caption_split
from scripts.pages.caption_page import SIDE, caption_page, caption_template, captioned
from scripts.runs import choose_split, open_run_data, vocabulary_of
from scripts.runs.photos import PhotoFeatures, SceneFeatures, picture_features

BATCH = 16                              # photos at a time


def caption_run_split(checkpoint: Checkpoint, args: argparse.Namespace) -> None:
    """Print captions of a split."""
    dataset = open_run_data(checkpoint, args.data)
    split = choose_split(dataset, args.split)
    rows, names = dataset.images(split)
    n, count = 8 if args.n is None else args.n or None, args.alternatives or 1
    beams = caption_split(checkpoint.model, dataset, split, rows[:n], args.beam or count, decode=decoder_of(args))
    for name, hypotheses in zip(names, beams):
        print(*caption_lines(name, hypotheses[:count], dataset.vocabulary, bool(args.alternatives)), sep="\n")


def caption_own_photos(checkpoint: Checkpoint, args: argparse.Namespace) -> int:
    """Print captions of the photos of --images, write the page -> how many photos failed."""
    check_output("--html", args.html, PAGE, args.force)             # before hours of work
    if args.html:
        caption_template()
    features = picture_features(checkpoint, args.encoder, **model_options(args))
    pictures, failed = listed(args.images)
    print(f"{features.note}\n" if features.note else "", end="", file=sys.stderr)
    pictures = dict(list(pictures.items())[:args.n or None])
    vocabulary, photos, count = vocabulary_of(checkpoint), [], args.alternatives or 1
    for name, picture, hypotheses in caption_photos(checkpoint.model, features, pictures, decoder_of(args),
                                                    args.beam or count, failed):
        print(*caption_lines(name, hypotheses[:count], vocabulary, bool(args.alternatives)), sep="\n", flush=True)
        with noting_errors(failed):
            photos += [captioned(name, shown(picture, pictures[name]), hypotheses[:count], vocabulary, features.grid)
                       ] if args.html else []
    if args.html:
        page = caption_page(photos, Path(args.run).resolve().name, len(pictures) - len(photos))
        write_output(args.html, page.encode())
        print(f"written to {args.html}", file=sys.stderr)
    return len(failed)


def shown(picture: Image.Image, path: Path) -> Image.Image:
    """A photo for the page: opened again where it was reduced to fewer pixels than the page shows."""
    return picture if max(picture.size) >= SIDE else open_picture(path, SIDE)


def caption_photos(model: CaptioningRNN, features: PhotoFeatures | SceneFeatures, pictures: dict[str, Path],
                   decode: Decoder, beam: int, failed: list[str],
                   ) -> Iterator[tuple[str, Image.Image, list[Hypothesis]]]:
    """Yield the name, the picture and the captions, the best first, of each photo.

    features: of scripts.runs.photos; pictures: name -> path. What is wrong with a photo is printed and appended to
    `failed`.
    """
    names = list(pictures)
    for i in range(0, len(names), BATCH):
        opened = {}
        for name in names[i:i + BATCH]:
            with noting_errors(failed):
                opened[name] = open_picture(pictures[name], 2 * max(features.size))
        if opened:
            beams = decode(model, features(list(opened.values())), beam)
            yield from zip(opened, opened.values(), beams)


def caption_lines(name: str, hypotheses: list[Hypothesis], vocabulary: Vocabulary, chances: bool) -> list[str]:
    """A line for each caption of an image, with its log-probability if `chances`."""
    return [f"{name}\t{vocabulary.text(hypothesis.ids)}" + (f"\t{hypothesis.log_prob:.2f}" if chances else "")
            for hypothesis in hypotheses]
