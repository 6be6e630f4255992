"""From accumulators to codes, and the activation tables.

The arithmetic is that of ONNX Runtime on the CPU: float32 steps in a given order, each rounded half
to even (RNE). The float32 operations below are the definition. The scheme "tflite-reference" is
that of the reference kernels of TensorFlow Lite instead.
"""

import operator
import re

import numpy as np

__all__ = ["activation_table", "check_code", "compact_multiplier", "dtype_bits", "dtype_range",
           "requantise", "requantise_scale", "tflite_multiplier"]


TABLE_BITS = 8  # of the widest code that indexes an activation table


def _dtype(dtype, field="dtype"):
    match = re.fullmatch(r"(u?)int(4|5|6|7|8|9|1[0-6])", dtype) if isinstance(dtype, str) else None
    if not match:
        raise ValueError(f"{field} must be one of uint4 to uint16 and int4 to int16, not {dtype!r}")
    return not match[1], int(match[2])


def dtype_bits(dtype):
    """Width of the codes of ``"uint4"`` to ``"uint16"`` and ``"int4"`` to ``"int16"``."""
    return _dtype(dtype)[1]


def dtype_range(dtype, field="dtype"):
    """Smallest and largest code of a dtype; ``ValueError`` naming ``field`` if it is none."""
    signed, bits = _dtype(dtype, field)
    low = -(1 << bits - 1) if signed else 0
    return low, low + (1 << bits) - 1


def _integer(field, value, low=-2**31, high=2**31 - 1):
    try:
        result = operator.index(value)
    except TypeError:
        raise ValueError(f"{field} must be an integer, not {value!r}") from None
    if not low <= result <= high:
        raise ValueError(f"{field} must be from {low} to {high}, not {value!r}")
    return result


def _finite(field, value, dtype=np.float32):
    # What overflows becomes infinite here, and is refused as such.
    with np.errstate(over="ignore"):
        result = np.asarray(value, dtype)
    if not np.isfinite(result).all():
        raise ValueError(f"{field} must be finite in {dtype.__name__}, not {value!r}")
    return result


def _scale(field, value, dtype=np.float32):
    scale = _finite(field, value, dtype)
    if not (scale > 0).all():
        raise ValueError(f"{field} must be positive in {dtype.__name__}, not {value!r}")
    return scale


def check_code(field, value, dtype):
    """``value`` as an ``int``; ``ValueError`` naming ``field`` unless it is a code of ``dtype``."""
    return _integer(field, value, *dtype_range(dtype))


def requantise_scale(input_scale, weight_scale, output_scale, *, scheme="onnxruntime"):
    """The factor from accumulators to codes: ``f32(f32(input * weight) / output)``.

    Order and precision are those of ``ComputeOutputScale`` in ONNX Runtime's ``qlinearconv.cc``;
    any other order differs in the last bit for some scales. Those of "tflite-reference" are of
    ``PopulateConvolutionQuantizationParams`` in TFLite's ``kernel_util.cc``: the same in float64.

    Parameters
    ----------
    input_scale, weight_scale, output_scale : array_like of float, broadcast together
        Rounded to float32 first. ``weight_scale`` has shape ``(C,)`` or ``()``.
    scheme : str
        Of :func:`requantise`.

    Returns
    -------
    float32 array of the broadcast shape, float64 for "tflite-reference"

    Raises
    ------
    ValueError
        If a scale, or the result, is not positive and finite.
    """
    dtype = _scale_type(scheme)
    input_scale = _scale("input_scale", input_scale).astype(dtype)
    weight_scale = _scale("weight_scale", weight_scale).astype(dtype)
    output_scale = _scale("output_scale", output_scale).astype(dtype)
    with np.errstate(over="ignore"):
        return _scale("input_scale * weight_scale / output_scale",
                      input_scale * weight_scale / output_scale, dtype)


def _scale_type(scheme):
    return np.float64 if scheme == "tflite-reference" else np.float32


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


