"""Registers of a data path: no reset, since what is in them is never looked at before its time."""

from amaranth.hdl import Signal, Value

__all__ = ["delayed"]


def delayed(m, value, name, cycles=1):
    """Return `value` as it was `cycles` cycles before."""
    value = Value.cast(value)
    for n in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{n}" if cycles > 1 else name, reset_less=True)
        m.d.sync += later.eq(value)
        value = later
    return value
