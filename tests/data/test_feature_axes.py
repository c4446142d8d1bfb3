"""data/feature_axes.py: layouts that are plain, those that are not, and those that do not fit."""
import numpy as np
import pytest

from data.feature_axes import arrange, check_layout, describe_axes, find_layout, parse_layout


def found(shape, rows=10, grid=None, most=None, low=None):
    return ",".join(find_layout(low or shape, shape, rows, grid, most))


@pytest.mark.parametrize("shape, layout", [
    ((10, 7), "rows,D"), ((10, 2048), "rows,D"),
    ((10, 36, 2048), "rows,L,D"), ((10, 2048, 36), "rows,D,L"), ((10, 49, 320), "rows,L,D"),
    ((10, 320, 49), "rows,D,L"), ((10, 196, 512), "rows,L,D"), ((10, 1024, 196), "rows,D,L"),
    ((10, 197, 768), "rows,L,D"), ((10, 49, 256), "rows,L,D"), ((10, 1, 2048), "rows,L,D"),
    ((10, 100, 2054), "rows,L,D"),
    ((10, 7, 7, 320), "rows,h,w,D"), ((10, 320, 7, 7), "rows,D,h,w"), ((10, 7, 9, 320), "rows,h,w,D"),
    ((10, 2048, 14, 10), "rows,D,h,w"), ((10, 3, 3, 5), "rows,h,w,D"), ((10, 5, 3, 3), "rows,D,h,w"),
    ((10, 1, 36, 2048), "rows,h,w,D"), ((10, 2048, 1, 1), "rows,D,h,w"),
])
def test_plain_layouts(shape, layout):
    assert found(shape) == layout


@pytest.mark.parametrize("shape, readings", [
    ((10, 10), ["rows,D", "D,rows"]),
    *((shape, ["rows,L,D", "rows,D,L"]) for shape in (
        (10, 49, 49), (10, 36, 64), (10, 64, 256), (10, 256, 64), (10, 196, 256), (10, 256, 1024), (10, 512, 512),
        (10, 5, 7))),
    *((shape, ["rows,h,w,D", "rows,D,h,w"]) for shape in (
        (10, 7, 7, 7), (10, 6, 36, 512), (10, 7, 9, 7), (10, 7, 320, 7), (10, 7, 9, 16), (10, 512, 7, 512))),
])
def test_two_readings_are_named_with_their_flags(shape, readings):
    with pytest.raises(ValueError, match="can be read in two ways") as caught:
        found(shape)
    for reading in readings:
        assert f"(--layout {reading})" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_two_readings_in_words():
    with pytest.raises(ValueError) as caught:
        found((10, 36, 64))
    assert str(caught.value) == (
        "(10, 36, 64) can be read in two ways, axis 1 36 regions, axis 2 64 features (--layout rows,L,D) or "
        "axis 1 36 features, axis 2 64 regions (--layout rows,D,L): give the one that is right")


@pytest.mark.parametrize("shape, more, layout", [
    ((10, 5, 7), {"most": 5}, "rows,L,D"), ((10, 5, 7), {"most": 7}, "rows,D,L"), ((10, 5, 7), {"most": 6}, "rows,D,L"),
    ((10, 256, 64), {"grid": (8, 8)}, "rows,D,L"), ((10, 6, 4), {"grid": (2, 3)}, "rows,L,D"),
    ((10, 2, 3, 3), {"grid": (2, 3)}, "rows,h,w,D"), ((10, 3, 2, 3), {"grid": (2, 3)}, "rows,D,h,w"),
    ((10, 5, 7), {"low": (10, 3, 7)}, "rows,L,D"), ((10, 7, 5), {"low": (10, 7, 1)}, "rows,D,L"),
    ((10, 2, 5, 8), {"low": (10, 1, 4, 8)}, "rows,h,w,D"), ((10, 8, 2, 5), {"low": (10, 8, 1, 4)}, "rows,D,h,w"),
])
def test_what_the_file_states_decides(shape, more, layout):
    assert found(shape, **more) == layout


@pytest.mark.parametrize("shape, more, part", [
    ((10,), {}, r"\(10\), expected \(images, features\)"), ((10, 1, 2, 3, 4), {}, "expected"),
    ((9, 20, 10), {}, "names of 10 images, expected 10 on axis 0"),
    ((10, 5, 7), {"grid": (2, 3)}, r"does not go with a grid \(2, 3\) that the file states"),
    ((10, 5, 7), {"most": 8}, "up to 8 regions an image"), ((10, 5, 7), {"low": (10, 4, 6)}, r"\(10, 4..5, 6..7\)"),
])
def test_layouts_that_nothing_fits(shape, more, part):
    with pytest.raises(ValueError, match=part):
        found(shape, **more)


@pytest.mark.parametrize("text", ["rows,D,h", "rows,L", "D,L", "rows,D,D", "rows,D,x", "N,C,H,W", "rows", "",
                                  "rows,D,L,h,w"])
def test_letters_that_make_no_layout(text):
    with pytest.raises(ValueError, match="expected rows and D, with L or with h and w"):
        parse_layout(text)


@pytest.mark.parametrize("layout, shape, more, part", [
    ("rows,D", (10, 5, 7), {}, r"\(10, 5, 7\) has 3 axes, --layout rows,D has 2"),
    ("D,rows,L", (10, 5, 7), {}, r"\(10, 5, 7\) with 10 images does not go with --layout D,rows,L: axis 0 10 features"),
    ("rows,L,D", (10, 5, 7), {"grid": (7, 1)}, r"a grid \(7, 1\)"),
    ("rows,L,D", (10, 5, 7), {"most": 6}, "up to 6 regions an image"),
    ("rows,D,L", (10, 5, 7), {"low": (10, 4, 7)}, "axis 1 4..5 features"),
])
def test_a_layout_given_that_does_not_fit(layout, shape, more, part):
    with pytest.raises(ValueError, match=part):
        check_layout(parse_layout(layout), more.pop("low", shape), shape, 10, **more)


def test_regions_are_row_by_row():
    x = np.arange(2 * 3 * 4).reshape(2, 3, 4)                                # h, w, D
    for layout, y in (("rows,h,w,D", x), ("rows,D,h,w", x.transpose(2, 0, 1)), ("w,rows,h,D", x.transpose(1, 0, 2))):
        np.testing.assert_array_equal(arrange(y, parse_layout(layout)), x.reshape(6, 4))
    np.testing.assert_array_equal(arrange(x[0].T, ("rows", "D", "L")), x[0])
    np.testing.assert_array_equal(arrange(x[0, 0], ("rows", "D")), x[0, 0])


def test_a_line_on_each_axis():
    assert describe_axes(("rows", "D", "L"), (10, 2048, 10), (10, 2048, 36)) == [
        "axis 0, 10: rows, images", "axis 1, 2048: D, features", "axis 2, 10..36: L, regions"]
