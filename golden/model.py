"""One quantised layer, or a chain of them, from input codes to output codes.

A layer is a JSON-able mapping and its numbers are a mapping of arrays. Every layer has the fields

=========================  ====================================================================
``op``                     ``"conv_transpose2d"``, ``"conv2d"``, ``"sub_pixel_conv2d"``,
                           ``"resize2d"`` or ``"resize_conv2d"``
``in_channels``            input channels
``out_channels``           output channels; of sub_pixel_conv2d, after the shuffle
``dtype``                  input codes: ``"uint4"`` to ``"uint16"``, ``"int4"`` to ``"int16"``
``input_zero_point``       code of the real 0 at the input
=========================  ====================================================================

Layers other than resize2d, whose output has the scale and the zero point of its input and which
needs no arrays, also have

=========================  ====================================================================
``kernel_size``            ``[kh, kw]``
``padding``                ``[[top, bottom], [left, right]]``; of resize_conv2d, around the
                           enlarged image
``dilation``, ``groups``   ``[dh, dw]``, integer
``output_zero_point``      code of the real 0 at the output
``requant``                scheme of :func:`golden.quantisation.requantise`
``activation``             ``"none"``, ``"relu"``, ``"clamp"`` or a kind of
                           :func:`golden.quantisation.activation_table`
=========================  ====================================================================

and, where they apply, ``stride`` (conv_transpose2d and conv2d, a pair; of conv2d ``[1, 1]`` if
absent), ``output_padding`` (conv_transpose2d, a pair), ``upscale_factor`` and ``order``
(sub_pixel_conv2d), ``mode``, ``scale_factor`` and ``coordinates`` (resize2d and resize_conv2d, as
:mod:`golden.resize` has them), ``output_dtype`` (of the output codes, where it is not ``dtype``),
``multiplier_bits`` (requant "compact") and
``activation_parameters`` (clamp: low and high as real values; leaky_relu: alpha; hard_sigmoid:
alpha and beta). Fields that are not listed are not read.

The arrays, where ``N`` is the number of channels of the convolution, ``out_channels`` or, of
sub_pixel_conv2d, ``out_channels * upscale_factor**2``:

``weight``
    int, ``(in_channels, N // groups, kh, kw)`` for conv_transpose2d, otherwise
    ``(N, in_channels // groups, kh, kw)``.
``bias``
    int32, ``(N,)``, or absent. In units of the accumulators, which are
    ``input_scale * weight_scale``, and of a bilinear resize_conv2d
    ``input_scale * weight_scale / golden.resize.denominator(...)``.
``input_scale``, ``output_scale``, ``weight_scale``
    float32, ``()``; ``weight_scale`` may be ``(N,)``.
``pre_scale``, ``pre_zero_point``
    With a table activation only: the quantisation of the codes that index the table.
``slope``
    With prelu only: float32, ``(out_channels,)``.

A chain is a layer with the fields ``in_channels``, ``out_channels``, ``dtype``, ``output_dtype``,
``input_zero_point``, ``output_zero_point`` and ``stages``, a list of layers. The output codes of
each are the input codes of the next; the arrays of stage n are named ``"n.weight"`` and so on.
"""

from numbers import Real

import numpy as np

from golden.arithmetic import conv2d, conv_transpose2d, pixel_shuffle
from golden.quantisation import (
    activation_table,
    check_code,
    dtype_bits,
    dtype_range,
    requantise,
    requantise_scale,
)
from golden.resize import denominator, divide, resize2d, resize_conv2d

__all__ = ["ACCUMULATOR_BITS", "accumulate", "forward", "stages_of"]


_OPS = ("conv_transpose2d", "conv2d", "sub_pixel_conv2d", "resize2d", "resize_conv2d")
_PARAMETERS = {"none": 0, "relu": 0, "clamp": 2, "leaky_relu": 1, "prelu": 0, "tanh": 0,
               "sigmoid": 0, "hard_sigmoid": 2}
_CLIPS = ("none", "relu", "clamp")
ACCUMULATOR_BITS = 48


def _get(where, mapping, field):
    if mapping.get(field) is None:
        raise ValueError(f"{field} must be given in {where}, which has {sorted(mapping)}")
    return mapping[field]


def _check(field, value, rule, expected):
    if not np.array_equal(value, expected):
        raise ValueError(f"{field} must be {expected!r}, {rule}, not {value!r}")


def _centred(spec, x):
    """The input minus its zero point, so that absent neighbours are 0."""
    dtype = _get("spec", spec, "dtype")
    low, high = dtype_range(dtype)
    zero_point = check_code("input_zero_point", _get("spec", spec, "input_zero_point"), dtype)
    x = np.asarray(x)
    if x.ndim != 3 or x.size == 0 or not np.can_cast(x.dtype, np.int64):
        raise ValueError(f"x must be a non-empty integer array (Cin, H, W), not dtype {x.dtype} "
                         f"and shape {x.shape}")
    if x.min() < low or x.max() > high:
        raise ValueError(f"x must hold codes of {dtype}, {low} to {high}, "
                         f"not {x.min()} to {x.max()}")
    _check("in_channels", _get("spec", spec, "in_channels"), "the channels of x", x.shape[0])
    return x.astype(np.int64) - zero_point


