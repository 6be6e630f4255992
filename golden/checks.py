"""What arguments must be; the errors name the argument, its value and the rule."""

import operator

import numpy as np

__all__ = ["integer", "magnitude", "pair", "tensor"]


def integer(field, value, minimum):
    """``value`` as an ``int``; ``ValueError`` unless it is one of at least ``minimum``."""
    try:
        result = operator.index(value)
    except TypeError:
        raise ValueError(f"{field} must be an integer, not {value!r}") from None
    if result < minimum:
        raise ValueError(f"{field} must be at least {minimum}, not {value!r}")
    return result


def pair(field, value, minimum):
    """``value`` as two ``int``; ``ValueError`` unless it is (vertical, horizontal)."""
    if np.ndim(value) != 1 or len(value) != 2:
        raise ValueError(f"{field} must be a pair (vertical, horizontal), not {value!r}")
    return tuple(integer(f"{field}[{axis}]", item, minimum) for axis, item in enumerate(value))


def tensor(field, value, ndim):
    """``value`` as an int64 array; ``ValueError`` unless it has ``ndim`` axes of integers."""
    array = np.asarray(value)
    if not np.can_cast(array.dtype, np.int64):
        raise ValueError(f"{field} must hold integers that fit int64, not dtype {array.dtype}")
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{field} must have {ndim} non-empty axes, not shape {array.shape}")
    return array.astype(np.int64)


def magnitude(array):
    """Largest absolute value of an integer array, as an ``int``."""
    return max(int(array.max()), -int(array.min()))