def tflite_multiplier(scale):
    """``scale`` as ``QuantizeMultiplier`` of TFLite's ``quantization_util.cc`` has it.

    ``scale ~ multiplier / 2**shift`` with ``multiplier = round(scale * 2**shift)``, half away from
    zero, and ``2**30 <= multiplier < 2**31``. It is 0 for scales that shift by more than 62.

    Parameters
    ----------
    scale : array_like of float64

    Returns
    -------
    (multiplier, shift) : pair of int64 arrays of the shape of ``scale``
        The shift is 31 minus TFLite's, which goes to the left and has a fraction to shift.

    Raises
    ------
    ValueError
        If ``scale`` is not positive and finite.
    """
    fraction, exponent = np.frexp(_scale("scale", scale, np.float64))
    multiplier = np.floor(np.ldexp(fraction, 31) + 0.5).astype(np.int64)
    rounded_up = multiplier == 2**31
    multiplier = np.where(rounded_up, multiplier >> 1, multiplier)
    shift = 31 - exponent.astype(np.int64) - rounded_up
    return np.where(shift > 62, 0, multiplier), np.where(shift > 62, 31, shift)


def _products(acc, multiplier, shift):
    """``acc * multiplier`` and ``shift``, which is at least 0: what it lacks is in the product.

    They are Python integers where int64 has too few bits.
    """
    left = np.maximum(-shift, 0)
    peak = max(int(acc.max(initial=0)), -int(acc.min(initial=0)))
    if peak * int(multiplier.max()) << int(left.max()) >= 2**62:
        acc = acc.astype(object)
    return (acc * multiplier) << left, np.maximum(shift, 0)


def _compact(acc, scale, bits):
    """``RNE(acc * multiplier / 2**shift)``."""
    products, shift = _products(acc, *compact_multiplier(scale, bits))
    if products.dtype == np.int64:
        shift = np.minimum(shift, 63)   # what gives 0 beyond, does so here
    quotient = products >> shift
    remainder = products - (quotient << shift)
    half = np.asarray(1, products.dtype) << np.maximum(shift - 1, 0)
    return quotient + ((remainder > half) | ((remainder == half) & (quotient & 1 == 1)))


def _tflite(acc, scale):
    """``MultiplyByQuantizedMultiplier`` of TFLite's ``common.cc``, which rounds twice.

    ``SaturatingRoundingDoublingHighMul`` rounds half up, ``RoundingDivideByPOT`` half away from 0.
    What a scale of 1 and more shifts out of int32, where TFLite's result is undefined, stays here.
    """
    multiplier, shift = tflite_multiplier(scale)
    if acc.size and not -2**31 <= acc.min() <= acc.max() < 2**31:
        raise ValueError("acc must fit int32 for the scheme tflite-reference, not reach from "
                         f"{acc.min()} to {acc.max()}")
    products, _ = _products(acc, multiplier, shift - 31)
    high = (products + 2**30) >> 31
    right = np.maximum(shift - 31, 0)
    half = (1 << right) >> 1
    return np.where(high < 0, -((half - high) >> right), (high + half) >> right)


