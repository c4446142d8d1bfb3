import pytest

from data.coco_captions import image_id


@pytest.mark.parametrize("name, expected", [
    ("COCO_val2014_000000391895.jpg", 391895), ("000000391895.jpg", 391895),
    ("val2014/COCO_val2014_000000391895.jpg", 391895),
    ("3385593926_d3e9c21170.jpg", "3385593926_d3e9c21170.jpg"), ("scene-00012.png", "scene-00012.png"),
    ("COCO_val2014_391895.jpg", "COCO_val2014_391895.jpg"), ("a/b.jpg", "a/b.jpg"), ("val-17", "val-17"),
])
def test_coco_images_have_numbers_and_others_their_names(name, expected):
    assert image_id(name) == expected
