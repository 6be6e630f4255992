"""Quantised layers drawn at random, before anybody computes them."""

import numpy as np

__all__ = ["draw", "draw_frames"]

FRAMES = 3
SPREAD = 74  # standard deviation of codes, and of weights, of 8 bits that are drawn evenly


def draw(rng, op, *, dtype, requant, dilated=True, grouped=True):
    """A layer without activation and its tensors, as `golden.model` describes.

    Scales are such that outputs spread over the output codes; some layers have powers of two only,
    with which results lie right between two codes.

    Parameters
    ----------
    rng : numpy.random.Generator
    op : "conv_transpose2d", "conv2d", "sub_pixel_conv2d" or "resize_conv2d"
    dtype, requant : str
    dilated, grouped : bool
        Whether dilation, and groups, may be other than 1.

    Returns
    -------
    (spec, tensors)
    """
    groups, factor = int(rng.choice([1, 1, 1, 2, 3])) if grouped else 1, int(rng.integers(2, 4))
    inputs, outputs = (groups * int(rng.integers(1, 9 if groups == 1 else 4)) for _ in range(2))
    if grouped and rng.random() < 0.15:
        groups = outputs = inputs
    kernel = [int(min(7, 1 + rng.geometric(0.35))) if rng.random() < 0.9 else 1 for _ in range(2)]
    dilation = [int(rng.choice([1, 1, 1, 2, 3])) if dilated else 1 for _ in range(2)]
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    spec = {"op": op, "in_channels": inputs, "out_channels": outputs, "kernel_size": kernel,
            "padding": [rng.integers(0, min(e, 5), 2).tolist() for e in extent],
            "dilation": dilation, "groups": groups, "dtype": dtype, "requant": requant,
            "activation": "none", **_own_fields(rng, op, factor)}
    convolved = outputs * (factor**2 if op == "sub_pixel_conv2d" else 1)
    shape = ([inputs, outputs // groups] if op == "conv_transpose2d"
             else [convolved, inputs // groups]) + kernel
    largest = int(rng.choice([127, 127, 127, 7]))
    scale = np.exp2(rng.uniform(-0.7, 0.7, convolved // groups)) / 512
    if rng.random() < 0.3:
        scale[:] = scale[0]
    binary = rng.random() < 0.3
    if binary:
        scale = np.exp2(np.rint(np.log2(scale)))
    tensors = {"weight": rng.integers(-largest, largest + 1, shape),
               "input_scale": _scale(np.exp2(rng.uniform(-7, -4)), binary),
               "weight_scale": np.tile(scale, groups).astype(np.float32)}
    phases = np.prod(spec["stride"]) if op == "conv_transpose2d" else 1
    terms = kernel[0] * kernel[1] * inputs / groups / phases  # that are added to make an output
    deviation = SPREAD * SPREAD * largest / 127 * np.sqrt(terms)
    tensors["bias"] = rng.integers(-int(deviation), int(deviation) + 1, convolved)
    tensors["output_scale"] = _scale(
        tensors["input_scale"] * scale.mean() * deviation / rng.uniform(30, 60), binary)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    spec |= {"input_zero_point": int(rng.integers(low, high + 1)),
             "output_zero_point": int(rng.integers(low + 64, high - 63))}
    return spec, tensors


def _scale(value, binary):
    return np.float32(np.exp2(np.rint(np.log2(value))) if binary else value)


def _own_fields(rng, op, factor):
    if op == "conv_transpose2d":
        stride = [int(min(4, rng.geometric(0.4))) for _ in range(2)]
        return {"stride": stride, "output_padding": [
            int(rng.integers(0, s)) if rng.random() < 0.3 else 0 for s in stride]}
    if op == "conv2d":
        return {"stride": [int(rng.choice([1, 1, 2, 3])) for _ in range(2)]}
    if op == "sub_pixel_conv2d":
        return {"upscale_factor": factor, "order": str(rng.choice(["CRD", "DCR"]))}
    return {"mode": "nearest", "coordinates": str(rng.choice(["half_pixel", "asymmetric"])),
            "scale_factor": rng.permutation([rng.integers(2, 4), rng.integers(1, 4)]).tolist()}


def draw_frames(rng, spec):
    """Frames of input codes, large enough for the kernel of any layer of `draw`."""
    low, high = np.iinfo(spec["dtype"]).min, np.iinfo(spec["dtype"]).max
    extent = [d * (k - 1) + 1 for k, d in zip(spec["kernel_size"], spec["dilation"])]
    size = [int(rng.integers(max(4, e), 16 + e)) for e in extent]
    return rng.integers(low, high + 1, (FRAMES, spec["in_channels"], *size))
