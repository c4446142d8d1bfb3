import pytest

from models import CaptioningRNN
from models.checkpoint import save_checkpoint
from scripts.runs import load_run, open_run_data
from scripts.runs.stored_run import checked

FEATURES = {"train": {"path": "f.h5", "fingerprint": "0", "attributes": {"model": "m"}}}
DATA = {"folder": "none", "name": "x", "vocabulary": "1", "captions": "2", "features": FEATURES}
RUN = {"settings": {"model": "rnn", "lr": 1e-3, "patience": None}, "data": DATA, "epoch": 3}


def saved(path, word_to_idx, run):
    save_checkpoint(path, CaptioningRNN(word_to_idx, 5, 4, 7, seed=0), run)
    return path


@pytest.mark.parametrize("change, found", [
    ({"settings": []}, "settings is [], expected an object"),
    ({"settings": {"lr": "x"}}, "lr is 'x', expected a number"),
    ({"settings": {"hidden": {}}}, "hidden is {}"), ({"settings": {"lr": float("nan")}}, "lr is nan"),
    ({"settings": {"model": 5}}, "model is 5, expected text"), ({"data": 7}, "data is 7"),
    ({"data": {**DATA, "folder": None}}, "folder is None, expected text"),
    ({"data": {**DATA, "features": {"train": []}}}, "train is [], expected an object"),
    ({"data": {**DATA, "features": {"train": {"attributes": {"grid": [1]}}}}}, "grid is [1], expected text"),
    ({"epoch": "3"}, "epoch is '3'"), ({"epoch": True}, "epoch is True"),
    ({"from": "elsewhere"}, "from is 'elsewhere'"),
])
def test_a_run_of_another_form_is_one_line(change, found, tmp_path):
    path = saved(tmp_path / "a.h5", {"<NULL>": 0, "<START>": 1, "<END>": 2}, {**RUN, **change})
    with pytest.raises(ValueError, match="a.h5: not a run as scripts.train stores it: ") as error:
        load_run(path)
    assert found in str(error.value)


def test_a_run_that_does_not_say_which_data_is_one_line(tmp_path):
    words = {"<NULL>": 0, "<START>": 1, "<END>": 2}
    assert load_run(saved(tmp_path / "a.h5", words, RUN)).run == RUN
    checkpoint = load_run(saved(tmp_path / "a.h5", words, {"data": {"folder": "none", "features": {}}}))
    assert checked(checkpoint) is checkpoint
    with pytest.raises(ValueError, match="does not say which captions and vocabulary its data had"):
        open_run_data(checkpoint)
