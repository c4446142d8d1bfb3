"""Options that many commands share, and the check of their numbers."""
from argparse import ArgumentParser, Namespace

from scripts.commandline.command import THREADS

# beyond these the machine would be out of memory or processes, or at work for days, before it said so
MOST = {"beam": 100, "alternatives": 1000, "max_length": 1000, "clients": 1000, "jobs": 1000, "threads": THREADS}


RUN = "folder that scripts.train wrote, a checkpoint file in it, or a file of scripts.release"


def add_run(parser: ArgumentParser, words: str = RUN) -> None:
    parser.add_argument("run", metavar="RUN", help=words)


def add_optional_run(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", nargs="?", help=f"{RUN} (default: the newest run in runs/)")


def add_split(parser: ArgumentParser, default: str | None = None) -> None:
    """Add --split; the default is the test split if there is one, else val."""
    shown = "test where there is one, else val" if default is None else default
    told = f"(default: {shown})" if default is None else f"(default {shown})"
    parser.add_argument("--split", default=default, help=f"train, val or test {told}")


def add_data(parser: ArgumentParser, words: str = "dataset folder, if it has moved since training (of a "
             "released model: if it is not datasets/NAME)") -> None:
    parser.add_argument("--data", metavar="DIR", help=words)


def add_threads(parser: ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, metavar="N", help="threads of BLAS (default: one per core)")


def check_least(args: Namespace, **least: int) -> None:
    """Raises ValueError for an option below its smallest value, or above MOST; an option that was not given is None."""
    for name, bound in least.items():
        value, most = getattr(args, name), MOST.get(name)
        if value is not None and value < bound:
            raise ValueError(f"--{name.replace('_', '-')} {value}: expected at least {bound}")
        if value is not None and most is not None and value > most:
            raise ValueError(f"--{name.replace('_', '-')} {value}: expected at most {most:,}")
