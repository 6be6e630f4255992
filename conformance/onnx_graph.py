"""A graph of ONNX operators, run by ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
from onnx import helper

__all__ = ["run_graph"]


def run_graph(nodes, x, constants, dtype, *, optimised=True):
    """What the last node makes of `x`, as int64.

    Parameters
    ----------
    nodes : list of (str, dict)
        `"output = Op(inputs)"` and attributes, in order; an input is `x`, a constant or an output.
    x : array
    constants : mapping of str to array
        Those that no node takes are left out.
    dtype : str or numpy.dtype
        Of the result.
    optimised : bool
        Whether ONNX Runtime may fuse operators, as it does by default.
    """
    made = []
    for text, attributes in nodes:
        output, call = text.split(" = ")
        operator, inputs = call.rstrip(")").split("(")
        made.append(helper.make_node(operator, [name.strip() for name in inputs.split(",")],
                                     [output], **attributes))
    given, element = (helper.np_dtype_to_tensor_dtype(np.dtype(of)) for of in (x.dtype, dtype))
    used = {name for node in made for name in node.input}
    graph = helper.make_graph(
        made, "graph", [helper.make_tensor_value_info("x", given, x.shape)],
        [helper.make_tensor_value_info(made[-1].output[0], element, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name)
         for name, value in constants.items() if name in used])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    # Without it, products of uint8 and int8 saturate to int16 on x86-64 processors without VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].astype(np.int64)
