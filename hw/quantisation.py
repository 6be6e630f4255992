"""Number formats, and the constants that requantisation and activation need.

The value of a code is `scale * (code - zero_point)`. Results are requantised by
`clip(round_half_even((acc + bias) * multiplier / 2**shift) + zero_point)`; the scheme
`onnxruntime` also rounds where float32 does, so that it equals ONNX Runtime, XNNPACK and QNNPACK
bit for bit; `compact` has a multiplier of fewer bits.
"""

from dataclasses import dataclass, field

import numpy as np

from golden.quantisation import activation_table, compact_multiplier, dtype_range, requantise_scale

from .layers import whole

__all__ = ["Quantisation", "Requantisation", "ACTIVATIONS", "SCHEMES"]

SCHEMES = ("onnxruntime", "compact")
FLOAT32_MANTISSA = 24
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-25, 2.0**7  # of accumulators to codes
# activation: number of parameters it takes, and whether it is a table
ACTIVATIONS = {"none": (0, False), "relu": (0, False), "clamp": (2, False),
               "leaky_relu": (1, True), "prelu": (0, True), "tanh": (0, True),
               "sigmoid": (0, True), "hard_sigmoid": (2, True)}


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """Formats of a layer's activations and weights, and what happens to its results."""

    dtype: str = "uint8"
    weight_bits: int = 8
    input_zero_point: int = 0
    output_zero_point: int = 0
    requant: str = "onnxruntime"
    multiplier_bits: int = 16
    activation: str = "none"
    activation_parameters: tuple = field(default=())

    def __post_init__(self):
        if self.dtype not in ("uint8", "int8"):
            raise ValueError(f"dtype must be uint8 or int8, not {self.dtype!r}")
        if self.weight_bits not in (4, 8):
            raise ValueError(f"weight_bits must be 4 or 8, not {self.weight_bits!r}")
        for name in ("input_zero_point", "output_zero_point"):
            whole(name, getattr(self, name), *dtype_range(self.dtype))
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

    @property
    def input_range(self):
        """(lowest, highest) value of `code - input_zero_point`."""
        low, high = dtype_range(self.dtype)
        return low - self.input_zero_point, high - self.input_zero_point

    @property
    def mantissa_bits(self):
        """Width of the requantiser's multiplier operand."""
        return FLOAT32_MANTISSA if self.requant == "onnxruntime" else self.multiplier_bits

    @property
    def has_table(self):
        return ACTIVATIONS[self.activation][1]

    @property
    def shift_range(self):
        """(smallest, largest) shift over every scale that is allowed."""
        _, shift = compact_multiplier([LARGEST_SCALE, SMALLEST_SCALE], self.mantissa_bits)
        return int(shift[0]), int(shift[1])

    def describe(self):
        """Return the formats as a plain dictionary, as `golden` and the manifest have them."""
        return {**vars(self), "activation_parameters": list(self.activation_parameters)}

    def requantisation(self, tensors, channels):
        """Return the `Requantisation` of `channels` convolution channels with these tensors."""
        scale = self._scale(tensors, channels)
        multiplier, shift = compact_multiplier(scale, self.mantissa_bits)
        return Requantisation(multiplier=multiplier, shift=shift, **self._clipping(tensors),
                              table=self._table(tensors))

    def _scale(self, tensors, channels):
        target = "pre_scale" if self.has_table else "output_scale"
        weight_scale = np.atleast_1d(np.asarray(tensors["weight_scale"], dtype=np.float32))
        if weight_scale.shape not in ((1,), (channels,)):
            raise ValueError(f"weight_scale must have 1 or {channels} entries, "
                             f"not {weight_scale.size}")
        scale = np.broadcast_to(requantise_scale(tensors["input_scale"], weight_scale,
                                                 tensors[target]), (channels,))
        bad = (scale < SMALLEST_SCALE) | (scale > LARGEST_SCALE)
        if bad.any():
            raise ValueError(f"weight_scale must make input_scale * weight_scale / {target} lie in "
                             f"{SMALLEST_SCALE}..{LARGEST_SCALE}, not {scale[bad][0]}")
        return scale

    def _clipping(self, tensors):
        low, high = dtype_range(self.dtype)
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
            dtype=self.dtype, **options))


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
        (1 or channels, 256) output codes by requantised code.
    """

    multiplier: np.ndarray
    shift: np.ndarray
    zero_point: int
    low: int
    high: int
    table: np.ndarray | None
