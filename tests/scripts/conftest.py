import pytest

from data.scene_dataset import make_scene_dataset


@pytest.fixture(scope="session")
def small_scenes(tmp_path_factory):
    """A dataset folder of 60 training, 12 validation and 12 test scenes. Not to be written to."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    make_scene_dataset(folder, seed=1, sizes={"train": 60, "val": 12, "test": 12})
    return folder
