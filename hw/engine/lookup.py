"""Small constant tables in logic."""

from amaranth.hdl import Cat, Signal

__all__ = ["lookup", "clamp", "table"]


def lookup(m, index, entries, *, name):
    """Return a new signal that is `entries[index]`; the last entry also serves any index beyond."""
    value = Signal(range(min([0, *entries]), max([1, *entries]) + 1), name=name)
    m.d.comb += value.eq(entries[-1])
    if len(set(entries)) == 1:
        return value
    with m.Switch(index):
        for number, entry in enumerate(entries[:-1]):
            if entry != entries[-1]:
                with m.Case(number):
                    m.d.comb += value.eq(entry)
    return value


def table(m, row, column, entries, *, name):
    """Return a new signal that is `entries[row][column]`, padded like the entries of `lookup`."""
    size = 1 << len(column)
    return lookup(m, Cat(column, row), [v for line in entries
                                        for v in (line + [line[-1]] * size)[:size]], name=name)


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
