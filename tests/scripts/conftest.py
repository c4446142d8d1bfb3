import threading

import numpy as np
import pytest

from data.scene_dataset import make_scene_dataset
from data.scene_features import D
from models import CaptioningRNN
from scripts.pages import figures
from scripts.runs import training_files
from scripts.runs.photos import SceneFeatures
from scripts.web.answers import Answers

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "red", "blue", "ring", "star", "and", "two"]


@pytest.fixture(scope="session", autouse=True)
def no_pictures():
    """Runs end without drawing curves.png and samples.png, which take longer than the small training itself."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "sheet"):
            patch.setattr(training_files, name, lambda *_: b"\x89PNG")
        yield


@pytest.fixture
def pictures(monkeypatch):
    """Runs draw curves.png and samples.png in this test."""
    for name in ("curves", "sheet"):
        monkeypatch.setattr(training_files, name, getattr(figures, name))


@pytest.fixture(scope="session")
def small_scenes(tmp_path_factory):
    """A dataset folder of 60 training, 12 validation and 12 test scenes. Not to be written to."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    make_scene_dataset(folder, seed=1, sizes={"train": 60, "val": 12, "test": 12})
    return folder


@pytest.fixture(scope="session")
def scene_answers():
    """Captions of scenes by an attention model of random weights, large enough for maps that move."""
    model = CaptioningRNN({word: i for i, word in enumerate(WORDS)}, D, 7, 8, "attention", seed=4, backend="textbook")
    model.params = {name: 4 * np.abs(w) if name == "W_proj" else 4 * w for name, w in model.params.items()}
    model.params["W_embed"] *= 30
    return Answers(model, SceneFeatures(model))


@pytest.fixture(scope="session")
def scene_service(scene_answers):
    """The service on a free port of this machine -> its Flask application, (host, port)."""
    pytest.importorskip("waitress", reason="the page needs waitress: pip install -e \".[serve]\"")
    pytest.importorskip("flask", reason="the page needs Flask: pip install -e \".[serve]\"")
    from scripts.web.application import scene_files
    from scripts.web.server import listen, make_server
    from scripts.web.service import make_app
    from scripts.web.worker import Worker

    worker, listener = Worker(), listen("127.0.0.1", 0)
    app = make_app(scene_answers, worker, {"run": "test", "model": "attention", "attention": True}, scene_files())
    server = make_server(app, worker.in_flight, listener)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield app, listener.getsockname()
    worker.close()
    server.close()
    server.task_dispatcher.shutdown()
    thread.join(5)
