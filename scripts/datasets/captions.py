"""The captions that the options of scripts.prepare_data name. args: these options."""
import argparse
from collections.abc import Sequence

from data.sources import Source, read_coco, read_csv, read_flickr8k, read_karpathy
from data.splits import hold_out

SHARE = 0.1                     # of a table's images that become its val and its test split


def read_source(args: argparse.Namespace) -> Source:
    """The captions, with the splits that they come with."""
    if args.kind == "coco":
        return read_coco(args.train, args.val)
    if args.kind == "flickr8k":
        return read_flickr8k(args.captions, args.splits)
    if args.kind == "karpathy":
        return read_karpathy(args.json)
    return read_csv(args.captions, args.image_column, args.caption_column, args.delimiter, args.split_column)


def with_splits(args: argparse.Namespace, source: Source, stored: Sequence[str] | None) -> Source:
    """The same captions with the splits that the options draw; stored: names of the images that have features, if
    they are known."""
    if args.kind == "coco":
        return source
    drawn = SHARE if getattr(args, "split_column", args.kind) is None else None         # a table without splits
    val, test = (drawn if share is None else share for share in (args.val, args.test))
    return hold_out(source, val, test, args.seed, stored)
