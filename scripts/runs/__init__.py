"""Training runs: their folders, settings, files, and how a model and its solver are made."""
from scripts.runs.folders import (
    choose_split,
    load_attending_run,
    load_run,
    new_run,
    open_run_data,
    vocabulary_of,
    write_history,
)

__all__ = ["choose_split", "load_attending_run", "load_run", "new_run", "open_run_data",
           "vocabulary_of", "write_history"]
