"""The node test cases of ONNX, `onnx.backend.test.case.node`.

Their float tensors that hold whole numbers run as integers, with scale 1.
"""

import warnings

import numpy as np
import onnx
from onnx.backend.test.case.node import collect_testcases

from .cases import Case, OutOfScope, collected, integer_case, integers, resize_layer

__all__ = ["collect"]

SOURCE = "ONNX node tests"


def collect():
    """Yields a `Case` or an `Excluded` for each node test of the operators below."""
    with warnings.catch_warnings():
        # All cases are made at once, and some of other operators overflow on purpose.
        warnings.simplefilter("ignore", RuntimeWarning)
        # A filter by operator would work on the first call in a process only.
        found = collect_testcases(None)
    for case in found:
        node, *others = case.model.graph.node
        if others or node.op_type not in MAPPINGS:
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {name: value.decode() if isinstance(value, bytes) else value
                      for name, value in attributes.items()}
        inputs, outputs = case.data_sets[0]
        named = dict(zip(node.input, inputs))
        yield collected(SOURCE, node.op_type, case.name, MAPPINGS[node.op_type], attributes,
                        [named.get(name) for name in node.input], outputs[0])


def conv_transpose(attributes, inputs, result):
    """ConvTranspose; in one dimension it is the layer in two with a height of 1."""
    x, weight, *bias = inputs
    options = in_plane(_transposed_geometry(attributes, x.shape[2:], weight.shape[2:]))
    x, weight, result = (flat(array) for array in (x, weight, result))
    return integer_case({"op": "conv_transpose2d", "groups": attributes.get("group", 1),
                         **options}, x, result, weight=weight, bias=bias[0] if bias else None)


def _transposed_geometry(attributes, size, kernel):
    """Stride, dilation, output padding and padding by the rules of the operator."""
    axes = len(size)
    stride = list(attributes.get("strides", [1] * axes))
    dilation = list(attributes.get("dilations", [1] * axes))
    extra = list(attributes.get("output_padding", [0] * axes))
    pads = list(attributes.get("pads", [0] * 2 * axes))
    auto_pad = attributes.get("auto_pad", "NOTSET")
    wanted = attributes.get("output_shape")
    if wanted is None and auto_pad.startswith("SAME"):
        wanted = [n * s for n, s in zip(size, stride)]
    for axis, length in enumerate(wanted or ()):
        full = stride[axis] * (size[axis] - 1) + extra[axis] + dilation[axis] * (kernel[axis] - 1)
        total = full + 1 - length
        if total < 0:
            # Asks for rows that no input reaches, at the end if there is one.
            extra[axis], total = extra[axis] - total, 0
        begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        pads[axis], pads[axes + axis] = begin, total - begin
    return {"stride": stride, "dilation": dilation, "output_padding": extra,
            "padding": [list(pair) for pair in zip(pads[:axes], pads[axes:])]}


def conv(attributes, inputs, result):
    """Conv, and ConvInteger with its zero points taken off."""
    x, weight, *bias = inputs
    return integer_case(_conv_layer(attributes, x, weight), flat(x), flat(result),
                        weight=flat(weight), bias=bias[0] if bias else None)


def conv_integer(attributes, inputs, result):
    x, weight, x_zero, weight_zero = [*inputs, None, None][:4]
    weight = weight.astype(np.int64)
    if weight_zero is not None:
        weight = weight - np.reshape(weight_zero, (-1, 1, 1, 1)).astype(np.int64)
    return integer_case(_conv_layer(attributes, x, weight), x, result, weight=weight,
                        zero_point=0 if x_zero is None else int(x_zero))


def qlinear_conv(attributes, inputs, result):
    """QLinearConv, with its scales."""
    x, x_scale, x_zero, weight, weight_scale, weight_zero, y_scale, y_zero, *bias = inputs
    values = weight.astype(np.int64) - np.reshape(weight_zero, (-1, 1, 1, 1)).astype(np.int64)
    if x.dtype != result.dtype:
        raise OutOfScope("input and output have different types")
    spec = {**_conv_layer(attributes, x, weight), "in_channels": x.shape[1],
            "out_channels": result.shape[1], "kernel_size": list(weight.shape[2:]),
            "dtype": str(x.dtype), "input_zero_point": int(x_zero),
            "output_zero_point": int(y_zero), "requant": "onnxruntime", "activation": "none"}
    tensors = {"weight": values, "input_scale": x_scale, "weight_scale": weight_scale,
               "output_scale": y_scale, **({"bias": bias[0]} if bias else {})}
    return Case(spec=spec, tensors=tensors, frames=integers(x),
                codes=integers(result))


