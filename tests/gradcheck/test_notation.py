"""One notation for --shapes and axes=: what it reads, what it refuses, and that both mean the same by it."""
import numpy as np
import pytest

from gradcheck import check_pair
from gradcheck.axes import axes_of
from gradcheck.notation import parse_axes, parse_shapes
from gradcheck.shapes import axes_names, draw_inputs
from gradcheck.shapes import parse_shapes as sized

TEXT = "x=N,T,D h0=N,H Wh=H,4H:ifog ids=N,T<V mask=N,T<bool s= eps=(1e-5) p=({'stride': 1, 'pad': (1, 2)})"


def arrays(**shapes):
    return {name: np.zeros(shape) for name, shape in shapes.items()}


def test_all_forms_are_read():
    found = parse_shapes(TEXT)
    assert list(found) == ["x", "h0", "Wh", "ids", "mask", "s", "eps", "p"]
    assert [str(axis) for axis in found["Wh"].axes] == ["H", "4H:ifog"]
    assert [axis.name for axis in found["Wh"].axes] == ["H", "gate"]
    assert str(found["ids"].below) == "V" and found["mask"].below == "bool" and found["s"].axes == ()
    assert found["eps"].setting == (1e-5,) and found["p"].setting == ({"stride": 1, "pad": (1, 2)},)


def test_every_way_to_write_axes_means_the_same():
    inputs = arrays(x=(2, 5, 3), Wh=(6, 24))
    written = ["x=N,T,D Wh=H,4H:ifog", {"x": "N,T,D", "Wh": "H,4H:ifog"},
               {"x": ("N", "T", "D"), "Wh": ["H", "4H:ifog"]}]
    found = [{name: array.label(7) for name, array in axes_of(inputs, axes).items()} for axes in written]
    assert found == [{"x": "dx[N=0, T=2, D=1]", "Wh": "dWh[H=0, gate f, unit 1]"}] * 3
    assert parse_axes({"Wh": ("h", "gate:ifog")})["Wh"][1].name == "gate"
    assert parse_axes({"x": ("batch of words", "part 2:ab")})["x"][0].name == "batch of words"


def test_the_axes_of_drawn_inputs_fit_them():
    shapes = sized(TEXT)
    inputs = draw_inputs(shapes, np.float64, np.random.default_rng(0))
    assert inputs["Wh"].shape == (6, 24) and inputs["p"] == {"stride": 1, "pad": (1, 2)}
    assert axes_of(inputs, TEXT)["Wh"].blocks() == axes_of(inputs, axes_names(shapes))["Wh"].blocks()
    assert list(axes_of(inputs, TEXT)["Wh"].blocks()) == ["gate i", "gate f", "gate o", "gate g"]


@pytest.mark.parametrize("axes, message", [
    ("x=N,T,D h0=N,H Wh=H,4H:ifog", r"axis 4H:ifog of Wh has 28 entries, expected 4 \* 6 = 24, since H is 6 in h0"),
    ({"x": "N,T,D", "h0": "H,N"}, "the axis N of h0 has 6 entries, expected 2, since N is 2 in x"),
    ({"Wh": "H,3H"}, "the axis 3H of Wh has 28 entries, expected 3 .* 6 = 18"),
    ({"Wh": "H,3K"}, "the axis 3K of Wh has 28 entries, expected a multiple of 3"),
    ({"Wh": "6,27"}, "the axis 27 of Wh has 28 entries, expected 27"),
    ({"Wh": ("H", "gate:ifogx")}, "axis 'gate' of Wh has 28 entries, which do not divide into the 5 blocks"),
    ({"Wh": "H,gate:iffo"}, "the blocks 'iffo' of the axis gate:iffo need a letter each, as in 4H:ifog"),
    ({"Wh": "H"}, "expected 2 names"),
    ({"Wh": 5}, r"expected a text, such as x=N,T,D or Wh=H,4H:ifog, or a dict"),
    ({"y": "N"}, "axes has an entry 'y', expected names of inputs"),
    ("Wh", "axes: cannot read 'Wh', expected name=shape such as x=N,T,D"),
    ({"Wh": "H,4H!"}, "axes of Wh: cannot read the axis '4H!', expected N, 7, 4H or 4H:ifog"),
])
def test_wrong_axes_are_named(axes, message):
    with pytest.raises(ValueError, match=message):
        axes_of(arrays(x=(2, 5, 3), h0=(2, 6), Wh=(6, 28)), axes)


@pytest.mark.parametrize("text, message", [
    ("Wh=H,gate:rzn", "the axis gate:rzn has no size, expected one such as 3H:rzn"),
    ("Wh=H:ifog", "the axis H:ifog of 6 does not divide into the 4 blocks 'ifog', expected one such as 4H:ifog"),
    ("x=N,0", "cannot read the axis '0', expected"),
    ("x=N x=N", "each name once"), ("", "is empty"), ("e=(1", "cannot read the setting"),
])
def test_wrong_shapes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        sized(text)


def test_a_check_takes_the_text_of_shapes(rng):
    inputs = draw_inputs(sized("x=N,D w=D,4H:ifog"), np.float64, rng)

    def wrong(dout, cache):
        x, w = cache
        dw = x.T @ dout
        dw[:, 6:12] *= 2
        return dout @ w.T, dw
    report = check_pair(lambda x, w: (x @ w, (x, w)), wrong, inputs, axes="x=N,D w=D,4H:ifog", rng=rng)
    assert "dw[D=0, gate f, unit " in str(report) and not report.ok


@pytest.mark.parametrize("sizes", [(1, 2), (2, 2), (3,)])
def test_a_mask_has_both_kinds_of_entries(sizes):
    shapes = sized(f"mask={','.join(map(str, sizes))}<bool")
    for seed in range(40):
        mask = draw_inputs(shapes, np.float64, np.random.default_rng(seed))["mask"]
        assert mask.any() and not mask.all()
    assert draw_inputs(sized("mask=1<bool"), np.float64, np.random.default_rng(0))["mask"].shape == (1,)
