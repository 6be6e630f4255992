"""Number formats, and the constants that requantisation and activation need.

The value of a code is `scale * (code - zero_point)`. Results are requantised by
`clip(round_half_even((acc + bias) * multiplier / 2**shift) + zero_point)`; the scheme
`onnxruntime` also rounds where float32 does, so that it equals ONNX Runtime, XNNPACK and QNNPACK
bit for bit; `compact` has a multiplier of fewer bits. The scheme `tflite-reference` rounds the
product twice, as the reference kernels of TFLite do.
"""

from dataclasses import dataclass, field

import numpy as np

from golden.quantisation import (
    TABLE_BITS,
    activation_table,
    compact_multiplier,
    dtype_bits,
    dtype_range,
    requantise_scale,
    tflite_multiplier,
)

from .layers import whole

__all__ = ["Quantisation", "Requantisation", "ACTIVATIONS", "SCHEMES", "lane_bits"]

SCHEMES = ("onnxruntime", "compact", "tflite-reference")
FLOAT32_MANTISSA, TFLITE_MULTIPLIER = 24, 31
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-32, 2.0**7  # of accumulators to codes
LARGEST_TFLITE_SCALE = 1 - 2.0**-31     # beyond, TFLite shifts to the left
TFLITE_BITS = 8     # of a code; TFLite's kernels for 16 bits compute in another way
# activation: number of parameters it takes, and whether it is a table
ACTIVATIONS = {"none": (0, False), "relu": (0, False), "clamp": (2, False),
               "leaky_relu": (1, True), "prelu": (0, True), "tanh": (0, True),
               "sigmoid": (0, True), "hard_sigmoid": (2, True)}