def _resize_options(spec):
    return {field: _get("spec", spec, field) for field in ("mode", "scale_factor", "coordinates")}


def _convolve(spec, tensors, x):
    """Accumulators of any layer but resize2d, by channel of the convolution."""
    op = spec["op"]
    weight, bias = np.asarray(_get("tensors", tensors, "weight")), tensors.get("bias")
    options = {field: _get("spec", spec, field) for field in ("padding", "dilation", "groups")}
    _check("kernel_size", _get("spec", spec, "kernel_size"), "the kernel of weight",
           list(weight.shape[2:]))
    if bias is not None and np.size(bias) and not -2**31 <= np.min(bias) <= np.max(bias) < 2**31:
        raise ValueError("bias must fit int32, not reach from "
                         f"{np.min(bias)} to {np.max(bias)}")

    if op == "conv_transpose2d":
        return conv_transpose2d(x, weight, bias, **options, stride=_get("spec", spec, "stride"),
                                output_padding=_get("spec", spec, "output_padding"))
    for field, only in ("stride", [1, 1]), ("output_padding", [0, 0]):
        if spec.get(field) is not None and (op, field) != ("conv2d", "stride"):
            _check(field, spec[field], f"as {op} has no other", only)
    if op == "resize_conv2d":
        return resize_conv2d(x, weight, bias, **options, **_resize_options(spec))
    return conv2d(x, weight, bias, **options, stride=spec.get("stride") or (1, 1))


def _accumulate(spec, tensors, x):
    """Accumulators before any shuffle."""
    x, op = _centred(spec, x), _get("spec", spec, "op")
    if op not in _OPS:
        raise ValueError(f"op must be one of {', '.join(_OPS)}, not {op!r}")
    acc = (resize2d(x, **_resize_options(spec)) if op == "resize2d"
           else _convolve(spec, tensors, x))
    limit = 1 << ACCUMULATOR_BITS - 1
    if acc.min() < -limit or acc.max() >= limit:
        raise ValueError(f"accumulators must fit {ACCUMULATOR_BITS} bits, not reach from "
                         f"{acc.min()} to {acc.max()}")
    return acc


def _arrange(spec, maps):
    """Channels of the accumulators to channels of the output."""
    if spec["op"] == "sub_pixel_conv2d":
        maps = pixel_shuffle(maps, _get("spec", spec, "upscale_factor"),
                             _get("spec", spec, "order"))
    source = "channels of x" if spec["op"] == "resize2d" else "output channels of weight"
    _check("out_channels", _get("spec", spec, "out_channels"), f"the {source}", maps.shape[0])
    return maps


def accumulate(spec, tensors, x):
    """Accumulators of a layer, bias included, where its outputs are.

    After a bilinear resize they are in units of ``1 / golden.resize.denominator(...)``.

    Parameters
    ----------
    spec, tensors : mapping
        As the module describes; only the fields up to the bias are read.
    x : array of int, (in_channels, H, W)
        Input codes.

    Returns
    -------
    int64 array, (out_channels, OH, OW)

    Raises
    ------
    ValueError
        For a missing or wrong field, and when an accumulator does not fit ``ACCUMULATOR_BITS``.
        Partial sums are not looked at: those that wrap in two's complement wrap back.
    """
    return _arrange(spec, _accumulate(spec, tensors, x))


def _clip_range(activation, parameters, dtype, scale, zero_point):
    """Lowest and highest output code of a clipping activation."""
    low, high = dtype_range(dtype)
    if activation == "relu":
        return zero_point, high
    if activation == "clamp":
        if not parameters[0] <= parameters[1]:
            raise ValueError(f"activation_parameters of clamp must be [low, high] with low <= high,"
                             f" not {parameters!r}")
        with np.errstate(over="ignore"):
            bounds = np.rint(np.asarray(parameters, np.float32) / np.float32(scale))
        bounds = np.clip(bounds, low - zero_point, high - zero_point).astype(np.int64)
        low, high = (int(bound) for bound in bounds + zero_point)
    return low, high


def _activate(activation, parameters, tensors, codes, dtype, output):
    """Apply a table activation to ``codes (out_channels, OH, OW)``."""
    options = dict(zip(("alpha", "beta"), parameters))
    if activation == "prelu":
        options["slope"] = _get("tensors", tensors, "slope")
        _check("slope", np.shape(options["slope"]), "one slope per output channel",
               codes.shape[:1])
    table = activation_table(activation, **options, **output, dtype=dtype,
                             pre_scale=_get("tensors", tensors, "pre_scale"),
                             pre_zero_point=_get("tensors", tensors, "pre_zero_point"))
    places = codes & (1 << dtype_bits(dtype)) - 1
    if activation == "prelu":
        return table[np.arange(codes.shape[0])[:, None, None], places]
    return table[places]


