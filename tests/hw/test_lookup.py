"""Small tables in logic, limits, widths and shift registers."""

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bench_helpers import clocked

from hw.engine.delay import delay
from hw.engine.layouts import up_to
from hw.engine.lookup import clamp, lookup, reaches, table


class Function(wiring.Component):
    """`o` is what `function` makes of `i`."""

    def __init__(self, function, shape):
        self._function = function
        super().__init__({"i": In(shape), "o": Out(signed(12))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(self._function(m, self.i))
        m.d.sync += Signal(name="keeps_the_clock").eq(0)
        return m


def values(function, shape, inputs):
    """What a function of one cycle's input is, in each cycle."""
    return [o for o, in clocked(Function(function, shape), [{"i": i} for i in inputs], "o")]


@pytest.mark.parametrize("table", ([5], [-5], [3, 3, 3], [0, 1], [7, -9, 255, 0, -128], [-1, -2]))
def test_the_last_entry_serves_every_index_beyond(table):
    found = values(lambda m, i: lookup(m, i, table, name="entry"), 3, range(8))
    assert found == [table[min(n, len(table) - 1)] for n in range(8)]


@pytest.mark.parametrize("rows", ([[5]], [[1, 2, 3], [4]], [[-1], [7, 0], [2, 9]]))
def test_the_last_entry_of_a_row_serves_every_column_beyond(rows):
    found = values(lambda m, i: table(m, i[2:], i[:2], rows, name="entry"), 4,
                   range(4 * len(rows)))
    assert found == [row[min(n, len(row) - 1)] for row in rows for n in range(4)]


@pytest.mark.parametrize("low, high", ((0, 5), (-3, 4), (2, 2), (-8, -5), (0, 1), (-1, 3), (-8, 7),
                                       (-1, 8), (-11, 12)))
def test_limits(low, high):
    """A cycle later."""
    found = values(lambda m, i: clamp(m, i, low, high, name="limited"), signed(4), range(-8, 9))
    assert found[1:] == [min(max(n, low), high) - low for n in range(-8, 8)]


@pytest.mark.parametrize("constant", (*range(-8, 9), -20, 13))
def test_reaches(constant):
    found = values(lambda m, i: reaches(i, constant), signed(4), range(-8, 8))
    assert found == [n >= constant for n in range(-8, 8)]


@pytest.mark.parametrize("cycles", (0, 1, 3))
def test_delay(cycles):
    found = values(lambda m, i: delay(m, i, cycles, name="later"), 6, range(1, 30))
    assert found == [max(0, n - cycles) for n in range(1, 30)]


def test_width_of_a_count():
    assert [up_to(n).width for n in (0, 1, 2, 3, 4, 255, 256)] == [1, 1, 2, 2, 3, 8, 9]
