"""Feature files on a disk that is really full: a small file system in memory, in a namespace of its own."""
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import subprocess, sys
from pathlib import Path
import numpy as np
from data.feature_conversion import layout_of, survey, write
from data.feature_rows import FeatureRows
from data.foreign_features import open_foreign

place, source = Path(sys.argv[1]), Path(sys.argv[2])
out, errors = place / "f.h5", []

def extract(count):
    made = 0
    with FeatureRows(out, (49, 16), {"model": "m"}, count) as rows:
        for name in map(str, range(count)):
            if name not in rows.rows:
                rows.append(name, None, np.ones((49, 16), np.float32))
                made += 1
        rows.finish(list(map(str, range(count))))
    return made

def convert(count):
    (place / "filler").write_bytes(bytes(1000 * count))
    foreign = open_foreign(source, None, None)
    write(survey(foreign, layout_of(foreign, source), source), out)

for work in (extract, convert):                 # of many sizes, so that each write is once the one that fails
    for count in (130, 154, 156, 158, 159, 160, 161, 162, 164, 200):
        try:
            work(count)
            raise SystemExit(f"{work.__name__} {count} fitted")
        except OSError as error:
            errors.append(f"{work.__name__}: {error}")
        left = sorted(path.name for path in place.iterdir())
        assert left == (["f.h5.part"] if work is extract else ["filler"]), left
        if count < 200:
            next(place.iterdir()).unlink()
    if work is extract:
        subprocess.run(["mount", "-o", "remount,size=2m", place], check=True)
        print("made after there was room:", extract(200) < 50, [path.name for path in place.iterdir()])
        out.unlink()
        subprocess.run(["mount", "-o", "remount,size=256k", place], check=True)
print(*sorted(set(errors)), sep="\\n")
"""


def small_disk(folder, *command):
    """Run a command in a namespace where `folder` is a disk of 256 kB; skip where the system does not let us."""
    inside = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=256k none "$0" && exec "$@"', folder]
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("needs namespaces with mounts of one's own (Linux)")
    return subprocess.run([*inside, *command], cwd=ROOT, capture_output=True, text=True)


def test_a_full_disk_is_an_error_and_no_crash(tmp_path):
    disk, source = tmp_path / "disk", tmp_path / "in.npz"
    disk.mkdir()
    np.savez(source, features=np.ones((120, 784), np.float32), image_names=[f"{i}.jpg" for i in range(120)])
    done = small_disk(disk, sys.executable, "-c", PROGRAM, disk, source)
    assert done.returncode == 0, done
    after, *errors = done.stdout.splitlines()
    assert after == "made after there was room: True ['f.h5']"
    full = f"{disk / 'f.h5'}: No space left on device"
    assert errors[0] == f"convert: {full}: nothing was written, 0.2 MB are needed" and len(errors) < 12
    for error in errors[1:]:
        assert error.startswith(f"extract: {full}: finished rows are kept in {disk / 'f.h5.part'}; run the same command"
                                " to continue, with about 0.") and error.endswith(" MB free for it")
