"""Quantised graphs, drawn at random, as ONNX Runtime computes them.

The graphs are of QuantizeLinear and DequantizeLinear around the operators ("QDQ"), and run with the
optimisations that ONNX Runtime makes by itself: Conv becomes QLinearConv, which is exact, and
ConvTranspose is computed in float32.
"""

import numpy as np

from golden.resize import denominator

from .cases import Case, random_cases
from .drawn import FRAMES, draw, draw_frames
from .onnx_graph import run_graph

__all__ = ["collect"]

SOURCE = "ONNX Runtime"
COORDINATES = ("half_pixel", "asymmetric", "align_corners")


def collect():
    """Yields a `Case` for each of the graphs."""
    yield from random_cases(SOURCE, KINDS)


def conv_transpose(rng):
    spec, tensors = draw(rng, "conv_transpose2d", dtype=_dtype(rng), requant="onnxruntime")
    _activate(rng, spec, tensors, ("none", "none", "relu", "clamp"))
    attributes = {"strides": spec["stride"], "output_padding": spec["output_padding"]}
    if spec["groups"] > 1:
        # The axis of the weights has the output channels of one group.
        tensors["weight_scale"] = np.tile(
            tensors["weight_scale"][:spec["out_channels"] // spec["groups"]], spec["groups"])
    return _case(spec, tensors, draw_frames(rng, spec),
                 _convolution("ConvTranspose", spec, attributes), near_ties=True)


def conv(rng):
    spec, tensors = draw(rng, "conv2d", dtype=_dtype(rng), requant="onnxruntime")
    _activate(rng, spec, tensors, ("none", "none", "relu", "clamp", "leaky_relu", "prelu"))
    return _case(spec, tensors, draw_frames(rng, spec),
                 _convolution("Conv", spec, {"strides": spec["stride"]}))


def conv_depth_to_space(rng):
    spec, tensors = draw(rng, "sub_pixel_conv2d", dtype=_dtype(rng), requant="onnxruntime")
    _activate(rng, spec, tensors, ("none", "relu"))
    shuffle = ("y = DepthToSpace(p)", {"blocksize": spec["upscale_factor"],
                                       "mode": spec["order"]})
    return _case(spec, tensors, draw_frames(rng, spec),
                 [*_convolution("Conv", spec, {}), shuffle])


def resize_conv(rng):
    """Resize nearest, then Conv."""
    spec, tensors = draw(rng, "resize_conv2d", dtype=_dtype(rng), requant="onnxruntime")
    _activate(rng, spec, tensors, ("none", "relu"))
    scales = np.array([1, 1, *spec["scale_factor"]], np.float32)
    nodes = [("r = Resize(d, , scales)", _resize_attributes(spec)),
             ("q = QuantizeLinear(r, sx, zx)", {}), ("e = DequantizeLinear(q, sx, zx)", {})]
    return _case(spec, tensors, draw_frames(rng, spec),
                 nodes + _convolution("Conv", spec, {}, x="e"), scales=scales)


def resize_linear_conv(rng):
    """Resize linear, then Conv in float32, so that nothing is rounded in between."""
    spec, tensors = draw(rng, "resize_conv2d", dtype=_dtype(rng), requant="onnxruntime")
    factors = rng.permutation([rng.choice([2, 4]), rng.choice([1, 2])]).tolist()
    spec |= {"mode": "bilinear", "scale_factor": factors, "padding": [[0, 0], [0, 0]],
             "coordinates": str(rng.choice(COORDINATES))}
    frames, unit = draw_frames(rng, spec), denominator(**_resized(spec))
    tensors["bias"] = tensors["bias"] * unit
    output = _enlarged(spec["coordinates"], factors, frames.shape[2:])
    sizes = np.array([*frames.shape[:2], *output], np.int64)
    nodes = [("r = Resize(d, , , sizes)", _resize_attributes(spec))]
    return _case(spec, tensors, frames, nodes + _convolution("Conv", spec, {}, x="r"),
                 near_ties=True, unit=unit, sizes=sizes)


def resize(rng):
    """Resize nearest or linear.

    Scales, and factors of linear, are powers of two: then float32 is exact, ties and all.
    """
    dtype, size = _dtype(rng), rng.integers(2, 16, 2).tolist()
    mode = str(rng.choice(["nearest", "bilinear"]))
    factors = rng.choice([1, 2, 3, 4] if mode == "nearest" else [1, 2, 4], 2).tolist()
    layer = {"op": "resize2d", "mode": mode, "scale_factor": factors,
             "coordinates": str(rng.choice(COORDINATES))}
    output = _enlarged(layer["coordinates"], factors, size)
    channels, info = int(rng.integers(1, 5)), np.iinfo(dtype)
    spec = {**layer, "in_channels": channels, "out_channels": channels, "dtype": dtype,
            "input_zero_point": int(rng.integers(info.min, info.max + 1))}
    tensors = {"input_scale": np.float32(2.0**rng.integers(-8, 0))}
    frames = rng.integers(info.min, info.max + 1, (FRAMES, channels, *size))
    nodes = [("r = Resize(d, , , sizes)", _resize_attributes(spec)),
             ("y = QuantizeLinear(r, sx, zx)", {})]
    sizes = np.array([FRAMES, channels, *output], np.int64)
    return Case(spec=spec, tensors={}, frames=frames,
                codes=_run(spec, tensors, frames, nodes, {"sizes": sizes}))


def _enlarged(coordinates, factors, size):
    """Size of the output of a Resize by whole factors; with aligned corners, between those."""
    if coordinates == "align_corners":
        return [f * (n - 1) + 1 for f, n in zip(factors, size)]
    return [f * n for f, n in zip(factors, size)]


def _resized(spec):
    return {field: spec[field] for field in ("mode", "scale_factor", "coordinates")}


def _dtype(rng):
    return str(rng.choice(["uint8", "int8"]))


def _resize_attributes(spec):
    floor = spec["coordinates"] != "half_pixel"
    return {"mode": "nearest" if spec["mode"] == "nearest" else "linear",
            "coordinate_transformation_mode": spec["coordinates"],
            "nearest_mode": "floor" if floor else "round_prefer_floor"}


def _activate(rng, spec, tensors, kinds):
    """Draw an activation, and the format before it where it is a table."""
    kind = spec["activation"] = str(rng.choice(kinds))
    scale = float(tensors["output_scale"])
    if kind == "clamp":
        spec["activation_parameters"] = [-scale * 20.3, scale * 70.2]
    if kind in ("leaky_relu", "prelu"):
        info = np.iinfo(spec["dtype"])
        tensors["pre_scale"] = tensors["output_scale"]
        tensors["pre_zero_point"] = int(rng.integers(info.min + 64, info.max - 63))
        tensors["output_scale"] = np.float32(scale * rng.uniform(0.6, 1.2))
    if kind == "leaky_relu":
        spec["activation_parameters"] = [float(rng.uniform(0.01, 0.9))]
    if kind == "prelu":
        tensors["slope"] = rng.uniform(-1, 1, spec["out_channels"]).astype(np.float32)


def _convolution(operator, spec, attributes, x="d"):
    """The nodes of a convolution and of its activation, up to the codes `p`."""
    (top, bottom), (left, right) = spec["padding"]
    attributes = {**attributes, "dilations": spec["dilation"], "group": spec["groups"],
                  "pads": [top, left, bottom, right]}
    axis = int(operator == "ConvTranspose")
    nodes = [("v = DequantizeLinear(w, sw, zw)", {"axis": axis}),
             ("c = DequantizeLinear(b, sb, zb)", {"axis": 0}),
             (f"a = {operator}({x}, v, c)", attributes)]
    kind, parameters = spec["activation"], spec.get("activation_parameters", [])
    if kind == "none":
        return [*nodes, ("p = QuantizeLinear(a, sy, zy)", {})]
    activation = {"relu": "f = Relu(o)", "clamp": "f = Clip(o, low, high)",
                  "leaky_relu": "f = LeakyRelu(o)", "prelu": "f = PRelu(o, slope)"}[kind]
    return [*nodes, ("n = QuantizeLinear(a, sp, zp)", {}), ("o = DequantizeLinear(n, sp, zp)", {}),
            (activation, {"alpha": parameters[0]} if kind == "leaky_relu" else {}),
            ("p = QuantizeLinear(f, sy, zy)", {})]


def _case(spec, tensors, frames, nodes, *, near_ties=False, unit=1, **constants):
    """The `Case` of a layer, with the codes that ONNX Runtime gives.

    The bias is in units of the products, divided by `unit`.
    """
    dtype = spec["dtype"]
    axis_scale = tensors["weight_scale"]
    if spec["op"] == "conv_transpose2d":
        axis_scale = axis_scale[:spec["out_channels"] // spec["groups"]]
    constants |= {
        "w": tensors["weight"].astype(np.int8), "sw": axis_scale,
        "zw": np.zeros(len(axis_scale), np.int8), "b": tensors["bias"].astype(np.int32),
        "sb": tensors["input_scale"] * tensors["weight_scale"] / np.float32(unit),
        "zb": np.zeros(len(tensors["bias"]), np.int32),
        "sp": tensors.get("pre_scale", tensors["output_scale"]),
        "zp": np.array(tensors.get("pre_zero_point", spec["output_zero_point"]), dtype),
        "sy": tensors["output_scale"], "zy": np.array(spec["output_zero_point"], dtype)}
    if spec["activation"] == "prelu":
        constants["slope"] = tensors["slope"][:, None, None]
    if spec["activation"] == "clamp":
        constants["low"], constants["high"] = np.float32(spec["activation_parameters"])
    codes = _run(spec, tensors, frames, nodes, constants)
    return Case(spec=spec, tensors=tensors, frames=frames, codes=codes, near_ties=near_ties)


def _run(spec, tensors, frames, nodes, constants):
    """The codes that the last node gives for frames of input codes."""
    scale, zero_point = tensors["input_scale"], spec["input_zero_point"]
    constants = {**constants, "sx": scale, "zx": np.array(zero_point, spec["dtype"])}
    nodes = [("i = QuantizeLinear(x, sx, zx)", {}), ("d = DequantizeLinear(i, sx, zx)", {}), *nodes]
    values = (frames - zero_point).astype(np.float32) * scale
    return run_graph(nodes, values, constants, spec["dtype"])


KINDS = {"ConvTranspose": (conv_transpose, 140), "Conv": (conv, 60),
         "Conv, DepthToSpace": (conv_depth_to_space, 40),
         "Resize nearest, Conv": (resize_conv, 40), "Resize": (resize, 30),
         "Resize linear, Conv": (resize_linear_conv, 30)}
