"""Where a wrong gradient is wrong, in words, if no cause is known; and gradients that are only rounded."""
from math import pi, sqrt

import numpy as np
import pytest

from gradcheck import check_pair


def forward(x, w):
    return np.cosh(x @ w), (x, w)


def backward(dout, cache):
    x, w = cache
    d = dout * np.sinh(x @ w)
    return d @ w.T, np.einsum("ntd,ntm->dm", x, d)


def spoil(shape, *places):
    """Random factors at these places of an array, 1 elsewhere."""
    factors = np.ones(shape)
    for place in places:
        factors[place] = np.random.default_rng(5).uniform(0.3, 0.7, factors[place].shape)
    return factors


DX = {
    "all differing entries of dx are at t=0, and none": [np.s_[:, 0]],
    "all differing entries of dx are at t=4, the last, and none": [np.s_[:, 4]],
    "of dx only what is at t=0 is right": [np.s_[:, 1:]],
    "of dx only what is at t=0 to 1 is right": [np.s_[:, 2:]],
    "all differing entries of dx are at n=1": [np.s_[1, 2:4, :2]],
    "every entry of dx differs": [np.s_[:]],
}
DW = {
    "all differing entries of dw are in gate b, and none": [np.s_[:, 2:4]],
    "of dw only what is in gate a is right": [np.s_[:, 2:]],
    "all differing entries of dw are in gate c": [np.s_[:3, 4]],
}


@pytest.mark.parametrize("words", [*DX, *DW])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_place_is_named(words, dtype, rng):
    inputs = {"x": rng.standard_normal((3, 5, 4)).astype(dtype), "w": (0.3 * rng.standard_normal((4, 6))).astype(dtype)}

    def wrong(dout, cache):
        dx, dw = backward(dout, cache)
        return (dx * spoil(dx.shape, *DX.get(words, [])).astype(dtype),
                dw * spoil(dw.shape, *DW.get(words, [])).astype(dtype))
    report = check_pair(forward, wrong, inputs, axes="x=n,t,d w=d,gate:abc")
    assert not report.ok and report.diagnoses == []
    assert [place[:len(words)] for place in report.places] == [words]
    assert f"where: {words}" in str(report) and report.to_dict()["places"] == report.places


def test_rows_of_ids_a_mask_and_signs_are_places(rng):
    ids, mask = np.array([4, 1, 4, 0, 4]), np.array([True, False, True, True, False])

    def table(wrong):
        def back(dout, cache):
            dtable = np.zeros((6, 3))
            np.add.at(dtable, ids, dout * mask[:, None])
            return dtable * wrong[:, None]
        return check_pair(lambda ids, mask, table: (table[ids] * mask[:, None], None), back,
                          {"ids": ids, "mask": mask, "table": rng.standard_normal((6, 3))})
    once = table(np.array([0.7, 1, 1, 1, 1, 1]))
    assert "in the rows that ids names once" in once.places[0] or "at axis 0=0" in once.places[0]
    x = np.array([-1.5, 0.5, -0.7, 2.0, 1.1])
    report = check_pair(lambda x: (np.where(x > 0, x, 0.2 * x), x),
                        lambda d, x: d * np.where(x > 0, 1, [0.3, 1, 0.5, 1, 1]), {"x": x})
    assert report.places == ["all differing entries of dx are where the array itself is negative, and none of these is "
                             "right"]


def test_what_differences_have_in_common_is_said(rng):
    def shifted(dout, cache):
        dx, dw = backward(dout, cache)
        return dx + np.cos(np.arange(12)).reshape(3, 1, 4) * dout.sum(), dw * np.array([[.5], [.7], [2], [3]])
    report = check_pair(forward, shifted, {"x": rng.standard_normal((3, 5, 4)), "w": 0.3 * rng.standard_normal((4, 6))},
                        axes="x=n,t,d w=d,m")
    assert report.places == [
        "every entry of dx differs, by the same number all along t: a term is missing or too much",
        "every entry of dw differs, by a factor that depends on d alone"]


def gelu(x, root):
    t = np.tanh(root * (x + 0.044715 * x**3))
    return x / 2 * (1 + t), (1 + t) / 2 + x / 2 * (1 - t**2) * root * (1 + 3 * 0.044715 * x**2)


@pytest.mark.parametrize("root, rounded", [(float(np.float32(sqrt(2 / pi))), True), (0.797884, True), (0.79, False)])
def test_rounded_constants_are_told_from_mistakes(root, rounded, rng):
    report = check_pair(lambda x: (gelu(x, sqrt(2 / pi))[0], x), lambda dout, x: dout * gelu(x, root)[1],
                        {"x": rng.standard_normal((4, 5))})
    assert not report.ok and ([d.kind for d in report.diagnoses] == ["rounded"]) == rounded
    assert not rounded or "likely cause: dx: close to: rounded constants" in str(report)


def test_a_softmax_with_its_diagonal_alone_and_an_upstream_gradient_that_is_ignored(rng):
    def softmax(x):
        e = np.exp(x)
        p = e / e.sum(axis=-1, keepdims=True)
        return p * np.sin(np.arange(5)), p
    x = {"x": rng.standard_normal((3, 5))}
    weights = np.sin(np.arange(5))
    own = check_pair(softmax, lambda dout, p: dout * weights * p * (1 - p), x)
    assert own.diagnoses[0].kind == "diagonal"
    ones = check_pair(softmax, lambda dout, p: p * (weights - (weights * p).sum(axis=-1, keepdims=True)), x)
    assert ones.problem and ones.diagnoses[0].sentence.startswith("dx: the upstream gradient is ignored")


def test_sums_and_means_over_three_axes_are_told_with_and_without_names(rng):
    inputs = {"x": rng.standard_normal((2, 3, 5, 4)), "b": rng.standard_normal(4)}
    wrong = lambda d, cache: (d, d.mean(axis=(0, 1, 2)))                # noqa: E731
    for axes, words in (("x=N,H,W,C b=C", "1/30, the length of axis N times axis H times axis W, a mean where a sum"),
                        (None, "1/30, the length of axis 0 of x times axis 1 of x times axis 2 of x, a mean where")):
        report = check_pair(lambda x, b: (x + b, None), wrong, inputs, axes=axes)
        assert words in report.diagnoses[0].sentence
    root = check_pair(lambda x, b: (x + b, None), lambda d, c: (d * 2, d.sum(axis=(0, 1, 2))), inputs)
    assert root.diagnoses[0].sentence.startswith("dx: 2 times the gradient everywhere")
