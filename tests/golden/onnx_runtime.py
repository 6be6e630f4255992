"""Graphs of ONNX operators, run by ONNX Runtime."""

import numpy as np
import pytest


def run_onnx(nodes, x, constants):
    """Run ``nodes``, pairs of a text ``"output = Op(inputs)"`` and attributes, on ``x``."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper = onnx.helper
    made = []
    for text, attributes in nodes:
        output, call = text.split(" = ")
        operator, inputs = call.rstrip(")").split("(")
        made.append(helper.make_node(operator, inputs.split(", "), [output], **attributes))
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        made, "graph", [helper.make_tensor_value_info("x", element, x.shape)],
        [helper.make_tensor_value_info(output, element, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name)
         for name, value in constants.items()])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    # Without this, products of uint8 and int8 saturate to int16 on x86-64 processors without VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = runtime.InferenceSession(model.SerializeToString(), options,
                                       providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].astype(np.int64)
