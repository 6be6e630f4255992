"""From accumulators to 8-bit codes, and the activation tables.

The arithmetic is that of ONNX Runtime on the CPU: float32 steps in a given order, each rounded half
to even (RNE). The float32 operations below are the definition.
"""

import operator

import numpy as np

__all__ = ["activation_table", "check_code", "compact_multiplier", "dtype_range", "requantise",
           "requantise_scale"]


_RANGES = {"uint8": (0, 255), "int8": (-128, 127)}


def dtype_range(dtype):
    """Smallest and largest code of ``"uint8"`` or ``"int8"``; ``ValueError`` for anything else."""
    if not isinstance(dtype, str) or dtype not in _RANGES:
        raise ValueError(f"dtype must be 'uint8' or 'int8', not {dtype!r}")
    return _RANGES[dtype]


def _integer(field, value, low=-2**31, high=2**31 - 1):
    try:
        result = operator.index(value)
    except TypeError:
        raise ValueError(f"{field} must be an integer, not {value!r}") from None
    if not low <= result <= high:
        raise ValueError(f"{field} must be from {low} to {high}, not {value!r}")
    return result


def _finite(field, value):
    # What overflows float32 becomes infinite here, and is refused as such.
    with np.errstate(over="ignore"):
        result = np.asarray(value, np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"{field} must be finite in float32, not {value!r}")
    return result


def _scale(field, value):
    scale = _finite(field, value)
    if not (scale > 0).all():
        raise ValueError(f"{field} must be positive in float32, not {value!r}")
    return scale


def check_code(field, value, dtype):
    """``value`` as an ``int``; ``ValueError`` naming ``field`` unless it is a code of ``dtype``."""
    return _integer(field, value, *dtype_range(dtype))


def requantise_scale(input_scale, weight_scale, output_scale):
    """The factor from accumulators to codes: ``f32(f32(input * weight) / output)``.

    Order and precision are those of ``ComputeOutputScale`` in ONNX Runtime's ``qlinearconv.cc``;
    any other order differs in the last bit for some scales.

    Parameters
    ----------
    input_scale, weight_scale, output_scale : array_like of float, broadcast together
        Rounded to float32 first. ``weight_scale`` has shape ``(C,)`` or ``()``.

    Returns
    -------
    float32 array of the broadcast shape

    Raises
    ------
    ValueError
        If a scale, or the result, is not positive and finite in float32.
    """
    input_scale = _scale("input_scale", input_scale)
    weight_scale = _scale("weight_scale", weight_scale)
    output_scale = _scale("output_scale", output_scale)
    with np.errstate(over="ignore"):
        return _scale("input_scale * weight_scale / output_scale",
                      input_scale * weight_scale / output_scale)


def compact_multiplier(scale, bits):
    """``scale`` as an integer multiplier and a shift, ``scale ~ multiplier / 2**shift``.

    ``multiplier = RNE(scale * 2**shift)`` with ``2**(bits - 1) <= multiplier < 2**bits``, so that
    24 bits or more hold every float32 exactly, and the relative error is at most ``2**-bits``. A
    multiplier that rounds up to ``2**bits`` is halved and its shift lowered by one.

    Parameters
    ----------
    scale : array_like of float32
    bits : int, 1 to 31

    Returns
    -------
    (multiplier, shift) : pair of int64 arrays of the shape of ``scale``
        The shift is negative for scales of ``2**bits`` and more.

    Raises
    ------
    ValueError
        If ``scale`` is not positive and finite, or ``bits`` not an integer from 1 to 31.
    """
    bits = _integer("bits", bits, 1, 31)
    fraction, exponent = np.frexp(_scale("scale", scale).astype(np.float64))
    multiplier = np.rint(np.ldexp(fraction, bits)).astype(np.int64)
    rounded_up = multiplier == 2**bits
    return (np.where(rounded_up, multiplier >> 1, multiplier),
            bits - exponent.astype(np.int64) - rounded_up)


def _compact_products(acc, scale, bits):
    """``RNE(acc * multiplier / 2**shift)`` in int64."""
    multiplier, shift = compact_multiplier(scale, bits)
    peak = max(int(acc.max(initial=0)), -int(acc.min(initial=0)))
    left = max(0, -int(shift.min()))
    if peak * 2**(int(bits) + left) > 2**62:
        raise ValueError(f"acc must keep acc * multiplier within 2**62 for bits={bits} and scale "
                         f"up to {scale.max()!r}, not reach {peak}")
    products = (acc * multiplier) << np.maximum(-shift, 0)
    # No product exceeds 2**62, so that any shift above 62 gives 0, as 63 does.
    shift = np.clip(shift, 0, 63)
    quotient = products >> shift
    remainder = products - (quotient << shift)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 1)
    return quotient + ((remainder > half) | ((remainder == half) & (quotient & 1 == 1)))


