"""What calls find instead of long work, which only good input reaches, and of what would change this project."""
import contextlib
import gc
import importlib
from collections.abc import Iterator
from typing import Any

from scripts.campaigns.bad_input.call import at_work
from scripts.course.confinement import PARTS
from scripts.runs.training_files import TrainingFiles

OPTIONAL = ("onnxruntime", "jinja2", "flask", "waitress", "threadpoolctl", "scripts.web.application")
PNG = b"\x89PNG"


def few_steps(files, solver, call=TrainingFiles.__call__):
    """In place of training to the end: as after Ctrl-C."""
    call(files, solver)
    solver.stop = solver.stop or solver.iteration >= 5


class NoLooker:
    """In place of the process that looks at HDF5 files first: it would take longer than the call."""

    def answers(self, path, seconds):
        return True

    def close(self):
        pass


STUBS = {
    "data.scene_dataset.make_scenes": at_work, "scripts.runs.training_files.TrainingFiles.__call__": few_steps,
    "scripts.web.server.make_server": at_work, "scripts.benchmark.measure": at_work,
    "scripts.benchmark_serve.send": at_work, "scripts.datasets.downloads.download": at_work,
    "scripts.datasets.image_models.download": at_work,
    "scripts.kill_matrix.ProcessPoolExecutor": at_work, "scripts.grade_matrix.ProcessPoolExecutor": at_work,
    "scripts.grade_variants.ProcessPoolExecutor": at_work, "scripts.course.class_grading.grade": at_work,
    "scripts.hostile_table.ProcessPoolExecutor": at_work, "scripts.grade.confined_here": lambda: PARTS,
    "scripts.hostile_table.confined_here": lambda: PARTS, "scripts.make_autograder.zipped": at_work,
    "scripts.prove_assignment.load_project": at_work, "scripts.course.student_tree._texts": at_work,
    "scripts.make_notebooks.notebooks_of": at_work, "nbclient.NotebookClient.execute": at_work,
    "scripts.pack_submission.print_public_checks": lambda project: None,
    "gradcheck.__main__.check_project": lambda: iter(()), "gradcheck.report.Report.plot": lambda self, path: None,
    "scripts.show_batch.sheet": lambda groups: PNG,
    "scripts.pages.attention_figures.attention_figure": lambda *_: PNG, "data.looking.Looker": NoLooker,
}


@contextlib.contextmanager
def ready() -> Iterator[None]:
    """Inside the block what calls need is imported, so that each forked child has it, and the stubs are in place."""
    for name in OPTIONAL:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.ExitStack() as stack:
        for name, stub in STUBS.items():
            with contextlib.suppress(ImportError):          # of a package that is optional
                owner, attribute = _owner(name)
                stack.callback(setattr, owner, attribute, getattr(owner, attribute))
                setattr(owner, attribute, stub)
        gc.collect()
        gc.freeze()                                         # children would copy the pages that a collection touches
        stack.callback(gc.unfreeze)
        yield


def _owner(name: str) -> tuple[Any, str]:
    """The module or class that has an attribute, by the attribute's full name, and the attribute."""
    path, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(path), attribute
    except ImportError:
        module, _, cls = path.rpartition(".")
        return getattr(importlib.import_module(module), cls), attribute
