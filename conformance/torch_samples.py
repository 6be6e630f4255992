"""The sample inputs with which PyTorch tests its own operators (`OpInfo`).

Convolutions and pixel shuffle have samples of int64. Those of interpolate are floats: whole
numbers are drawn in their shapes. All their factors are fractions, so that cases with whole
factors, in the same shapes, are added. PyTorch computes every result, in int64 or float64.
"""

import warnings

import numpy as np
import torch
from torch.nn import functional

from .cases import OutOfScope, collected, integer_case, resize_layer

__all__ = ["collect"]

SOURCE = "PyTorch samples"
FACTORS = [(2, 2), (3, 3), (4, 4), (2, 3), (1, 2)]


def collect():
    """A `Case` or an `Excluded` for each sample of the operators below."""
    with warnings.catch_warnings():
        # PyTorch warns of what its own samples ask for.
        warnings.simplefilter("ignore")
        return [*_samples(), *_whole_factors()]


def _samples():
    # This takes ten seconds.
    from torch.testing._internal.common_methods_invocations import op_db
    # Neither the order of the operators nor that of other draws matters.
    wanted = [op for op in op_db if (op.name, op.variant_test_name) in MAPPINGS]
    for op in sorted(wanted, key=lambda op: (op.name, op.variant_test_name)):
        whole = torch.int64 in op.dtypes
        torch.manual_seed(0)
        samples = list(op.sample_inputs("cpu", torch.int64 if whole else torch.float32))
        mapping = MAPPINGS[op.name, op.variant_test_name]
        for number, sample in enumerate(samples):
            name = " ".join(filter(None, [op.name.rpartition(".")[2], op.variant_test_name,
                                          str(number)]))
            yield collected(SOURCE, op.name.rpartition(".")[2], name, mapping, sample)


def conv_transpose2d(sample):
    weight, bias, options = sample.args[0], sample.args[1], sample.kwargs
    result = functional.conv_transpose2d(sample.input, weight, bias, **options)
    return integer_case(
        {"op": "conv_transpose2d", "groups": options.get("groups", 1),
         "stride": _pair(options.get("stride", 1)),
         "dilation": _pair(options.get("dilation", 1)),
         "output_padding": _pair(options.get("output_padding", 0)),
         "padding": [[p, p] for p in _pair(options.get("padding", 0))]},
        *_batched(sample.input, result), weight=weight.numpy(), bias=_array(bias))


def conv2d(sample):
    weight, bias, options = sample.args[0], sample.args[1], sample.kwargs
    result = functional.conv2d(sample.input, weight, bias, **options)
    dilation, padding = _pair(options.get("dilation", 1)), options.get("padding", 0)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation)]
        padding = [[total // 2, total - total // 2] for total in totals]
    else:
        padding = [[p, p] for p in _pair(0 if padding == "valid" else padding)]
    return integer_case(
        {"op": "conv2d", "groups": options.get("groups", 1), "dilation": dilation,
         "stride": _pair(options.get("stride", 1)), "padding": padding},
        *_batched(sample.input, result), weight=weight.numpy(), bias=_array(bias))


def pixel_shuffle(sample):
    """A sub-pixel convolution of 1 x 1, whose weights are the identity."""
    factor = sample.kwargs["upscale_factor"]
    result = functional.pixel_shuffle(sample.input, factor)
    weight = np.eye(sample.input.shape[-3], dtype=np.int64)[..., None, None]
    return integer_case({"op": "sub_pixel_conv2d", "upscale_factor": factor, "order": "CRD"},
                        *_batched(sample.input, result), weight=weight)


def interpolate(sample):
    if sample.input.ndim != 4:
        raise OutOfScope("three dimensions" if sample.input.ndim == 5 else "one dimension")
    result = functional.interpolate(sample.input, *sample.args, **sample.kwargs)
    if any(o < n for n, o in zip(sample.input.shape, result.shape)):
        raise OutOfScope("the image becomes smaller")
    return _interpolate(sample.input.shape, **sample.kwargs | dict(
        zip(("size", "scale_factor"), sample.args)))


def _interpolate(shape, **options):
    """Whole numbers in a shape, interpolated by PyTorch."""
    x = np.random.default_rng(list(shape)).integers(-128, 128, shape)
    result = functional.interpolate(torch.from_numpy(x).double(), **options).numpy()
    coordinates = "align_corners" if options.get("align_corners") else "half_pixel"
    mode = "bilinear" if options["mode"] == "bilinear" else "nearest"
    layer, divisor = resize_layer(mode, coordinates, shape[2:], result.shape[2:])
    return integer_case(layer, x, result, divisor=divisor)


def _whole_factors():
    """The shapes of the samples of interpolate, enlarged by whole factors."""
    for mode in ("nearest", "nearest-exact", "bilinear", "bilinear align_corners"):
        for shape in ((2, 3, 4, 4), (2, 3, 4, 5)):
            for factors in FACTORS:
                options = {"mode": mode.split()[0], "scale_factor": [float(f) for f in factors]}
                if mode.endswith("align_corners"):
                    size = [f * (n - 1) + 1 for f, n in zip(factors, shape[2:])]
                    options = {"mode": "bilinear", "size": size, "align_corners": True}
                yield collected(
                    SOURCE, "interpolate", f"interpolate {mode}, {shape[2]}x{shape[3]} by "
                    f"{factors[0]},{factors[1]}", _interpolate, shape, **options)


def _pair(value):
    return [value, value] if isinstance(value, int) else list(value)


def _array(tensor):
    return None if tensor is None else tensor.numpy()


def _batched(x, result):
    """Input and result as batches: a sample without one is a batch of one."""
    return tuple(t.numpy() if t.ndim == 4 else t.numpy()[None] for t in (x, result))


MAPPINGS = {("nn.functional.conv_transpose2d", ""): conv_transpose2d,
            ("nn.functional.conv2d", ""): conv2d,
            ("nn.functional.pixel_shuffle", ""): pixel_shuffle,
            **{("nn.functional.interpolate", variant): interpolate
               for variant in ("nearest", "nearest-exact", "bilinear")}}