def requantise(acc, scale, zero_point, low, high, *, scheme="onnxruntime", bits=24):
    """Requantise accumulators to codes.

    ``"onnxruntime"``
        ``clip(RNE(f32(f32(acc) * scale)) + zero_point, low, high)``: ``MlasRequantizeOutput`` of
        ONNX Runtime (``quantize.cpp``), also the ``fp32`` requantisation of XNNPACK.
    ``"compact"``
        ``clip(RNE(acc * multiplier / 2**shift) + zero_point, low, high)``, exact in integers, with
        the multiplier of :func:`compact_multiplier`.

    Parameters
    ----------
    acc : array of int, (C, ...)
    scale : array_like of float32, (C,) or ()
    zero_point, low, high : int
    scheme : "onnxruntime" or "compact"
    bits : int, 1 to 31
        Width of the multiplier of "compact"; not used by "onnxruntime".

    Returns
    -------
    int64 array of the shape of ``acc``

    Raises
    ------
    ValueError
        For a wrong dtype, shape or scheme, for ``low > high``, and for "compact" when
        ``|acc| * 2**bits`` (times ``2**-shift`` where the shift is negative) exceeds ``2**62``;
        int32 accumulators with scales below 1 never do.
    """
    acc = np.asarray(acc)
    if acc.ndim == 0 or not np.can_cast(acc.dtype, np.int64):
        raise ValueError(f"acc must be an array of integers (C, ...) that fit int64, "
                         f"not dtype {acc.dtype} and shape {acc.shape}")
    zero_point = _integer("zero_point", zero_point)
    low, high = _integer("low", low), _integer("high", high)
    if low > high:
        raise ValueError(f"low must not exceed high={high!r}, not be {low!r}")
    acc, scale = acc.astype(np.int64), _scale("scale", scale)
    if scale.shape not in ((), acc.shape[:1]):
        raise ValueError(f"scale must have shape () or {acc.shape[:1]}, not {scale.shape}")
    scale = scale.reshape(scale.shape + (1,) * (acc.ndim - 1) * scale.ndim)
    if scheme == "onnxruntime":
        # An infinite product saturates, which is what it has to do.
        with np.errstate(over="ignore"):
            rounded = np.rint(acc.astype(np.float32) * scale)
        rounded = np.clip(rounded, np.float64(low - zero_point), np.float64(high - zero_point))
        return rounded.astype(np.int64) + zero_point
    if scheme == "compact":
        return np.clip(_compact_products(acc, scale, bits) + zero_point, low, high)
    raise ValueError(f"scheme must be 'onnxruntime' or 'compact', not {scheme!r}")


def _function(kind, x, alpha, beta, slope):
    """The float32 activation of ``x (256,)``, ``(C, 256)`` for prelu."""
    if kind == "leaky_relu":
        return np.where(x >= 0, x, x * _finite("alpha", 0.01 if alpha is None else alpha))
    if kind == "prelu":
        slope = _finite("slope", slope)
        if slope.ndim != 1:
            raise ValueError(f"slope must have shape (C,), not {slope.shape}")
        return np.where(x > 0, x, x * slope[:, None])
    if kind == "hard_sigmoid":
        alpha, beta = _finite("alpha", 0.2 if alpha is None else alpha), _finite("beta", beta)
        return np.clip(x * alpha + beta, np.float32(0), np.float32(1))
    # float32 functions differ in their last bits between libraries and processors. Those of
    # float64 rounded once are the nearest float32, but for one argument in many millions.
    if kind == "tanh":
        return np.tanh(x.astype(np.float64)).astype(np.float32)
    if kind == "sigmoid":
        # 1 / (1 + exp(-x)), without its overflow.
        decay = np.exp(-np.abs(x.astype(np.float64)))
        return (np.where(x < 0, decay, 1) / (1 + decay)).astype(np.float32)
    raise ValueError(f"kind must be one of leaky_relu, prelu, hard_sigmoid, tanh, sigmoid, "
                     f"not {kind!r}")


def activation_table(kind, *, pre_scale, pre_zero_point, output_scale, output_zero_point, dtype,
                     alpha=None, beta=0.5, slope=None):
    """Activation as a table of 256 codes, indexed by ``code & 0xFF`` of the value before it.

    ``clip(RNE(f32(f(f32((code - pre_zero_point) * pre_scale)) / output_scale)) +
    output_zero_point)``: the ONNX operators DequantizeLinear, ``f`` and QuantizeLinear, in float32.
    tanh and sigmoid are correctly rounded; the polynomials of ONNX Runtime are not, and round one
    or two codes in a million, right next to a tie, the other way.

    Parameters
    ----------
    kind : "leaky_relu", "prelu", "hard_sigmoid", "tanh" or "sigmoid"
    pre_scale, output_scale : float, rounded to float32
    pre_zero_point, output_zero_point : int, codes of ``dtype``
    dtype : "uint8" or "int8"
        Of the code before and of the code after.
    alpha : float
        Slope of leaky_relu (0.01 unless given) or of hard_sigmoid (0.2 unless given).
    beta : float
        Offset of hard_sigmoid.
    slope : array_like of float, (C,)
        Slopes of prelu, by channel.

    Returns
    -------
    int64 array, (256,), or (C, 256) for prelu

    Raises
    ------
    ValueError
        For an unknown kind or dtype, a bad scale or slope, and a zero point outside the dtype.
    """
    low, high = dtype_range(dtype)
    pre_scale, output_scale = _scale("pre_scale", pre_scale), _scale("output_scale", output_scale)
    pre_zero_point = check_code("pre_zero_point", pre_zero_point, dtype)
    output_zero_point = check_code("output_zero_point", output_zero_point, dtype)
    codes = np.arange(256).astype(np.uint8).view(dtype).astype(np.int64)
    with np.errstate(over="ignore"):
        x = (codes - pre_zero_point).astype(np.float32) * pre_scale
        rounded = np.rint(_function(kind, x, alpha, beta, slope) / output_scale)
    rounded = np.clip(rounded, low - output_zero_point, high - output_zero_point)
    return rounded.astype(np.int64) + output_zero_point
