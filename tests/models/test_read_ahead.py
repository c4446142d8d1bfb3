import threading

import numpy as np
import pytest

from models import CaptioningRNN, CaptioningSolver
from models.read_ahead import DEPTH, read_ahead


class Disk:
    """Features that count how they are read, and break at a row."""

    def __init__(self, values, broken=None):
        self.values, self.broken, self.reads, self.shape = values, broken, [], values.shape

    def __getitem__(self, rows):
        self.reads.append((threading.current_thread() is threading.main_thread(), list(rows)))
        if self.broken in rows:
            raise ValueError(f"row {self.broken} is damaged")
        return self.values[rows]

    def in_memory(self, rows):
        return False


def test_batches_come_in_order_from_another_thread(rng):
    disk, rows = Disk(rng.standard_normal((50, 3))), [rng.integers(0, 50, 4) for _ in range(20)]
    for r, batch in zip(rows, read_ahead(disk, rows)):
        np.testing.assert_array_equal(batch, disk.values[r])
    assert not any(main for main, _ in disk.reads) and len(disk.reads) == 20


def test_it_stays_close_ahead_and_ends_when_closed(rng):
    disk, rows = Disk(rng.standard_normal((50, 3))), [rng.integers(0, 50, 4) for _ in range(20)]
    before = threading.active_count()
    batches = read_ahead(disk, rows)
    next(batches)
    batches.close()
    assert threading.active_count() == before and len(disk.reads) <= DEPTH + 3


def test_an_error_is_raised_where_the_batch_is_wanted(rng):
    disk = Disk(rng.standard_normal((50, 3)), broken=7)
    batches = read_ahead(disk, [np.array([1, 2]), np.array([7]), np.array([3])])
    next(batches)
    with pytest.raises(ValueError, match="row 7 is damaged"):
        next(batches)
    assert next(batches, None) is None


@pytest.mark.parametrize("sampling", ["epochs", "replacement"])
def test_training_from_disk_is_training_from_memory(sampling, word_to_idx, toy_data):
    runs = []
    for wrap in (lambda x: x, Disk):
        data = {key: wrap(x) if key.endswith("features") else x for key, x in toy_data.items()}
        model = CaptioningRNN(word_to_idx, 5, 4, 7, "lstm", seed=1)
        solver = CaptioningSolver(model, data, batch_size=8, num_epochs=3, sampling=sampling, seed=4, validate=True,
                                  verbose=False)
        solver.train()
        runs.append((solver.loss_history, [row["val_loss"] for row in solver.history]))
    assert runs[0] == runs[1]
    assert any(main for main, _ in data["train_features"].reads) == (sampling == "replacement")


def test_a_stopped_run_leaves_no_thread_and_goes_on(word_to_idx, toy_data):
    data = {key: Disk(x) if key.endswith("features") else x for key, x in toy_data.items()}
    model = CaptioningRNN(word_to_idx, 5, 4, 7, "lstm", seed=1)

    def stop(solver):
        solver.stop = solver.iteration in (2, 7)
    solver = CaptioningSolver(model, data, batch_size=8, num_epochs=3, sampling="epochs", seed=4, verbose=False,
                              callbacks=[stop])
    before = threading.active_count()
    for _ in range(3):
        solver.train()
        assert threading.active_count() == before
    assert solver.iteration == 15
    whole = CaptioningSolver(CaptioningRNN(word_to_idx, 5, 4, 7, "lstm", seed=1), toy_data, batch_size=8, num_epochs=3,
                             sampling="epochs", seed=4, verbose=False)
    whole.train()
    assert solver.loss_history == whole.loss_history
