"""Where the tensors of a layer come from: a file, the bilinear kernel, or random numbers."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from golden.quantisation import dtype_bits, dtype_range

from .layers import ConvTranspose2d
from .quantisation import Quantisation

__all__ = ["read_tensors", "bilinear_kernel"]

REQUIRED = ("weight", "weight_scale", "input_scale", "output_scale")
ZERO_POINTS = ("input_zero_point", "output_zero_point")
OF_A_STAGE = re.compile(r"[01]\.")
OPTIONAL = ("bias", "pre_scale", "pre_zero_point", "slope", *ZERO_POINTS)


def read_tensors(options, layer, prefix=""):
    """(Quantisation, tensors) of the options.

    A weight file holds `weight` (integers, layout of `torch.nn`), `weight_scale` (one, or one for
    each channel of the convolution), `input_scale` and `output_scale`, and where wanted `bias`
    (int32), `input_zero_point`, `output_zero_point`, `slope` (PReLU) and `pre_scale` and
    `pre_zero_point` (the format before an activation table). All names begin with `prefix`: `0.`
    of the first layer of a chain, `1.` of the second.

    Raises
    ------
    ValueError
        Naming the field, its value and the rule.
    """
    activation, parameters = options.activation_and_parameters()
    quantisation = Quantisation(
        dtype=options.dtype, output_dtype=options.output_dtype, weight_bits=options.weight_bits,
        requant=options.requant, multiplier_bits=options.multiplier_bits, activation=activation,
        activation_parameters=parameters)
    source = options.weights
    if layer.weight_shape is None:
        return _resizing(options, layer, quantisation, prefix)
    depthwise = isinstance(layer, ConvTranspose2d) and (
        layer.groups == layer.in_channels == layer.out_channels)
    if source == "auto":
        source = "bilinear" if depthwise else "random"
    if source == "bilinear":
        if not depthwise:
            raise ValueError("weights must be random or a file unless op is conv_transpose2d with "
                             f"groups = cin = cout, not {source!r}")
        values = _bilinear(layer, quantisation)
    elif source == "random":
        values = _random(layer, quantisation)
    else:
        values = _read(Path(source), prefix)
    dtypes = quantisation.dtype, quantisation.output_dtype
    points = {name: int(_integers(name, values.pop(name, 0), (), *dtype_range(dtype)))
              for name, dtype in zip(ZERO_POINTS, dtypes)}
    quantisation = replace(quantisation, **points)
    return quantisation, _checked(values, layer, quantisation)


def _resizing(options, layer, quantisation, prefix):
    """(Quantisation, tensors) of a layer that has no weights, whose codes keep their format.

    A weight file holds `input_zero_point`, of which the rounding of ties depends.
    """
    for name, only in ("activation", "none"), ("output_dtype", quantisation.dtype):
        if getattr(quantisation, name) != only:
            raise ValueError(f"{name} must be {only} for {layer.op}, "
                             f"not {getattr(quantisation, name)!r}")
    if options.weights in ("bilinear", "random"):
        raise ValueError(f"weights must be auto or a file for {layer.op}, "
                         f"not {options.weights!r}")
    values = {"input_zero_point": 0}
    if options.weights != "auto":
        values = _read(Path(options.weights), prefix, ("input_zero_point",), ())
    zero = int(_integers("input_zero_point", values["input_zero_point"], (),
                         *dtype_range(options.dtype)))
    channels = layer.parameter_channels
    return replace(quantisation, input_zero_point=zero, output_zero_point=zero), {
        "bias": np.zeros(channels, np.int64),
        "weight_scale": np.ones(channels, np.float32),
        "input_scale": np.float32(1), "output_scale": np.float32(1)}


def _read(path, prefix, required=REQUIRED, optional=OPTIONAL):
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in arrays.files
                      if not (prefix and OF_A_STAGE.match(name)) or name.startswith(prefix)}
    except FileNotFoundError:
        raise ValueError("weights must be auto, bilinear, random or a file that exists, "
                         f"not {str(path)!r}") from None
    except (zipfile.BadZipFile, ValueError, AttributeError, EOFError, OSError):
        raise ValueError(f"weights must be a file in NumPy's npz format, not {str(path)!r}"
                         ) from None
    required, known = ([prefix + name for name in names]
                       for names in (required, required + optional))
    for name in required:
        if name not in values:
            raise ValueError(f"weights must hold {name}, but {path} holds "
                             f"{', '.join(sorted(values))}")
    for name in values:
        if name not in known:
            raise ValueError(f"weights must hold only {', '.join(known)}, not {name}")
    return {name.removeprefix(prefix): value for name, value in values.items()}


def _checked(values, layer, quantisation):
    """The tensors in their shapes and types, every value checked."""
    channels = layer.parameter_channels
    tensors = {"weight": _integers("weight", values["weight"], layer.weight_shape, *(
        [-(1 << quantisation.weight_bits - 1), (1 << quantisation.weight_bits - 1) - 1]))}
    tensors["bias"] = _integers("bias", values.get("bias", np.zeros(channels, np.int64)),
                                (channels,), -2**31, 2**31 - 1)
    scale = _floats("weight_scale", values["weight_scale"])
    if scale.shape not in ((), (1,), (channels,)):
        raise ValueError(f"weight_scale must have 1 or {channels} entries, not {scale.size}")
    tensors["weight_scale"] = np.broadcast_to(scale, (channels,)).copy()
    wanted = ["input_scale", "output_scale"]
    if quantisation.has_table:
        wanted.append("pre_scale")
        values = {"pre_scale": values["output_scale"],
                  "pre_zero_point": quantisation.output_zero_point, **values}
        tensors["pre_zero_point"] = _integers("pre_zero_point", values["pre_zero_point"], (),
                                              *dtype_range(quantisation.output_dtype))
    for name in wanted:
        tensors[name] = _floats(name, values[name]).reshape(-1)
        if tensors[name].size != 1:
            raise ValueError(f"{name} must be one number, not {tensors[name].size}")
        tensors[name] = tensors[name][0]
    if quantisation.activation == "prelu":
        if "slope" not in values:
            raise ValueError("weights must hold slope for the activation prelu")
        slope = np.asarray(values["slope"], dtype=np.float32)
        if slope.shape != (layer.out_channels,) or not np.isfinite(slope).all():
            raise ValueError(f"slope must be {layer.out_channels} finite numbers, "
                             f"not of shape {slope.shape}")
        tensors["slope"] = slope
    return tensors


def _integers(name, values, shape, low, high):
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, not {values.dtype}")
    if values.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {values.shape}")
    values = values.astype(np.int64)
    bad = values[(values < low) | (values > high)]
    if bad.size:
        raise ValueError(f"{name} must be in {low}..{high}, not {bad.flat[0]}")
    return values


def _floats(name, values):
    values = np.asarray(values)
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all() or not (values > 0).all():
        raise ValueError(f"{name} must be positive finite numbers, not {values.reshape(-1)[:4]}")
    return values.astype(np.float32)


def bilinear_kernel(length):
    """One dimension of the bilinear kernel of fully convolutional networks.

    (J. Long, E. Shelhamer, T. Darrell, "Fully Convolutional Networks for Semantic Segmentation",
    2015; the initialisation in their published code.)
    """
    factor = (length + 1) // 2
    centre = factor - 1 if length % 2 else factor - 0.5
    return 1 - abs(np.arange(length) - centre) / factor


def _bilinear(layer, formats):
    kernel = np.outer(*map(bilinear_kernel, layer.kernel_size))
    largest = (1 << formats.weight_bits - 1) - 1
    scale = 2.0 ** -np.floor(np.log2(largest / kernel.max()))  # exact for sizes 2, 4, 8, ...
    weight = np.rint(kernel / scale).astype(np.int64)
    if not np.array_equal(weight * scale, kernel):
        scale = kernel.max() / largest
        weight = np.rint(kernel / scale).astype(np.int64)
    return {"weight": np.broadcast_to(weight, layer.weight_shape),
            "weight_scale": np.float32(scale), "input_scale": np.float32(1),
            # the codes of both sides span the same real values
            "output_scale": np.float32(((1 << dtype_bits(formats.dtype)) - 1)
                                       / ((1 << formats.output_bits) - 1))}


def _random(layer, formats):
    largest = (1 << formats.weight_bits - 1) - 1
    weight = np.random.default_rng(0).integers(-largest, largest + 1, layer.weight_shape)
    # so that sums of random codes spread over the output codes
    quarter, output_quarter = (2.0 ** (bits - 2) for bits in (dtype_bits(formats.dtype),
                                                              formats.output_bits))
    spread = quarter * largest * np.sqrt(weight.size / layer.parameter_channels)
    scale = min(output_quarter / spread, formats.scale_range[1] / 2)
    return {"weight": weight, "weight_scale": np.float32(scale),
            "input_scale": np.float32(1), "output_scale": np.float32(1),
            "bias": np.full(layer.parameter_channels, min(int(spread), 2**31 - 1))}
