"""What a case is: a layer, its numbers, frames of input, and what somebody else says comes out."""

import importlib
from dataclasses import dataclass, replace

import numpy as np

from golden.quantisation import dtype_range

__all__ = ["Case", "Excluded", "OutOfScope", "cases_of", "collected", "integer_case",
           "integers", "random_cases", "resize_layer"]

WIDTHS = range(4, 17)  # of codes


@dataclass(frozen=True, kw_only=True)
class Case:
    """A layer and the answer of somebody else.

    Attributes
    ----------
    source, operator, name : str
        Who says so, what the layer is called there, and the case.
    spec, tensors : mapping
        The layer, as `golden.model` describes.
    frames : array of int, (N, Cin, H, W)
        Input codes.
    codes : array of int, (N, Cout, OH, OW)
        Output codes.
    accumulators : array of int of the shape of `codes`, or None
        What is requantised, where that is known.
    near_ties : bool
        Whether the answer comes from float arithmetic, which may go the other way where a result
        lies next to the middle between two codes.
    verilog : bool
        Whether it goes through the Verilog, too, which takes some seconds.
    """

    source: str = ""
    operator: str = ""
    name: str = ""
    spec: dict
    tensors: dict
    frames: np.ndarray
    codes: np.ndarray
    accumulators: np.ndarray | None = None
    near_ties: bool = False
    verilog: bool = True


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """A case that is no layer of this project, and why."""

    source: str
    operator: str
    name: str
    reason: str


class OutOfScope(Exception):
    """Raised by what maps a case to a layer, with the reason."""


def cases_of(source):
    """The cases of a module of this package, whose runtimes are loaded only now.

    Raises
    ------
    RuntimeError
        If a runtime is not installed.
    """
    try:
        return list(importlib.import_module(f"conformance.{source}").collect())
    except ImportError as error:
        raise RuntimeError(f"{error.name} is missing, which conformance/{source}.py wants: "
                           "pip install -e '.[conformance]'") from None


def collected(source, operator, name, function, *arguments, **options):
    """The `Case` that a mapping returns, named; or an `Excluded` if it raises `OutOfScope`."""
    try:
        case = function(*arguments, **options)
    except OutOfScope as reason:
        return Excluded(source=source, operator=operator, name=name, reason=str(reason))
    return replace(case, source=source, operator=operator, name=name)


def random_cases(source, kinds, *arguments):
    """Yields the cases of random graphs; every second of them goes through the Verilog.

    Parameters
    ----------
    source : str
    kinds : dict of str to (function, int)
        Operator: what maps a random generator and `arguments` to a `Case`, and how many to draw.
    """
    for operator, (function, count) in kinds.items():
        for number in range(count):
            rng = np.random.default_rng([number, *operator.encode()])
            case = collected(source, operator, f"{operator} {number}", function, rng, *arguments)
            if isinstance(case, Case):
                case = replace(case, verilog=number % 2 == 1)
            yield case


def integers(values):
    """The same values as int64; `OutOfScope` if one is no whole number, within 1e-5."""
    values = np.asarray(values)
    if values.size and np.abs(values - np.rint(values)).max() > 1e-5:
        raise OutOfScope("values are no whole numbers")
    return np.rint(values).astype(np.int64)


def narrowest(*values):
    """The fewest bits, unsigned where that will do, that hold all values; 16 if none does."""
    kind = "uint" if min(np.min(v) for v in values) >= 0 else "int"
    for dtype in (f"{kind}{bits}" for bits in WIDTHS):
        low, high = dtype_range(dtype)
        if all(np.min(v) >= low and np.max(v) <= high for v in values):
            return dtype
    return dtype


def integer_case(layer, x, result, *, weight=None, bias=None, zero_point=0, divisor=1):
    """A case without scales: whole numbers in, whole numbers out, clipped to the output codes.

    Parameters
    ----------
    layer : mapping
        `op` and the fields of the geometry; dilation, groups and padding only where they are not
        1, 1 and 0.
    x : array, (N, Cin, H, W)
    result : array, (N, Cout, OH, OW)
        Before any clipping.
    weight, bias : arrays as `golden.model` has them, or None
    zero_point : int
        Of the input.
    divisor : int
        What the accumulators of a resize2d are divided by: `result`, which is rounded as floats
        are, is made exact with it.

    Raises
    ------
    OutOfScope
        For values that are no whole numbers, and for empty tensors.
    """
    x, result = integers(x), integers(np.multiply(result, divisor, dtype=np.float64))
    if not x.size or not result.size:
        raise OutOfScope("a tensor is empty")
    dtype = narrowest(x, zero_point)
    spec = {**layer, "in_channels": x.shape[1], "out_channels": result.shape[1], "dtype": dtype,
            "input_zero_point": zero_point}
    if weight is None:
        return Case(spec=spec, tensors={}, frames=x, codes=divide(result, divisor),
                    accumulators=result)
    output = narrowest(result)
    spec = {"padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1, **spec,
            "kernel_size": list(weight.shape[2:]), "output_zero_point": 0,
            "requant": "onnxruntime", "activation": "none"}
    if output != dtype:
        spec["output_dtype"] = output
    tensors = {"weight": integers(weight), "input_scale": 1.0, "weight_scale": 1.0,
               "output_scale": 1.0, **({} if bias is None else {"bias": integers(bias)})}
    return Case(spec=spec, tensors=tensors, frames=x,
                codes=np.clip(result, *dtype_range(output)), accumulators=result)


def divide(numerator, divisor):
    """`numerator / divisor`, rounded half to even."""
    quotient, rest = np.divmod(numerator, divisor)
    return quotient + ((2 * rest > divisor) | ((2 * rest == divisor) & (quotient % 2 == 1)))


def resize_layer(mode, coordinates, size, output):
    """The geometry of a resize2d from `size` to `output`, and what its weights add up to.

    Raises
    ------
    OutOfScope
        If the factor is no whole number.
    """
    if coordinates == "align_corners":
        steps = [(o - 1, n - 1) for n, o in zip(size, output)]
    else:
        steps = [(o, n) for n, o in zip(size, output)]
    if any(not n or o % n or o < n for o, n in steps):
        raise OutOfScope("the factor is no whole number")
    factors = [o // n for o, n in steps]
    divisor = 1
    if mode == "bilinear":
        divisor = factors[0] * factors[1] * (4 if coordinates == "half_pixel" else 1)
    return {"op": "resize2d", "mode": mode, "scale_factor": factors,
            "coordinates": coordinates}, divisor
