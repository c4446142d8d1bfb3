"""models/reprs.py: what a model and a solver say of themselves."""
import numpy as np
import pytest

from models import CaptioningRNN, CaptioningSolver

WORDS = {word: i for i, word in enumerate(["<NULL>", "<START>", "<END>", "<UNK>", "a", "cat", "dog"])}
DATA = {"train_captions": np.array([[1, 4, 5, 2], [1, 4, 6, 2], [1, 5, 2, 0]]), "train_image_idxs": np.array([0, 1, 2]),
        "train_features": np.ones((3, 5), np.float32)}


def model(cell="lstm", **options):
    return CaptioningRNN(WORDS, 5, 3, 6, cell, seed=1, backend="textbook", **options)


def test_a_model_states_its_cell_sizes_and_settings():
    weights = 7 * 3 + 5 * 6 + 6 + 3 * 24 + 6 * 24 + 24 + 6 * 7 + 7
    assert repr(model()) == (f"CaptioningRNN: lstm, {weights} weights, float32, on the textbook\n"
                             "  V=7 words, D=5 features, W=3 word vector, H=6 hidden\n"
                             "  features taken as they are; default options")
    own = model("bahdanau", dropout=0.5, feature_clip=5, pooled_dim=4, feature_stats=(np.zeros(5), np.ones(5)),
                dtype=np.float64)
    _, sizes, options = repr(own).splitlines()
    assert "float64" in repr(own) and sizes == "  V=7 words, D=5 features, P=4 pooled, W=3 word vector, H=6 hidden"
    assert options == "  features standardised; dropout=0.5, feature_clip=5"
    assert repr(model(dropout=0.5, input_dropout=0.2)).endswith("dropout=0.5, input_dropout=0.2")


@pytest.mark.parametrize("cell, num_layers, stated", [
    ("lstm", 1, "default options"), ("lstm", 2, "num_layers=2"),
    ("transformer", 2, "default options"), ("transformer", 1, "num_layers=1")])
def test_a_default_is_that_of_the_cell(cell, num_layers, stated):
    own = CaptioningRNN(WORDS, 5, 4, 4, cell, seed=1, num_layers=num_layers)
    assert repr(own).endswith(f"taken as they are; {stated}")


def test_a_solver_states_what_is_done_and_left():
    solver = CaptioningSolver(model(), {**DATA, **{f"val_{k[6:]}": v for k, v in DATA.items()}}, update_rule="adam",
                              optim_config={"learning_rate": 0.01}, batch_size=2, num_epochs=3, clip=5, seed=4,
                              sampling="epochs", validate=True, verbose=False)
    head = ("CaptioningSolver: lstm on 3 captions, 3 epochs of 2 steps, batch size 2\n"
            "  adam, learning rate 0.01; sampling=epochs, clip=5, seed=4, validate=True\n")
    assert repr(solver) == f"{head}  0 of 6 steps done"
    solver.train()
    assert repr(solver) == f"{head}  6 of 6 steps done; best validation loss {solver.best_val_loss:.4g} nats a word"


def test_the_learning_rate_may_be_the_rules_own_and_the_model_anyones():
    class Own:
        params, word_to_idx = {}, WORDS

    assert "Own on 3 captions" in repr(CaptioningSolver(Own(), DATA))
    assert "sgd, learning rate by default; default options" in repr(CaptioningSolver(model(), DATA))


@pytest.mark.parametrize("kind", [CaptioningRNN, CaptioningSolver])
def test_what_is_not_complete_has_a_repr(kind):
    assert repr(kind.__new__(kind)) == f"<{kind.__name__}, not complete>"
