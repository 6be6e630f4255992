"""Shift registers."""

from amaranth.hdl import Signal

__all__ = ["delay"]


def delay(m, value, cycles, *, name):
    """Return `value` as it was `cycles` cycles before."""
    for n in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{n + 1}")
        m.d.sync += later.eq(value)
        value = later
    return value
