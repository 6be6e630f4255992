"""Graphs of ONNX operators, run by ONNX Runtime."""

import pytest


def run_onnx(nodes, x, constants):
    """`conformance.onnx_graph.run_graph`, each operator by itself; of the type of ``x``."""
    for runtime in ("onnx", "onnxruntime"):
        pytest.importorskip(runtime)
    from conformance.onnx_graph import run_graph

    return run_graph(nodes, x, constants, x.dtype, optimised=False)
