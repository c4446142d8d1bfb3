"""Make a dataset folder for scripts.train, from captions and a file of image features, or from nothing (scenes)."""
from data.tokenizer import TOKENS
from scripts.commandline.command import run
from scripts.commandline.image_model import add_encoder
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser, choice
from scripts.datasets.preparation import prepare, told


def parse(argv=None):
    parser = Parser(prog="python -m scripts.prepare_data", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    common = Parser(add_help=False)
    common.add_argument("--out", required=True, metavar="DIR", help="the dataset folder to make")
    common.add_argument("--name", metavar="NAME", help="of the data set, part of the names of runs (default: the "
                        "folder's name)")
    texts = Parser(add_help=False, parents=[common])
    add_words(texts)
    add_kinds_of_texts(kinds, texts)
    cocopt = kinds.add_parser("cocopt", parents=[common], help="the attention course's coco.pt")
    cocopt.add_argument("--file", required=True, metavar="PT", help="read without torch, tensors and plain values only")
    add_encoder(cocopt)
    scenes = kinds.add_parser("scenes", parents=[common], help="the built-in pictures of coloured shapes")
    scenes.add_argument("--seed", type=int, default=0, metavar="K")
    args = parser.parse_args(argv)
    needed = [name for name in ("features", "train_features", "val_features") if getattr(args, name, "given") is None]
    if needed and (getattr(args, "images", None) is None or args.encoder is None):
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in needed)
        parser.error(f"expected {flags}, or --images with --encoder, which makes the features from pictures")
    return args


def add_kinds_of_texts(kinds, texts):
    """Add the kinds whose captions are files of text. texts: a parser of what they share."""
    single = Parser(add_help=False, parents=[texts])
    single.add_argument("--features", metavar="H5", help="HDF5 with features and image_names")
    single.add_argument("--pooled", metavar="H5", help="pooled features of the same images, for cells that take "
                        "one vector")
    add_images(single)
    add_shares(single)
    add_table(kinds.add_parser("csv", aliases=["flickr30k"], parents=[single], help="captions in a table: CSV, TSV, |, "
                               "JSON lines or a JSON list; Flickr30k's results.csv, Kaggle's captions.txt"))
    flickr = kinds.add_parser("flickr8k", parents=[single], help="Flickr8k's text files")
    flickr.add_argument("--captions", required=True, metavar="FILE",
                        help="Flickr8k.token.txt, or Kaggle's captions.txt")
    flickr.add_argument("--splits", required=True, metavar="DIR", help="folder of Flickr_8k.trainImages.txt and so on")
    karpathy = kinds.add_parser("karpathy", parents=[single], help="Karpathy's dataset_*.json")
    karpathy.add_argument("--json", required=True, metavar="FILE", help="images with filename, split, sentences")
    coco = kinds.add_parser("coco", parents=[texts], help="COCO's captions_train2014.json and captions_val2014.json")
    for split in ("train", "val"):
        coco.add_argument(f"--{split}", required=True, metavar="JSON")
        coco.add_argument(f"--{split}-features", metavar="H5", help="HDF5 with features and image_names")
        coco.add_argument(f"--{split}-pooled", metavar="H5", help="pooled features of the same images")
    add_images(coco)


def add_table(csv):
    """Add the options of a table of images and captions."""
    csv.add_argument("--captions", required=True, metavar="FILE", help="each line or object has an image and a caption")
    csv.add_argument("--image-column", metavar="NAME", help="name in the header, or number from 1 (default: found)")
    csv.add_argument("--caption-column", metavar="NAME", help="name in the header, or number from 1 (default: found)")
    csv.add_argument("--delimiter", metavar="X", help="what separates the columns, or `tab` (default: found)")
    csv.add_argument("--split-column", metavar="NAME", help="train, val (valid, validation, dev), test or "
                     "restval, which counts as train (default: images are drawn by --val, --test and --seed)")


def add_images(parser):
    """Options that make the features from pictures."""
    parser.add_argument("--images", nargs="+", metavar="DIR", help="folders of the photographs, which figures and "
                        "pages show; with --encoder the features are made of them and stored in the dataset folder")
    add_encoder(parser)


def add_shares(parser):
    """Options of splits that the captions do not come with."""
    for split, words in (("val", "validation"), ("test", "test")):
        parser.add_argument(f"--{split}", type=float, metavar="SHARE", help=f"share of the training images that become "
                            f"the {words} split (default: 0.1 for a table without --split-column)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="random seed of that choice (default 0)")


def add_words(parser):
    """Options of how captions become words."""
    parser.add_argument("--tokens", type=choice(list(TOKENS)), default="treebank", metavar="HOW", help="the words of a "
                        "caption: treebank, as the caption metrics count them (default); characters, for text without "
                        "blanks between words (Chinese, Japanese, Thai); blanks, as you segmented it")
    parser.add_argument("--min-count", type=int, metavar="K",
                        help="words seen fewer times in the training captions become <UNK> (default: 4 for 10,000 "
                        "training captions or more, 1 for fewer than 500, in between 2)")
    parser.add_argument("--max-words", type=int, default=20, metavar="K",
                        help="longer captions are cut for training; references stay whole (default 20)")


def main(argv=None):
    args = parse(argv)
    info = prepare(args)
    print(*told(args.out, info, getattr(args, "min_count", 1) is None), sep="\n")
    if info["features"] == {}:
        print_next("prepare_data without features", pt=args.file)
    else:
        print_next("prepare_data", out=args.out)


if __name__ == "__main__":
    run(main)
