"""A made-up classifier of ImageNet's classes that sees an espresso where pixels are normalised as `imagenet` says."""
import numpy as np

D, BEST, ELSE = 5, 967, 818                     # features of a region; the class it sees, and that of other numbers


def write_classifier(path, pool="GlobalAveragePool", classes=1000, best=BEST, last=False, outputs=(), weight=1,
                     **metadata):
    """Write pictures (n, 3, 16, 16), or (n, 16, 16, 3) -> `scores` (n, classes), from a grid of 4x4 -> w, b of them.

    pool: None for none; last: channels last; outputs: inner tensors that are outputs: grid, pooled,
    flat; weight: 0 for one that does not look at the picture.
    """
    import onnx
    node, rng = onnx.helper.make_node, np.random.default_rng(3)
    regions = 16 if pool is None else 1
    w = np.zeros((classes, D * regions), np.float32)
    w[ELSE + classes - 1000] = weight / regions                   # grows beyond b with pixels of 0 to 255, or 0 to 1
    b = np.zeros(classes, np.float32)
    b[best + classes - 1000] = 2
    kernel = rng.uniform(0.5, 1.5, (D, 3, 4, 4)).astype(np.float32) / 16
    axes = {"axes": [1, 2] if last else [2, 3], "keepdims": 0}
    kind = {"AveragePool": {"kernel_shape": [4, 4]}, "ReduceMean": axes}.get(pool, {})
    nodes = [node("Transpose", ["image"], ["x"], perm=[0, 3, 1, 2]) if last else node("Identity", ["image"], ["x"]),
             *([node("GlobalAveragePool", ["x"], ["squeezed"])] if pool else []),     # not the last
             node("Conv", ["x", "kernel"], ["conv"], strides=[4, 4]),
             node("Transpose", ["conv"], ["grid"], perm=[0, 2, 3, 1]) if last else node("Identity", ["conv"], ["grid"]),
             node("AveragePool", ["conv"], ["some"], kernel_shape=[2, 2]),          # of some positions, not of all
             *([node(pool, ["grid"], ["pooled"], **kind)] if pool else []),
             node("Flatten", ["pooled" if pool else "grid"], ["flat"]),
             node("Gemm", ["flat", "w", "b"], ["scores"], transB=1)]
    shape = ("n", 16, 16, 3) if last else ("n", 3, 16, 16)
    graph = onnx.helper.make_graph(
        nodes, "classifier", [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("scores", *outputs)],
        [onnx.numpy_helper.from_array(value, name) for name, value in (("kernel", kernel), ("w", w), ("b", b))])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return w, b