def lane_bits(dtype):
    """Width of a code in a stream: whole bytes."""
    return -(-dtype_bits(dtype) // 8) * 8


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """Formats of a layer's activations and weights, and what happens to its results.

    `dtype` is that of the input, and of the output unless `output_dtype` is given.
    """

    dtype: str = "uint8"
    output_dtype: str | None = None
    weight_bits: int = 8
    input_zero_point: int = 0
    output_zero_point: int = 0
    requant: str = "onnxruntime"
    multiplier_bits: int = 16
    activation: str = "none"
    activation_parameters: tuple = field(default=())

    def __post_init__(self):
        object.__setattr__(self, "output_dtype", self.output_dtype or self.dtype)
        whole("input_zero_point", self.input_zero_point, *dtype_range(self.dtype))
        whole("output_zero_point", self.output_zero_point,
              *dtype_range(self.output_dtype, "output_dtype"))
        whole("weight_bits", self.weight_bits, 2, 16)
        if self.requant not in SCHEMES:
            raise ValueError(f"requant must be one of {', '.join(SCHEMES)}, not {self.requant!r}")
        whole("multiplier_bits", self.multiplier_bits, 8, 24)
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, "
                             f"not {self.activation!r}")
        count = ACTIVATIONS[self.activation][0]
        if len(self.activation_parameters) != count:
            raise ValueError(f"activation {self.activation} takes {count} parameters, "
                             f"not {len(self.activation_parameters)}")
        object.__setattr__(self, "activation_parameters",
                           tuple(float(v) for v in self.activation_parameters))
        if self.has_table and self.output_bits > TABLE_BITS:
            raise ValueError(f"output_dtype must have at most {TABLE_BITS} bits for the "
                             f"activation {self.activation}, a table, not {self.output_dtype!r}")
        if self.requant == "tflite-reference":
            for name, dtype in (("dtype", self.dtype), ("output_dtype", self.output_dtype)):
                if dtype_bits(dtype) > TFLITE_BITS:
                    raise ValueError(f"{name} must have at most {TFLITE_BITS} bits for the requant "
                                     f"tflite-reference, not {dtype!r}")

    @property
    def output_bits(self):
        """Width of an output code."""
        return dtype_bits(self.output_dtype)

    @property
    def input_range(self):
        """(lowest, highest) value of `code - input_zero_point`."""
        low, high = dtype_range(self.dtype)
        return low - self.input_zero_point, high - self.input_zero_point

    @property
    def mantissa_bits(self):
        """Width of the requantiser's multiplier operand."""
        return {"onnxruntime": FLOAT32_MANTISSA, "compact": self.multiplier_bits,
                "tflite-reference": TFLITE_MULTIPLIER}[self.requant]

    @property
    def has_table(self):
        return ACTIVATIONS[self.activation][1]

    @property
    def scale_range(self):
        """(smallest, largest) scale of accumulators to codes."""
        tflite = self.requant == "tflite-reference"
        return SMALLEST_SCALE, LARGEST_TFLITE_SCALE if tflite else LARGEST_SCALE

    @property
    def shift_range(self):
        """(smallest, largest) shift over every scale that is allowed."""
        _, shift = self._multiplier(self.scale_range)
        return int(shift[1]), int(shift[0])

    def _multiplier(self, scale):
        """(multiplier, shift) of scales."""
        if self.requant == "tflite-reference":
            return tflite_multiplier(scale)
        return compact_multiplier(scale, self.mantissa_bits)

    def describe(self):
        """Return the formats as a plain dictionary, as `golden` and the manifest have them."""
        return {**vars(self), "activation_parameters": list(self.activation_parameters)}

    def requantisation(self, tensors, channels):
        """Return the `Requantisation` of `channels` convolution channels with these tensors."""
        scale = self._scale(tensors, channels)
        multiplier, shift = self._multiplier(scale)
        return Requantisation(multiplier=multiplier, shift=shift, **self._clipping(tensors),
                              table=self._table(tensors))

    def _scale(self, tensors, channels):
        target = "pre_scale" if self.has_table else "output_scale"
        weight_scale = np.atleast_1d(np.asarray(tensors["weight_scale"], dtype=np.float32))
        if weight_scale.shape not in ((1,), (channels,)):
            raise ValueError(f"weight_scale must have 1 or {channels} entries, "
                             f"not {weight_scale.size}")
        scale = np.broadcast_to(requantise_scale(tensors["input_scale"], weight_scale,
                                                 tensors[target], scheme=self.requant),
                                (channels,))
        smallest, largest = self.scale_range
        bad = (scale < smallest) | (scale > largest)
        if bad.any():
            raise ValueError(f"weight_scale must make input_scale * weight_scale / {target} lie in "
                             f"{smallest}..{largest}, not {scale[bad][0]}")
        return scale

    def _clipping(self, tensors):
        low, high = dtype_range(self.output_dtype)
        if self.has_table:
            return {"zero_point": int(tensors["pre_zero_point"]), "low": low, "high": high}
        zero = self.output_zero_point
        if self.activation == "relu":
            low = max(low, zero)
        if self.activation == "clamp":
            scale = np.float32(tensors["output_scale"])
            bounds = [int(np.rint(np.float32(v) / scale)) + zero
                      for v in self.activation_parameters]
            if bounds[0] > bounds[1]:
                raise ValueError("activation clamp must have its lower bound first, "
                                 f"not {self.activation_parameters}")
            low, high = (min(max(b, low), high) for b in bounds)
        return {"zero_point": zero, "low": low, "high": high}

    def _table(self, tensors):
        if not self.has_table:
            return None
        names = {"leaky_relu": ("alpha",), "hard_sigmoid": ("alpha", "beta")}
        options = dict(zip(names.get(self.activation, ()), self.activation_parameters))
        if self.activation == "prelu":
            options["slope"] = tensors["slope"]
        return np.atleast_2d(activation_table(
            self.activation, pre_scale=tensors["pre_scale"],
            pre_zero_point=int(tensors["pre_zero_point"]),
            output_scale=tensors["output_scale"], output_zero_point=self.output_zero_point,
            dtype=self.output_dtype, **options))


@dataclass(frozen=True, kw_only=True)
class Requantisation:
    """Integer constants of the requantiser.

    Attributes
    ----------
    multiplier, shift : numpy.ndarray
        One entry for each convolution channel.
    zero_point, low, high : int
        Added after the shift; the result is clipped to low..high.
    table : numpy.ndarray or None
        (1 or channels, codes) output codes by the bits of the requantised code.
    """

    multiplier: np.ndarray
    shift: np.ndarray
    zero_point: int
    low: int
    high: int
    table: np.ndarray | None