def _conv_layer(attributes, x, weight):
    axes = x.ndim - 2
    stride = list(attributes.get("strides", [1] * axes))
    dilation = list(attributes.get("dilations", [1] * axes))
    pads = list(attributes.get("pads", [0] * 2 * axes))
    auto_pad = attributes.get("auto_pad", "NOTSET")
    if auto_pad.startswith("SAME"):
        for axis, (n, s, d, k) in enumerate(zip(x.shape[2:], stride, dilation, weight.shape[2:])):
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            pads[axis], pads[axes + axis] = begin, total - begin
    return {"op": "conv2d", "groups": attributes.get("group", 1), **in_plane({
        "stride": stride, "dilation": dilation,
        "padding": [list(pair) for pair in zip(pads[:axes], pads[axes:])]})}


def depth_to_space(attributes, inputs, result):
    """DepthToSpace: a sub-pixel convolution of 1 x 1, whose weights are the identity."""
    x, = inputs
    weight = np.eye(x.shape[1], dtype=np.int64)[..., None, None]
    return integer_case({"op": "sub_pixel_conv2d", "upscale_factor": attributes["blocksize"],
                         "order": attributes.get("mode", "DCR")}, x, result, weight=weight)


# Coordinates and rounding whose nearest pixel is that of output pixel o over the factor, downwards.
NEAREST = {("half_pixel", "round_prefer_floor"), ("pytorch_half_pixel", "round_prefer_floor"),
           ("asymmetric", "floor"), ("align_corners", "floor")}


def resize(attributes, inputs, result):
    """Resize by whole factors, and Upsample, whose coordinates are asymmetric."""
    x, mode = inputs[0], attributes.get("mode", "nearest")
    coordinates = attributes.get("coordinate_transformation_mode", "half_pixel")
    nearest_mode = attributes.get("nearest_mode", "round_prefer_floor")
    if mode not in ("nearest", "linear"):
        raise OutOfScope(f"mode is {mode}")
    if any(o < n for n, o in zip(x.shape, result.shape)):
        raise OutOfScope("the image becomes smaller")
    if coordinates in ("half_pixel_symmetric", "tf_crop_and_resize"):
        raise OutOfScope(f"coordinates are {coordinates}")
    if mode == "nearest" and (coordinates, nearest_mode) not in NEAREST:
        raise OutOfScope(f"nearest_mode is {nearest_mode} with coordinates {coordinates}")
    coordinates = coordinates.removeprefix("pytorch_")
    layer, divisor = resize_layer("nearest" if mode == "nearest" else "bilinear", coordinates,
                                  x.shape[2:], result.shape[2:])
    return integer_case(layer, x, result, divisor=divisor)


def upsample(attributes, inputs, result):
    return resize({**attributes, "coordinate_transformation_mode": "asymmetric",
                   "nearest_mode": "floor"}, inputs, result)


def in_plane(options):
    """Pairs for two dimensions: one dimension is a row; three are out of scope."""
    axes = len(options["stride"])
    if axes > 2:
        raise OutOfScope("three dimensions")
    unit = {"stride": 1, "dilation": 1, "output_padding": 0, "padding": [0, 0]}
    return {name: [unit[name]] * (2 - axes) + list(value) for name, value in options.items()}


def flat(array):
    """A tensor of one dimension as one of two, with a height of 1."""
    return array[:, :, None] if array.ndim == 3 else array


MAPPINGS = {"ConvTranspose": conv_transpose, "Conv": conv, "ConvInteger": conv_integer,
            "QLinearConv": qlinear_conv, "DepthToSpace": depth_to_space, "Resize": resize,
            "Upsample": upsample}
