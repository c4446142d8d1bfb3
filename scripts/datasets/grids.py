"""The grid of an image model: what its last pooling over all positions averages, made an output of the model's file."""
from collections.abc import Sequence
from pathlib import Path

from data.model_outputs import vector_width
from data.onnx_models import image_input, open_model, output_shapes

POOLING = {"GlobalAveragePool", "GlobalMaxPool", "AveragePool", "ReduceMean"}


def with_outputs(content: bytes, names: Sequence[str]) -> bytes:
    """A model's file whose inner tensors of these names are outputs too.

    Bytes are appended, because a protobuf message goes on with what follows it. Nothing is written anew, so that the
    file, and with it the fingerprint of the features, is the same whatever version of a library made it.
    """
    from onnx import GraphProto, ModelProto, ValueInfoProto
    outputs = [ValueInfoProto(name=name) for name in names]
    return content + ModelProto(graph=GraphProto(output=outputs)).SerializeToString()


def with_grid(content: bytes, size: tuple[int, int], trial: Path) -> tuple[bytes, str | None]:
    """A model's file in which the grid is an output -> the bytes, and the output's name, None if there is no grid.

    size: (height, width) of pictures; trial: a file to write on the way. Raises ValueError for what is no model.
    """
    from onnx import ModelProto
    graph = ModelProto.FromString(content).graph
    pools = [(node.input[0], node.output[0]) for node in graph.node if node.op_type in POOLING]
    known = {port.name for port in (*graph.input, *graph.output)}
    trial.write_bytes(with_outputs(content, sorted({name for pool in pools for name in pool} - known)))
    session = open_model(trial)
    shapes = output_shapes(session, image_input(session, trial), size, trial)
    grids = [before for before, after in pools if len(shapes.get(before, ())) == 4
             and not vector_width(shapes[before]) and vector_width(shapes[after])]
    if not grids:
        return content, None
    return content if grids[-1] in known else with_outputs(content, [grids[-1]]), grids[-1]
