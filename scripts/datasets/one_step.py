"""Flickr8k from the download to a dataset folder with features, in one step that goes on where it was stopped."""
from pathlib import Path

from scripts import prepare_data
from scripts.commandline.outputs import check_new
from scripts.datasets.defaults import FLICKR8K
from scripts.datasets.downloads import DataSet, fetch
from scripts.datasets.image_models import ready


def fetch_flickr8k(data_set: DataSet, out: str, encoder: str) -> None:
    """Download Flickr8k into the folder `out`, unless it is there, and make datasets/flickr8k; prints what it holds.

    encoder: a path, or the name of an image model, which is fetched first if it is not here. Raises as fetch,
    fetch_encoder and scripts.prepare_data do.
    """
    check_new("--out", FLICKR8K)
    ready(encoder)                                      # what is wrong with it shows before hours of downloads
    if not all(Path(out, name).is_file() for name in data_set.inside):
        fetch(data_set, out)
    prepare_data.main(["flickr8k", "--captions", f"{out}/Flickr8k.token.txt", "--splits", out, "--images",
                       f"{out}/Flicker8k_Dataset", "--encoder", encoder, "--out", str(FLICKR8K)])
