"""Make the notebooks in assignments/ from their Markdown sources, or run them: python -m scripts.make_notebooks"""
from pathlib import Path

from models.checkpoint import write_atomically
from scripts.commandline.command import run
from scripts.commandline.parser import Parser
from scripts.course.notebooks import TOURS, execute, notebooks_of, tour_of
from scripts.course.tasks import ROOT


def main(argv=None):
    parser = Parser(prog="python -m scripts.make_notebooks", description=__doc__)
    parser.add_argument("--execute", type=Path, nargs="+", metavar="IPYNB",
                        help="run these notebooks instead, without changing them")
    parser.add_argument("--save", action="store_true", help="with --execute: keep the outputs in the notebooks "
                        f"{' and '.join(Path(tour).name for tour in TOURS)}")
    args = parser.parse_args(argv)
    if args.save and not args.execute:
        raise ValueError("--save: goes only with --execute")
    for path in args.execute or ():
        cells = [cell for cell in execute(path).cells if cell.cell_type == "code"]
        print(f"{path}: {len(cells)} cells ran, {sum(map(len, (cell.outputs for cell in cells)))} outputs")
        if args.save:
            write_atomically(path, tour_of(path.with_suffix(".md"), cells).encode())
    made = {**notebooks_of(ROOT), **{f"{tour}.ipynb": tour_of(ROOT / f"{tour}.md") for tour in TOURS}}
    for path, text in () if args.execute else made.items():
        write_atomically(ROOT / path, text.encode())
        print(path)
    return 0


if __name__ == "__main__":
    run(main)
