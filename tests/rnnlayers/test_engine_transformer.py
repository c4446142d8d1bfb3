"""The transformer on packed rows against the textbook's, over its options, and its decoding against whole captions."""
import numpy as np
import pytest

from models import CaptioningTransformer
from rnnlayers.workspace import Workspace

V, L, P, W, LONGEST = 11, 6, 5, 8, 9
WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", "<UNK>", *"abcdefg"])}
# a title -> D, the kind of features, options. Features of at most W numbers are not projected in training.
KINDS = {
    "narrow grid": (3, "grid", {}),
    "wide grid": (13, "grid", {"tie": True}),
    "narrow boxes": (5, "boxes", {"activation": "relu"}),
    "vector": (3, "vector", {}),
    "one region": (13, "one", {"region_positions": 2}),
    "pair": (3, "pair", {"pooled_dim": P}),
    "boxes and pooled": (13, "boxes, pair", {"pooled_dim": P, "activation": "relu"}),
    "positions of regions": (3, "boxes", {"region_positions": L + 2}),
}
DROPOUT = {"dropout": 0.3, "input_dropout": 0.2}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def features():
    """Function: kind, N -> features of N pictures."""
    def make(kind, N, seed=5):
        rng, (D, form, _) = np.random.default_rng(seed), KINDS[kind]
        grid, pooled, regions = rng.standard_normal((N, L, D)), rng.standard_normal((N, P)), rng.integers(1, L + 1, N)
        pooled = pooled if "pair" in form else None
        if form in ("vector", "one"):
            return grid[:, 0] if form == "vector" else grid[:, :1]
        if "boxes" in form:
            grid[np.arange(L) >= regions[:, None]] = np.nan
            return grid, pooled, regions
        return grid if pooled is None else (grid, pooled)
    return make


@pytest.fixture
def models():
    """Function: kind, dtype, options -> the engine's model, and the textbook's in float64, of the same parameters."""
    def make(kind, dtype=np.float64, **options):
        D, _, own = KINDS[kind]
        engine, textbook = (CaptioningTransformer(
            WORDS, D, W, dim_feedforward=10, max_length=LONGEST, seed=1, backend=backend, dtype=dtype, **own, **options)
            for backend in ("engine", "textbook"))
        rng = np.random.default_rng(4)
        for name, w in engine.params.items():
            w[...] = 0.4 * rng.standard_normal(w.shape) + name.endswith("gamma")
            textbook.params[name] = w.astype(np.float64)
        return engine, textbook
    return make


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("num_layers, dropout", [(1, {}), (1, DROPOUT), (3, {}), (2, DROPOUT)])
def test_loss_and_gradients(kind, norm, num_layers, dropout, models, features, ragged, same_loss):
    """Batches of other sizes one after the other in one workspace, and in arrays of their own."""
    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-5)):
        engine, textbook = models(kind, dtype, norm=norm, num_layers=num_layers, **dropout)
        workspace = Workspace()
        for N, T in ((7, LONGEST), (1, 2), (12, 5)):
            args = features(kind, N), ragged(N, T)
            expected = textbook.loss(*args, np.random.default_rng(3))
            same_loss(engine.loss(*args, np.random.default_rng(3)), expected, tolerance)
            found = engine.objective(*args, np.random.default_rng(3), workspace=workspace)
            same_loss((found.loss, found.grads), expected, tolerance)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_steps_are_those_of_whole_captions(kind, norm, models, features, close):
    """Captions of a picture that change places and pictures, against scores without a state."""
    (engine, textbook), N, rng = models(kind, norm=norm), 4, np.random.default_rng(0)
    pictures = features(kind, N)
    states = [model.initial_state(pictures) for model in (engine, textbook)]
    picture, words = np.arange(N), np.ones((N, 1), int)
    for t in range(LONGEST - 1):
        if t == 2:                                          # three captions for each picture
            rows = np.repeat(np.arange(N), 3)
            states, picture, words = [state.select(rows) for state in states], picture[rows], words[rows]
        elif t == 4:                                        # which change places
            rows = (np.arange(N)[:, None] * 3 + rng.integers(0, 3, (N, 3))).ravel()
            states, words = [state.reorder(rows) for state in states], words[rows]
        elif t == 6:                                        # and of which some go on, of other pictures
            rows = np.array([7, 8, 0])
            states, picture, words = [state.select(rows) for state in states], picture[rows], words[rows]
        scores, states = zip(*(model.step(words[:, -1], state) for model, state in zip((engine, textbook), states)))
        captions = np.concatenate([words, words[:, :1]], axis=1)
        whole = engine.scores(_of(pictures, picture), captions)[:, -1]
        close(scores[0], scores[1], 1e-10)
        close(scores[0], whole, 1e-10)
        if states[0].attention is not None:
            close(states[0].attention, states[1].attention, 1e-10)
        words = np.concatenate([words, rng.integers(3, V, (len(words), 1))], axis=1)


def _of(features, rows):
    return tuple(None if a is None else a[rows] for a in features) if isinstance(features, tuple) else features[rows]


def test_captions_of_a_picture_share_its_keys_and_values(models, features):
    engine, _ = models("narrow grid")
    state = engine.initial_state(features("narrow grid", 3))
    many = state.select(np.repeat(np.arange(3), 5))
    assert len(many) == 15 and all(a is b for a, b in zip(many.weights, state.weights))
    assert sum(a.nbytes for a in many.memory) < 15 * 3 * 8
    assert state.weights[0].shape == (3, L, W)


@pytest.mark.parametrize("kind", ["narrow grid", "vector"])
def test_captions_longer_than_the_model_takes(kind, models, features, ragged):
    engine, textbook = models(kind)
    for model in (engine, textbook):
        with pytest.raises(ValueError, match=f"captions feed {LONGEST + 1} words.* max_length = {LONGEST} "):
            model.loss(features(kind, 3), ragged(3, LONGEST + 2))
        state = model.initial_state(features(kind, 1))
        for _ in range(LONGEST):
            _, state = model.step(np.array([4]), state)
        with pytest.raises(ValueError, match="max_length"):
            model.step(np.array([4]), state)


def test_more_regions_than_positions(models, features, ragged):
    engine, _ = models("positions of regions")
    grid = np.zeros((2, L + 3, 3))
    for call in (lambda: engine.loss(grid, ragged(2, 4)), lambda: engine.initial_state(grid)):
        with pytest.raises(ValueError, match=f"features have {L + 3} regions, expected at most region_positions"):
            call()
