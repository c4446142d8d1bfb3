"""Public data sets: where their files are, and downloads that resume."""
import contextlib
import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

from data.files import sha256
from data.prepare import new_folder
from scripts.commandline.progress import tqdm

AGAIN = "run the same command again, which goes on where it stopped"
TRIES, TIMEOUT = 3, 60              # seconds without a byte
UNPACKED = 20                       # times an archive's size that it may unpack to, against zip bombs; captions need 5
BLOCK = 2**16                       # bytes; the most that a broken connection loses


class File(NamedTuple):
    url: str
    size: int                       # bytes; approximate for files without a SHA-256
    sha256: str | None = None       # if it is known
    others: tuple[str, ...] = ()    # addresses that are tried after `url`


class DataSet(NamedTuple):
    page: str                       # the data set's home page, for error messages
    files: tuple[File, ...]
    inside: dict[str, str | None]   # required file -> its SHA-256, or None


COCO = "http://images.cocodataset.org"
FLICKR8K = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
TABLE = {
    "flickr8k": DataSet(
        "https://github.com/jbrownlee/Datasets/releases/tag/Flickr8k",
        (File(f"{FLICKR8K}/Flickr8k_text.zip", 2_300_000), File(f"{FLICKR8K}/Flickr8k_Dataset.zip", 1_110_000_000)),
        {"Flickr8k.token.txt": "9b8608b02da9040581f1e3d4c8738db1fb6f63314342100432adc3962f77d71a",
         "Flickr_8k.trainImages.txt": "e330ddd5156a4c2d2e2b67bc587e70e588f2d132bd8a10dc54dcb71e58115d8e",
         "Flickr_8k.devImages.txt": "18ba829f47f6df1cb830bf7f0506e2ddf333818925299babbd1bbcaf50fdc504",
         "Flickr_8k.testImages.txt": "c0924146c131458ceba45da59670fe9520eadce1e5cafffa16a817672a9b1f17",
         "Flicker8k_Dataset/1000268201_693b08cb0e.jpg": None}),
    "coco-captions": DataSet(
        "https://cocodataset.org/#download",
        (File(f"{COCO}/annotations/annotations_trainval2014.zip", 252_872_794,
              "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009"),),
        {"annotations/captions_train2014.json": None, "annotations/captions_val2014.json": None}),
    "cs231n": DataSet(
        "https://cs231n.github.io",
        (File("https://cs231n.stanford.edu/coco_captioning.zip", 1_040_000_000),),
        {"coco_captioning/coco2014_captions.h5": None, "coco_captioning/coco2014_vocab.json": None}),
    "cocopt": DataSet(
        "https://web.eecs.umich.edu/~justincj/teaching/eecs498/",
        (File("http://web.eecs.umich.edu/~justincj/teaching/eecs498/coco.pt", 400_000_000),),
        {"coco.pt": None}),
}


def fetch(data_set: DataSet, out: str | Path) -> None:
    """Download, check and unpack the files of a DataSet into the new folder `out`.

    Archives are kept in OUT.download until all are there, so that the next call resumes. Raises
    ValueError or OSError that names the link and says what to do by hand, and FileExistsError if `out` is not empty.
    """
    waiting = Path(f"{out}.download")
    with new_folder(out) as folder:
        waiting.mkdir(parents=True, exist_ok=True)
        for file in data_set.files:
            unpack(download(file, waiting, data_set.page), folder)
        for name, expected in data_set.inside.items():
            if not (folder / name).is_file():
                raise ValueError(f"{data_set.page}: no {name} in what was downloaded, which waits in {waiting}")
            if expected and sha256(folder / name) != expected:
                raise ValueError(f"{name}: its SHA-256 is not {expected}: remove {waiting} and try again")
    shutil.rmtree(waiting)


def download(file: File, folder: Path, page: str, by_file: str = "") -> str:
    """Download a file into `folder` and verify it -> its path; a file that already exists is only verified.

    Each address is tried until one gives the file. by_file: what else helps, the end of errors. Raises ValueError or
    OSError that says what each of them gave.
    """
    try:
        import pooch
    except ImportError:
        raise ValueError("scripts.fetch_data needs pooch: pip install -e \".[fetch]\"") from None
    pooch.get_logger().setLevel("WARNING")
    name, failed, kind, then = file.url.rpartition("/")[2], [], OSError, AGAIN
    there = folder / name
    if file.sha256 and there.is_file() and (found := sha256(there)) != file.sha256:
        raise ValueError(f"{there}: its SHA-256 is {found}, expected {file.sha256}: remove it{by_file}")
    for url in (file.url, *file.others):
        try:
            return pooch.retrieve(url, file.sha256, name, folder, downloader=Resuming(folder / f"{name}.part"))
        except ValueError:                                   # a wrong SHA-256: pooch has removed the file
            failed.append(f"{url}: what came does not have the SHA-256 {file.sha256}")
            kind, then = ValueError, "try again"
        except OSError as error:                             # requests' errors are among them
            failed.append(f"{url}: {_reason(error)}")
            kind, then = OSError, AGAIN
    with contextlib.suppress(OSError):                       # nothing has arrived
        folder.rmdir()
    raise kind(f"{'; '.join(failed)}; {then}, or by hand: get {name} ({file.size / 1e6:,.0f} MB) from {page}, save it "
               f"as {folder / name} and run this again{by_file}")


def _reason(error: OSError) -> str:
    """Why a download failed, in a few words."""
    import requests
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    text = " ".join(str(error).split())
    if isinstance(error, requests.ConnectionError) and "cut after" not in text:
        return "no connection"
    return text if len(text) < 200 else f"{text[:200].rpartition(' ')[0]} ..."


class Resuming:
    """A downloader for pooch that keeps what has arrived in `part`, asks only for the rest, and retries."""

    def __init__(self, part):
        self.part = part

    def __call__(self, url, output_file, _):
        import requests
        for attempt in range(TRIES):
            try:
                self._rest(url)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt == TRIES - 1:
                    raise
        shutil.move(self.part, output_file)

    def _rest(self, url):
        import requests
        start = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == 416:                  # the file is complete
                return
            response.raise_for_status()
            if response.status_code != 206:                  # the server sends the whole file again
                start = 0
            length = response.headers.get("Content-Length", "")
            total = start + int(length if length.isdecimal() else 0)
            with open(self.part, "ab") as out, tqdm(total=total or None, initial=start, disable=None, unit="B",
                                                    unit_scale=True, desc=self.part.stem) as bar:
                out.truncate(start)
                for block in response.iter_content(BLOCK):
                    out.write(block)
                    bar.update(len(block))
        if self.part.stat().st_size < total:
            raise requests.ConnectionError(f"cut after {self.part.stat().st_size:,} of {total:,} bytes")


def unpack(path: str, folder: Path) -> None:
    """Unpack a zip into a folder, each file checked by its CRC; other files are copied."""
    if not path.endswith(".zip"):
        shutil.copyfile(path, folder / Path(path).name)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > UNPACKED * Path(path).stat().st_size + 2**20:
                raise ValueError(f"{path}: would unpack to {size:,} bytes, more than {UNPACKED} times its own: look "
                                 "into it, and remove it")
            archive.extractall(folder, [name for name in archive.namelist() if not name.startswith("__MACOSX")])
    except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:
        Path(path).unlink()
        raise ValueError(f"{path}: a damaged zip ({error}), which was removed: run this again") from error
    except RuntimeError as error:                            # a password, or a method that zipfile lacks
        raise ValueError(f"{path}: cannot be unpacked here ({error}): pack what is in it as an ordinary zip of that "
                         "name and run this again") from error