def _accumulator_scale(spec, tensors):
    """What multiplies ``input_scale`` to give the unit of the accumulators."""
    scale = _get("tensors", tensors, "weight_scale")
    if spec["op"] == "resize_conv2d":
        # Exact, since the denominator is a power of two.
        return np.asarray(scale, np.float32) / np.float32(denominator(**_resize_options(spec)))
    return scale


def _resized(spec, acc):
    """Output codes of resize2d: weighted means of codes never leave their range."""
    for field, only in (("output_zero_point", spec["input_zero_point"]),
                        ("output_dtype", spec["dtype"]), ("activation", "none")):
        if spec.get(field) is not None:
            _check(field, spec[field], "as resize2d has no other", only)
    return divide(acc, denominator(**_resize_options(spec))) + spec["input_zero_point"]


def _output_dtype(spec):
    return spec.get("output_dtype") or _get("spec", spec, "dtype")


def stages_of(spec, tensors):
    """``(spec, tensors)`` of each layer of a chain, in order; of a layer, itself."""
    if "stages" not in spec:
        return [(spec, tensors)]
    return [(stage, {name.removeprefix(f"{n}."): value for name, value in tensors.items()
                     if name.startswith(f"{n}.")}) for n, stage in enumerate(spec["stages"])]


def _check_chain(spec, stages):
    """The outer layers have the formats of the whole, and each takes what the one before gives."""
    (first, _), (last, _) = stages[0], stages[-1]
    for field in "in_channels", "dtype", "input_zero_point":
        _check(field, _get("spec", spec, field), "that of the first stage", first[field])
    for field in "out_channels", "output_zero_point":
        _check(field, _get("spec", spec, field), "that of the last stage", last[field])
    if spec.get("output_dtype") is not None:
        _check("output_dtype", spec["output_dtype"], "that of the last stage", _output_dtype(last))
    for (before, given), (after, taken) in zip(stages, stages[1:]):
        fields = {"in_channels": before["out_channels"],
                  "dtype": _output_dtype(before),
                  "input_zero_point": before["output_zero_point"]}
        for field, expected in fields.items():
            _check(field, after[field], "that of the stage before", expected)
        if before["op"] != "resize2d":  # the scale of which is that of its input, whatever it is
            _check("input_scale", taken["input_scale"], "the output scale of the stage before",
                   given["output_scale"])


def forward(spec, tensors, x):
    """Output codes of a layer or a chain.

    The accumulators of :func:`accumulate` are requantised to the output, and clipped by relu (at
    the output zero point) or clamp (at its quantised bounds). A table activation instead has them
    requantised to ``pre_scale`` and ``pre_zero_point`` over the whole dtype, then looks them up.
    Those of resize2d are divided by their denominator, exactly, and rounded half to even.

    Parameters
    ----------
    spec, tensors : mapping
        As the module describes.
    x : array of int, (in_channels, H, W)
        Input codes.

    Returns
    -------
    int64 array, (out_channels, OH, OW)

    Raises
    ------
    ValueError
        For a missing or wrong field, and when an accumulator does not fit ``ACCUMULATOR_BITS``,
        or int32 for the scheme "tflite-reference".
    """
    if "stages" in spec:
        stages = stages_of(spec, tensors)
        _check_chain(spec, stages)
        for stage, arrays in stages:
            x = forward(stage, arrays, x)
        return x
    acc = _accumulate(spec, tensors, x)
    if spec["op"] == "resize2d":
        return _resized(spec, _arrange(spec, acc))
    dtype = _output_dtype(spec)
    dtype_range(dtype, "output_dtype")
    activation = _get("spec", spec, "activation")
    if activation not in tuple(_PARAMETERS):
        raise ValueError(f"activation must be one of {', '.join(_PARAMETERS)}, not {activation!r}")
    parameters = spec.get("activation_parameters") or ()
    if (np.shape(parameters) != (_PARAMETERS[activation],)
            or not all(isinstance(value, Real) for value in parameters)):
        raise ValueError(f"activation_parameters of {activation} must be "
                         f"{_PARAMETERS[activation]} numbers, not {parameters!r}")

    output = {"output_scale": _get("tensors", tensors, "output_scale"),
              "output_zero_point": check_code("output_zero_point",
                                              _get("spec", spec, "output_zero_point"), dtype)}
    if activation in _CLIPS:
        scale, zero_point = output.values()
        bounds = _clip_range(activation, parameters, dtype, scale, zero_point)
    else:
        scale = _get("tensors", tensors, "pre_scale")
        zero_point = check_code("pre_zero_point", _get("tensors", tensors, "pre_zero_point"),
                                dtype)
        bounds = dtype_range(dtype)

    scheme = {"scheme": _get("spec", spec, "requant")}
    if scheme["scheme"] == "compact":
        scheme["bits"] = _get("spec", spec, "multiplier_bits")
    factor = requantise_scale(_get("tensors", tensors, "input_scale"),
                              _accumulator_scale(spec, tensors), scale,
                              scheme=scheme["scheme"])
    codes = _arrange(spec, requantise(acc, factor, zero_point, *bounds, **scheme))
    if activation in _CLIPS:
        return codes
    return _activate(activation, parameters, tensors, codes, dtype, output)
