"""Options that many commands share, and the check of their numbers."""


def add_run(parser, words="folder that scripts.train wrote, or a checkpoint file in it"):
    parser.add_argument("run", metavar="RUN", help=words)


def add_split(parser, default=None):
    """Add --split; the default is the test split if there is one, else val."""
    shown = "test where there is one, else val" if default is None else default
    told = f"(default: {shown})" if default is None else f"(default {shown})"
    parser.add_argument("--split", default=default, help=f"train, val or test {told}")


def add_data(parser, words="dataset folder, if it has moved since training"):
    parser.add_argument("--data", metavar="DIR", help=words)


def add_threads(parser):
    parser.add_argument("--threads", type=int, metavar="N", help="threads of BLAS (default: one per core)")


def check_least(args, **least):
    """Raises ValueError for an option below its smallest value; an option that was not given is None."""
    for name, bound in least.items():
        value = getattr(args, name)
        if value is not None and value < bound:
            raise ValueError(f"--{name.replace('_', '-')} {value}: expected at least {bound}")
