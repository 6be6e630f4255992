"""Small constant tables in logic."""

from amaranth.hdl import Shape, Signal

__all__ = ["lookup", "clamp"]


def lookup(m, index, table, *, name):
    """Return a new signal that is `table[index]`; the last entry also serves any index beyond."""
    value = Signal(Shape.cast(range(min(0, *table), max(table) + 1)) if len(table) > 1
                   else Shape.cast(range(min(0, table[0]), table[0] + 1)), name=name)
    if len(set(table)) == 1:
        m.d.comb += value.eq(table[0])
        return value
    with m.Switch(index):
        for number, entry in enumerate(table[:-1]):
            with m.Case(number):
                m.d.comb += value.eq(entry)
        with m.Default():
            m.d.comb += value.eq(table[-1])
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