def requantise(acc, scale, zero_point, low, high, *, scheme="onnxruntime", bits=24):
    """Requantise accumulators to codes.

    ``"onnxruntime"``
        ``clip(RNE(f32(f32(acc) * scale)) + zero_point, low, high)``: ``MlasRequantizeOutput`` of
        ONNX Runtime (``quantize.cpp``), also the ``fp32`` requantisation of XNNPACK.
    ``"compact"``
        ``clip(RNE(acc * multiplier / 2**shift) + zero_point, low, high)``, exact in integers, with
        the multiplier of :func:`compact_multiplier`.
    ``"tflite-reference"``
        ``MultiplyByQuantizedMultiplier`` of the reference kernels of TFLite for 8-bit codes, with
        the multiplier of :func:`tflite_multiplier`; then zero point and clip.

    Parameters
    ----------
    acc : array of int, (C, ...)
    scale : array_like of float32, float64 for "tflite-reference", (C,) or ()
    zero_point, low, high : int
    scheme : "onnxruntime", "compact" or "tflite-reference"
    bits : int, 1 to 31
        Width of the multiplier of "compact"; not used by the others.

    Returns
    -------
    int64 array of the shape of ``acc``

    Raises
    ------
    ValueError
        For a wrong dtype, shape or scheme, for ``low > high``, and for "tflite-reference" when an
        accumulator does not fit int32.
    """
    acc = np.asarray(acc)
    if acc.ndim == 0 or not np.can_cast(acc.dtype, np.int64):
        raise ValueError(f"acc must be an array of integers (C, ...) that fit int64, "
                         f"not dtype {acc.dtype} and shape {acc.shape}")
    zero_point = _integer("zero_point", zero_point)
    low, high = _integer("low", low), _integer("high", high)
    if low > high:
        raise ValueError(f"low must not exceed high={high!r}, not be {low!r}")
    acc, scale = acc.astype(np.int64), _scale("scale", scale, _scale_type(scheme))
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
        rounded = _compact(acc, scale, bits)
    elif scheme == "tflite-reference":
        rounded = _tflite(acc, scale)
    else:
        raise ValueError("scheme must be 'onnxruntime', 'compact' or 'tflite-reference', "
                         f"not {scheme!r}")
    return np.clip(rounded + zero_point, low, high).astype(np.int64)


def _function(kind, x, alpha, beta, slope):
    """The float32 activation of ``x (N,)``, ``(C, N)`` for prelu."""
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
    """Activation as a table of codes, indexed by the bits of the code before it.

    ``clip(RNE(f32(f(f32((code - pre_zero_point) * pre_scale)) / output_scale)) +
    output_zero_point)``: the ONNX operators DequantizeLinear, ``f`` and QuantizeLinear, in float32.
    tanh and sigmoid are correctly rounded; the polynomials of ONNX Runtime are not, and round one
    or two codes in a million, right next to a tie, the other way.

    Parameters
    ----------
    kind : "leaky_relu", "prelu", "hard_sigmoid", "tanh" or "sigmoid"
    pre_scale, output_scale : float, rounded to float32
    pre_zero_point, output_zero_point : int, codes of ``dtype``
    dtype : str
        Of the code before and of the code after; of B bits, at most 8.
    alpha : float
        Slope of leaky_relu (0.01 unless given) or of hard_sigmoid (0.2 unless given).
    beta : float
        Offset of hard_sigmoid.
    slope : array_like of float, (C,)
        Slopes of prelu, by channel.

    Returns
    -------
    int64 array, (2**B,), or (C, 2**B) for prelu

    Raises
    ------
    ValueError
        For an unknown kind or dtype, a bad scale or slope, and a zero point outside the dtype.
    """
    low, high = dtype_range(dtype)
    if dtype_bits(dtype) > TABLE_BITS:
        raise ValueError(f"dtype of an activation table must have at most {TABLE_BITS} bits, "
                         f"not {dtype!r}")
    pre_scale, output_scale = _scale("pre_scale", pre_scale), _scale("output_scale", output_scale)
    pre_zero_point = check_code("pre_zero_point", pre_zero_point, dtype)
    output_zero_point = check_code("output_zero_point", output_zero_point, dtype)
    codes = np.arange(low, high + 1)
    codes = codes[np.argsort(codes & high - low)]   # by their bits
    with np.errstate(over="ignore"):
        x = (codes - pre_zero_point).astype(np.float32) * pre_scale
        rounded = np.rint(_function(kind, x, alpha, beta, slope) / output_scale)
    rounded = np.clip(rounded, low - output_zero_point, high - output_zero_point)
    return rounded.astype(np.int64) + output_zero_point
