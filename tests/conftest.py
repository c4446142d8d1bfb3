import os
import shutil
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:         # workers share the cores; before NumPy loads its BLAS
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from tests.quick import TESTS, is_quick

ROOT = Path(__file__).resolve().parent.parent


# folders whose tests share what takes long to make: compiled kernels, graded solutions
TOGETHER = {"tests/rnnlayers": "engine", "tests/models": "engine", "tests/scripts/course": "course"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One worker takes all tests of a file, or of folders that go together: what they share is made once."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return TOGETHER.get(file.rpartition("/")[0], file)
    return ByFile(config, log) if config.getvalue("dist") == "load" else None


def pytest_report_header():
    return "the whole suite takes 4 to 5 minutes on two cores (-n auto); pytest -m quick takes less than one minute"


def pytest_ignore_collect(collection_path, config):
    """Under -m quick other files are not even imported, which alone would take longer."""
    if config.option.markexpr == "quick" and collection_path.is_relative_to(TESTS) and collection_path != TESTS:
        return None if is_quick(collection_path) else True
    return None


def pytest_collection_modifyitems(items):
    for item in items:
        if is_quick(item.path) and "central-float32" not in item.name:          # differences in float32: 2 s each
            item.add_marker("quick")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("RNNLAYERS_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here: set RNNLAYERS_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def make_onnx():
    """A function that writes a tiny image model with outputs `grid` and `pooled`: 5 features of each patch of 4x4.

    make_onnx(path, shape, ...) takes the input's shape, and metadata; -> the weights (5, 3, 4, 4).
    """
    onnx = pytest.importorskip("onnx", reason="tiny models are made with onnx: pip install -e \".[test]\"")
    pytest.importorskip("onnxruntime", reason="image models need onnxruntime: pip install -e \".[vision]\"")
    w = np.random.default_rng(5).standard_normal((5, 3, 4, 4)).astype(np.float32)

    def make(path, shape=("n", 3, 8, 12), dtype=np.float32, tokens=None, weights=w, turned=False, declared=None,
             also=(), **metadata):
        """tokens: the grid as (n, L, D), behind so many tokens of zeros; turned: in the other layout than the input.

        declared: shape of the grid; also: outputs after pooled, of `mean` (n, 5, 1, 1) and `mean_last` (n, 1, 1, 5).
        """
        kind, node = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), onnx.helper.make_node
        last = shape[1] != 3
        nodes = [node("Cast", ["image"], ["cast"], to=onnx.TensorProto.FLOAT),
                 node("Transpose", ["cast"], ["x"], perm=[0, 3, 1, 2]) if last else node("Identity", ["cast"], ["x"]),
                 node("Conv", ["x", "w"], ["conv"], strides=[4, 4]),
                 node("GlobalAveragePool", ["conv"], ["mean"]), node("Flatten", ["mean"], ["pooled"]),
                 node("Transpose", ["mean"], ["mean_last"], perm=[0, 2, 3, 1])]
        if tokens is not None:
            nodes += [node("Reshape", ["conv", "flat"], ["rows"]), node("Transpose", ["rows"], ["t"], perm=[0, 2, 1]),
                      node("Pad", ["t", "pads"], ["grid"])]
        elif last != turned:
            nodes.append(node("Transpose", ["conv"], ["grid"], perm=[0, 2, 3, 1]))
        else:
            nodes.append(node("Identity", ["conv"], ["grid"]))
        outputs = {"grid": declared or [None] * (4 if tokens is None else 3), "pooled": [None] * 2,
                   **{name: [None] * 4 for name in also}}
        constants = {"w": weights, "flat": np.array([0, 0, -1]), "pads": np.array([0, tokens or 0, 0, 0, 0, 0])}
        graph = onnx.helper.make_graph(
            nodes, "tiny", [onnx.helper.make_tensor_value_info("image", kind, shape)],
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, s) for name, s in outputs.items()],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
        onnx.helper.set_model_props(model, metadata)
        onnx.save(model, path)
        return weights
    return make


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="drives a browser: pip install -e \".[test]\"")
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
                 "disable-dev-shm-usage", f"user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(20)
    yield browser
    browser.quit()
