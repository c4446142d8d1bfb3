"""Features of many pictures, in batches; pictures that cannot be read are left out."""
from pathlib import Path

from tqdm import tqdm

from data.encoder import Encoder
from data.feature_rows import FeatureRows
from data.photos import open_picture
from scripts.commandline.image_model import noting_errors


def extract(encoder: Encoder, pictures: dict[str, Path], rows: FeatureRows, batch: int) -> int:
    """Append the features of pictures that `rows` lacks -> how many failed."""
    stamps = {name: stamp(path) for name, path in pictures.items()}
    left = [name for name in pictures if name not in rows.rows or rows.rows[name][0] != stamps[name]]
    failed = []
    with tqdm(total=len(pictures), initial=len(pictures) - len(left), disable=None, unit="image") as bar:
        for i in range(0, len(left), batch):
            opened = {}
            for name in left[i:i + batch]:
                with noting_errors(failed):
                    opened[name] = open_picture(pictures[name], 2 * max(encoder.size))
            features = together(encoder, list(opened.values()))
            for k, (name, picture) in enumerate(opened.items()):
                with noting_errors(failed, f"{pictures[name]}: "):
                    rows.append(name, stamps[name], encoder.encode([picture])[0] if features is None else features[k])
            bar.update(len(left[i:i + batch]))
    return len(failed)


def stamp(path: Path) -> list[int] | None:
    """Size and modification time of a file, None if it is absent."""
    found = path.stat() if path.exists() else None
    return found and [found.st_size, found.st_mtime_ns]


def together(encoder, pictures):
    """The features of a batch, or None if one picture makes the whole batch fail."""
    try:
        return encoder.encode(pictures) if pictures else []
    except ValueError:
        return None
