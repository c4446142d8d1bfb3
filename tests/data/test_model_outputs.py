"""data/model_outputs.py: layouts read from outputs, outputs that are one vector, and what is asked for."""
import numpy as np
import pytest

from data import model_outputs
from data.encoder import Encoder, differences
from data.model_outputs import describe_model

RAW = {"normalisation": "raw"}
FIRST, LAST = ("n", 3, 8, 12), ("n", 8, 12, 3)


def formula(x, w):
    """The features of pictures (n, H, W, 3): every 4x4 patch by the weights -> float64 (n, L, D)."""
    n, height, width, _ = np.shape(x)
    patches = np.asarray(x, np.float64).reshape(n, height // 4, 4, width // 4, 4, 3)
    return np.einsum("nyixjc,dcij->nyxd", patches, w.astype(np.float64)).reshape(n, -1, len(w))


def close(y, expected):
    return y.shape == expected.shape and np.abs(y - expected).max() < 1e-4 * np.abs(expected).max()


def pictures(rng, height=8, width=12):
    return list(rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("shape", [FIRST, LAST, ("n", 3, "h", "w"), ("n", "h", "w", 3), (None, 3, 8, None)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_outputs_layout_is_read_from_the_output(shape, turned, make_onnx, rng, tmp_path):
    w = make_onnx(tmp_path / "m.onnx", shape, turned=turned, **RAW)
    x, encoder = pictures(rng), Encoder(tmp_path / "m.onnx", size=(8, 12))
    assert encoder.layer == "grid" and encoder.grid == (2, 3) and close(encoder.encode(x), formula(x, w))
    known = encoder.attributes()
    assert known["grid"].tolist() == [2, 3] and "3*row + column" in known["region_order"]
    assert "output_layout" not in known                          # fingerprints stay as they were


def weights(D):
    return np.random.default_rng(D).standard_normal((D, 3, 4, 4)).astype(np.float32)


@pytest.mark.parametrize("D, shape, size", [
    (8, ("n", 3, 16, 16), (16, 16)),                             # (4, 4) are equal, (4, 8) are not
    (3, ("n", 3, 16, 24), (16, 24)),                             # (4, 6) are in the picture's proportions, (6, 3) not
    (9, ("n", 3, 14, 20), (14, 20)),                             # (3, 5) are so but for rounding, (5, 9) not
    (4, ("n", 3, 16, "w"), (16, 16)),                            # at another width only the output's width changes
    (4, ("n", 3, "h", "w"), (16, 16)),
    (5, ("n", 3, 14, 20), (14, 20)),                             # (3, 5) or (5, 5): the model's vector has 5 numbers
])
def test_each_kind_of_evidence_decides(D, shape, size, make_onnx, rng, tmp_path):
    for turned in (False, True):
        w = make_onnx(tmp_path / "m.onnx", shape, weights=weights(D), turned=turned, **RAW)
        x, encoder = pictures(rng, *size), Encoder(tmp_path / "m.onnx", size=size)
        assert encoder.grid == (size[0] // 4, size[1] // 4)
        assert close(encoder.encode(x), formula(np.array(x)[:, :size[0] // 4 * 4, :size[1] // 4 * 4], w))


def test_the_declared_shape_decides_where_the_model_runs_at_one_size_only(make_onnx, rng, tmp_path, monkeypatch):
    monkeypatch.setattr(model_outputs.Outputs, "_growing", lambda self, name: [])
    for turned, declared in ((True, ["n", "h", "w", 4]), (False, ["n", 4, "h", "w"])):
        w = make_onnx(tmp_path / "m.onnx", ("n", 3, "h", "w"), weights=weights(4), turned=turned, declared=declared,
                      **RAW)
        x = pictures(rng, 16, 16)
        assert close(Encoder(tmp_path / "m.onnx", size=(16, 16)).encode(x), formula(x, w))


def test_where_both_layouts_fit_the_option_is_asked_for_and_kept(make_onnx, rng, tmp_path):
    w = make_onnx(tmp_path / "m.onnx", ("n", 3, 16, 16), weights=weights(4), **RAW)
    with pytest.raises(ValueError) as caught:
        Encoder(tmp_path / "m.onnx")
    assert str(caught.value) == (
        f"{tmp_path / 'm.onnx'}: grid is (1, 4, 4, 4) for pictures of 16x16, which may be regions 4x4 of 4 numbers "
        "(NCHW) or regions 4x4 of 4 numbers (NHWC): expected --output-layout NCHW or NHWC")
    x, expected = pictures(rng, 16, 16), {}
    for layout in ("NCHW", "NHWC"):
        encoder = Encoder(tmp_path / "m.onnx", output_layout=layout)
        expected[layout] = encoder.encode(x)
        assert encoder.attributes()["output_layout"] == layout and encoder.attributes()["grid"].tolist() == [4, 4]
    assert close(expected["NCHW"], formula(x, w))
    assert close(expected["NHWC"], np.swapaxes(formula(x, w), 1, 2).reshape(2, 16, 4))
    with pytest.raises(ValueError, match="output layout 'CHW': expected NCHW or NHWC"):
        Encoder(tmp_path / "m.onnx", output_layout="CHW")
    assert Encoder(tmp_path / "m.onnx", "pooled").shape == (4,)  # a vector needs no layout


def test_the_metadata_or_the_width_of_the_models_vector_decide(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", ("n", 3, 16, 16), weights=weights(4), output_layout="NCHW", **RAW)
    assert Encoder(tmp_path / "m.onnx").grid == (4, 4)
    w = make_onnx(tmp_path / "m.onnx", ("n", 3, 8, 16), weights=weights(2)[:1], turned=True, **RAW)
    assert len(w) == 1                                           # (n, 2, 4, 1): 4 x 1 is in no proportion
    assert Encoder(tmp_path / "m.onnx").grid == (2, 4)


@pytest.mark.parametrize("also", [["mean"], ["mean_last"], ["mean", "mean_last"]])
def test_a_single_region_is_a_vector_and_not_the_default(also, make_onnx, rng, tmp_path):
    w = make_onnx(tmp_path / "m.onnx", also=also, **RAW)
    assert Encoder(tmp_path / "m.onnx").layer == "grid"
    x, vector = pictures(rng), Encoder(tmp_path / "m.onnx", also[-1])
    assert vector.shape == (5,) and vector.grid is None and "grid" not in vector.attributes()
    assert close(vector.encode(x), formula(x, w).mean(axis=1))


def test_a_model_of_one_region_gives_vectors(make_onnx, rng, tmp_path):
    w = make_onnx(tmp_path / "m.onnx", ("n", 3, 4, 4), also=["mean"], **RAW)
    x, encoder = pictures(rng, 4, 4), Encoder(tmp_path / "m.onnx")
    assert encoder.layer == "mean" and close(encoder.encode(x), formula(x, w)[:, 0])
    tokens = make_onnx(tmp_path / "t.onnx", ("n", 3, 4, 4), tokens=0, **RAW)
    assert close(Encoder(tmp_path / "t.onnx", "grid").encode(x), formula(x, tokens)[:, 0])


def test_the_models_own_pooled_output_is_the_only_vector_as_wide_as_its_regions(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", **RAW)
    assert Encoder(tmp_path / "m.onnx").outputs.pooled() == "pooled"
    make_onnx(tmp_path / "m.onnx", also=["mean"], **RAW)
    assert Encoder(tmp_path / "m.onnx").outputs.pooled() is None
    make_onnx(tmp_path / "t.onnx", ("n", 3, 8, 8), tokens=1, **RAW)
    assert Encoder(tmp_path / "t.onnx").outputs.pooled() == "pooled"


def test_the_patches_of_a_transformer_come_before_its_vectors(make_onnx, rng, tmp_path):
    w = make_onnx(tmp_path / "t.onnx", ("n", 3, 8, 8), tokens=1, also=["mean"], **RAW)
    x, encoder = pictures(rng, 8, 8), Encoder(tmp_path / "t.onnx")
    assert encoder.layer == "grid" and encoder.grid == (2, 2) and close(encoder.encode(x), formula(x, w))


def three_axes(path, *shape):
    """A model of pictures 4x12 whose output is their numbers as (n, *shape)."""
    onnx = pytest.importorskip("onnx")
    node, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node("Reshape", ["image", "shape"], ["y"])], "tiny", [info("image", onnx.TensorProto.FLOAT, ["n", 3, 4, 12])],
        [info("y", onnx.TensorProto.FLOAT, [None] * 3)], [onnx.numpy_helper.from_array(np.array([0, *shape]), "shape")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.helper.set_model_props(model, RAW)
    onnx.save(model, path)
    return path


def test_three_axes_may_have_the_features_first(tmp_path, rng, fails):
    path, picture = three_axes(tmp_path / "a.onnx", 36, 4), rng.integers(0, 256, (4, 12, 3), np.uint8)
    numbers = picture.transpose(2, 0, 1).reshape(36, 4)
    with fails(path, "y is (1, 36, 4), which may be 36 regions of 4 numbers (NHWC) or 4 regions of 36 numbers (NCHW): "
               "expected --output-layout"):
        Encoder(path)
    np.testing.assert_array_equal(Encoder(path, output_layout="NHWC").encode([picture])[0], numbers)
    turned = Encoder(path, output_layout="NCHW")
    np.testing.assert_array_equal(turned.encode([picture])[0], numbers.T)
    assert turned.grid == (2, 2) and "y is regions 2x2 of 36 numbers" in "".join(
        describe_model(path, layout="NCHW"))
    plain = three_axes(tmp_path / "b.onnx", 4, 36)                                  # more features than regions
    np.testing.assert_array_equal(Encoder(plain).encode([picture])[0], picture.transpose(2, 0, 1).reshape(4, 36))
    first = Encoder(three_axes(tmp_path / "c.onnx", 9, 16), output_layout="NCHW")
    np.testing.assert_array_equal(first.encode([picture])[0], picture.transpose(2, 0, 1).reshape(9, 16).T)


def test_a_description_says_what_each_output_is_taken_for(make_onnx, tmp_path):
    make_onnx(tmp_path / "m.onnx", turned=True, also=["mean"])
    assert describe_model(tmp_path / "m.onnx")[4:] == [
        "from pictures of 12x8:", "  grid is regions 2x3 of 5 numbers (NHWC), the default",
        "  pooled is a vector of 5 numbers", "  mean is a vector of 5 numbers"]
    make_onnx(tmp_path / "m.onnx", ("n", 3, "h", "w"))
    assert "  grid is regions 56x56 of 5 numbers (NCHW), the default" in describe_model(tmp_path / "m.onnx")
    assert "  grid is regions 2x4 of 5 numbers (NCHW), the default" in describe_model(tmp_path / "m.onnx", (8, 16))
    make_onnx(tmp_path / "m.onnx", ("n", 3, 16, 16), weights=weights(4))
    assert ("  grid is regions 4x4 of 4 numbers (NCHW) or regions 4x4 of 4 numbers (NHWC), the default"
            in describe_model(tmp_path / "m.onnx"))
    make_onnx(tmp_path / "m.onnx", ("n", 4, 4, 4))
    assert describe_model(tmp_path / "m.onnx")[-1].startswith("what the outputs are is not known: ")


@pytest.mark.parametrize("layer", [None, "pooled"])
def test_real_regions_behind_a_transpose_are_equal(layer, real_data, rng, tmp_path):
    """The case of a converter that transposes the input only: MobileNetV2's grid as (n, 7, 7, 320)."""
    onnx = pytest.importorskip("onnx")
    path = real_data / "models/mobilenet_v2_1.0_224.onnx"
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Transpose", ["bottleneck"], ["last"], perm=[0, 2, 3, 1]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("last", onnx.TensorProto.FLOAT, ["N", 7, 7, 320]))
    onnx.save(model, tmp_path / "last.onnx")
    x = list(rng.integers(0, 256, (2, 60, 80, 3), dtype=np.uint8))
    plain, turned = Encoder(path, layer, threads=1), Encoder(tmp_path / "last.onnx", layer, threads=1)
    assert turned.shape == ((49, 320) if layer is None else (1280,))
    assert np.array_equal(plain.encode(x), turned.encode(x))
    assert differences({**plain.attributes(), "model_sha256": "", "onnx_output": ""},
                       {**turned.attributes(), "model_sha256": "", "onnx_output": ""}) == []
