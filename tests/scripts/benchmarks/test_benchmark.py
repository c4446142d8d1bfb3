"""The benchmark: configurations, counted operations, both sides of a small run; BLAS threads of --threads."""
import json

import numpy as np
import pytest

from scripts import benchmark
from scripts.benchmarks import work as benchmark_work
from scripts.benchmarks.work import CONFIGS, config_of, make_batch, useful_flops
from scripts.commandline import command

ONE_OF_EACH_CELL = {c.cell: name for name, c in reversed(CONFIGS.items()) if not c.images}.values()


def test_a_configuration_with_other_sizes():
    config = config_of("lstm-batch:N=3,H=8")
    assert (config.N, config.H, config.V, config.cell) == (3, 8, 1004, "lstm")
    for name in ("lstm", "lstm-batch:N=", "lstm-batch:X=3", "lstm-batch:N=3;H=8"):
        with pytest.raises(ValueError, match="expected one of rnn-course"):
            config_of(name)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_batch_is_ragged_and_cut_to_its_longest_caption(name):
    features, captions = make_batch(CONFIGS[name])
    lengths = (captions != 0).sum(axis=1)
    assert lengths.max() == captions.shape[1] <= CONFIGS[name].T and lengths.min() < lengths.max()
    assert all(row[0] == 1 and row[n - 1] == 2 and not row[n:].any() for row, n in zip(captions, lengths))
    assert len(features) == CONFIGS[name].N and features.dtype == np.float32


def test_useful_operations_are_those_of_real_and_distinct_words():
    config = config_of("lstm-course:N=2")
    _, captions = make_batch(config)
    fed = captions[:, :-1][captions[:, 1:] != 0]
    M, U, H, W, V, D = len(fed), len(set(fed.tolist())), 512, 256, 1004, 512
    assert useful_flops(config) == 6 * (M * H * V + M * H * 4 * H + U * W * 4 * H) + 4 * 2 * D * H


@pytest.mark.parametrize("name", ONE_OF_EACH_CELL)
def test_engine_and_textbook_are_timed_on_the_same_work(name):
    config = config_of(f"{name}:N=3,V=30,D=8,W=8,H=8" + (",L=4" if CONFIGS[name].L else ""))
    losses = []
    for side in ("engine", "textbook"):
        step = benchmark_work.step_of(config, side)
        losses.append([step() for _ in range(3)])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][2] < losses[0][0]


def test_a_small_run(tmp_path, capsys):
    path = tmp_path / "figures.json"
    name = "lstm-course:N=2,V=30,D=8,W=6,H=8"
    benchmark.main(["--config", name, "--rounds", "1", "--steps", "2", "--threads", "1", "--json", str(path)])
    found = json.loads(path.read_text())["found"][name]
    assert set(found) == {"engine", "textbook"} and all(row["median_s"] > 0 < row["peak_mb"] for row in found.values())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 threads, sgemm peak") and "ratio  1.00" in lines[1] and "textbook" in lines[2]


def test_threads_of_blas():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits():                     # puts them back
        for threads in (1, 2):
            command.set_threads(threads)
            assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()
                    if pool["user_api"] == "blas"} == {threads}
    with pytest.raises(ValueError, match="--threads 0: expected at least 1"):
        command.set_threads(0)


def test_threads_without_threadpoolctl(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "threadpoolctl", None)
    with pytest.raises(ValueError, match="OPENBLAS_NUM_THREADS=2"):
        command.set_threads(2)
