"""Small tables and choices in logic."""

from amaranth.hdl import Cat, Const, Mux, Signal

__all__ = ["lookup", "clamp", "ends_of", "pick", "reaches", "table"]


def lookup(m, index, entries, *, name):
    """Return a new signal that is `entries[index]`; the last entry serves any index beyond."""
    entries = entries[:1 << len(index)]
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
    """Return a new signal: `value - low`, `value` limited to low..high, a cycle later."""
    limited, rest = (Signal(range(max(1, high - low) + 1), name=name) for _ in range(2))
    under, over = Signal(name=f"{name}_under"), Signal(name=f"{name}_over")
    m.d.sync += [under.eq(~reaches(value, low + 1)), over.eq(reaches(value, high)),
                 rest.eq(value - low)]
    with m.If(under):
        m.d.comb += limited.eq(0)
    with m.Elif(over):
        m.d.comb += limited.eq(high - low)
    with m.Else():
        m.d.comb += limited.eq(rest)
    return limited


def reaches(value, constant):
    """`value >= constant` for a signed value: without the overflow logic that synthesis adds."""
    most = 1 << len(value) - 1
    if not -most <= constant < most:
        return Const(constant < 0, 1)
    negative, least = value[-1], constant % most
    rest = value[:-1] >= least if least else 1
    return ~negative & rest if constant >= 0 else ~negative | rest


def pick(choices, index):
    """`choices[index]` as a tree of two-way multiplexers, a level for each bit of the index."""
    for bit in index:
        pairs = [choices[n:n + 2] for n in range(0, len(choices), 2)]
        choices = [Mux(bit, pair[1], pair[0]) if len(pair) > 1 else pair[0] for pair in pairs]
    return choices[0]


def ends_of(last):
    """Of nested counters, the fastest first: whether each is at its end together with the faster.

    `last` tells of each whether it is at its last value.
    """
    return Cat(last[:n + 1].all() for n in range(len(last)))
