"""Small constant tables in logic."""

from amaranth.hdl import Signal

__all__ = ["lookup", "clamp"]


def lookup(m, index, table, *, name):
    """Return a new signal that is `table[index]`; the last entry also serves any index beyond."""
    value = Signal(range(min([0, *table]), max([1, *table]) + 1), name=name)
    m.d.comb += value.eq(table[-1])
    if len(set(table)) == 1:
        return value
    with m.Switch(index):
        for number, entry in enumerate(table[:-1]):
            if entry != table[-1]:
                with m.Case(number):
                    m.d.comb += value.eq(entry)
    return value


def clamp(m, value, low, high, *, name):
    """Return a new signal: `value - low`, where `value` is first limited to low..high."""
    limited = Signal(range(max(1, high - low) + 1), name=name)
    with m.If(value <= low):
        m.d.comb += limited.eq(0)
    with m.Elif(value >= high):
        m.d.comb += limited.eq(high - low)
    with m.Else():
        m.d.comb += limited.eq(value - low)
    return limited
