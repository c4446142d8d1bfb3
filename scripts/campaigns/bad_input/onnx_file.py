"""A tiny image model in ONNX form, where the package onnx is there."""
from pathlib import Path

import numpy as np


def tiny_model(path: Path) -> None:
    """Write a model with the outputs grid (n, 5, h, w) and pooled (n, 5); an empty file without the package onnx."""
    try:
        import onnx
    except ImportError:
        path.touch()
        return
    kind, node = onnx.TensorProto.FLOAT, onnx.helper.make_node
    weights = np.random.default_rng(5).standard_normal((5, 3, 4, 4)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [node("Conv", ["image", "w"], ["grid"], strides=[4, 4]),
         node("GlobalAveragePool", ["grid"], ["mean"]), node("Flatten", ["mean"], ["pooled"])], "tiny",
        [onnx.helper.make_tensor_value_info("image", kind, ("n", 3, 8, 12))],
        [onnx.helper.make_tensor_value_info(name, kind, shape)
         for name, shape in (("grid", [None] * 4), ("pooled", [None] * 2))],
        [onnx.numpy_helper.from_array(weights, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.helper.set_model_props(model, {"normalisation": "raw"})
    onnx.save(model, path)
