"""The truth: what every layer computes, by definition, in NumPy integers.

The modules here share no code with the hardware, and no algorithm either: a transposed convolution
is the scatter of its definition, never a set of polyphase branches. Whatever is generated is
compared with this package; this package is compared with PyTorch, ONNX, ONNX Runtime and
TensorFlow Lite in ``tests/golden`` and ``conformance``.

``arithmetic``
    Convolutions and the pixel shuffle on exact integers.
``resize``
    Nearest and bilinear enlargement on exact integers, alone or before a convolution.
``quantisation``
    From accumulators to codes, and the activation tables.
``model``
    One quantised layer from codes to codes.
"""
