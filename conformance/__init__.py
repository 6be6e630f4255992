"""Every answer that somebody else wrote down or computes, beside golden and the generated Verilog.

``cases``
    What a case is, and what is out of scope.
``onnx_nodes``, ``torch_samples``, ``tflite_vectors``
    The test cases of ONNX, PyTorch and TensorFlow Lite.
``onnx_runtime``, ``litert``
    Quantised graphs, ``drawn`` at random, as ONNX Runtime and LiteRT compute them.
``run``
    A case through golden and through the Verilog.
``report``
    The table.
"""
