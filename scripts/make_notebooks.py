"""Make the notebooks in assignments/ from their Markdown sources, or run them: python -m scripts.make_notebooks"""
from pathlib import Path

from models.checkpoint import write_atomically
from scripts.commandline.command import run
from scripts.commandline.parser import Parser
from scripts.course.notebooks import execute, notebooks_of
from scripts.course.tasks import ROOT


def main(argv=None):
    parser = Parser(prog="python -m scripts.make_notebooks", description=__doc__)
    parser.add_argument("--execute", type=Path, nargs="+", metavar="IPYNB",
                        help="run these notebooks instead, without changing them")
    args = parser.parse_args(argv)
    for path in args.execute or ():
        cells = [cell for cell in execute(path).cells if cell.cell_type == "code"]
        print(f"{path}: {len(cells)} cells ran, {sum(map(len, (cell.outputs for cell in cells)))} outputs")
    for path, text in () if args.execute else notebooks_of(ROOT).items():
        write_atomically(ROOT / path, text.encode())
        print(path)
    return 0


if __name__ == "__main__":
    run(main)
