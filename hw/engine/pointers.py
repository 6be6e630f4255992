"""Running addresses of the raster walk: additions only, no multiplication."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .layouts import up_to
from .lookup import lookup

__all__ = ["PhasePointer", "PositionPointer", "RowLedger"]


class PhasePointer(wiring.Component):
    """Points at what is stored for each group of results, phase row after phase row.

    Parameters
    ----------
    shape : Shape
        Of the address.
    group_sizes : list of list of int
        Words of one group, by kind of row phase and kind of column phase.
    row_sizes : list of int
        Words of all groups of one row phase, by kind of row phase.
    kinds : (Shape, Shape)
        Shapes of the two kinds.

    Members
    -------
    address
        First word of the group.
    base, load
        Start a frame at `base`.
    row_kind, column_kind
        Of the group.
    next, restart, next_row, first_row
        Go to the next group; with `restart`, to the first group of this row phase; with
        `next_row`, of the next one; with `first_row` as well, of the first one.
    """

    def __init__(self, *, shape, group_sizes, row_sizes, kinds):
        self._group_sizes, self._row_sizes = group_sizes, row_sizes
        super().__init__({
            "address": Out(shape), "base": In(shape), "load": In(1),
            "row_kind": In(kinds[0]), "column_kind": In(kinds[1]),
            "next": In(1), "restart": In(1), "next_row": In(1), "first_row": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        frame, row, following = (Signal.like(self.address) for _ in range(3))
        sizes = [lookup(m, self.column_kind, by_column, name=f"size_{n}")
                 for n, by_column in enumerate(self._group_sizes)]
        size = sizes[0]
        for n, other in enumerate(sizes[1:], 1):
            size = Mux(self.row_kind == n, other, size)
        row_size = lookup(m, self.row_kind, self._row_sizes, name="row_size")
        m.d.comb += following.eq(Mux(self.first_row, frame, row + row_size))
        with m.If(self.load):
            m.d.sync += [frame.eq(self.base), row.eq(self.base), self.address.eq(self.base)]
        with m.Elif(self.next & self.next_row):
            m.d.sync += [row.eq(following), self.address.eq(following)]
        with m.Elif(self.next & self.restart):
            m.d.sync += self.address.eq(row)
        with m.Elif(self.next):
            m.d.sync += self.address.eq(self.address + size)
        return m


class PositionPointer(wiring.Component):
    """Points at the first input word of a block of columns, within its row of a memory.

    Parameters
    ----------
    shape : Shape
        Of the address.
    pixel_words, block_words : int
        Words of one pixel, and of one of its blocks of channels.

    Members
    -------
    address
        First word.
    next_channels, first_channels, next_columns, first_columns
        Go to the next block of channels, back to the first one, to the next columns, or to the
        start of the line; a later one outranks those before it.
    """

    def __init__(self, *, shape, pixel_words, block_words):
        self._pixel_words, self._block_words = pixel_words, block_words
        super().__init__({"address": Out(shape), **{name: In(1) for name in (
            "next_channels", "first_channels", "next_columns", "first_columns")}})

    def elaborate(self, platform):
        m = Module()
        columns, following = Signal.like(self.address), Signal.like(self.address)
        m.d.comb += following.eq(columns + self._pixel_words)
        with m.If(self.first_columns):
            m.d.sync += [self.address.eq(0), columns.eq(0)]
        with m.Elif(self.next_columns):
            m.d.sync += [self.address.eq(following), columns.eq(following)]
        with m.Elif(self.first_channels):
            m.d.sync += self.address.eq(columns)
        with m.Elif(self.next_channels):
            m.d.sync += self.address.eq(self.address + self._block_words)
        return m


class RowLedger(wiring.Component):
    """How many new input rows each output line needs, and how many it hands back at its end.

    All rows of a frame are needed by its last line and handed back at its end; no row is handed
    back before it was needed.

    Parameters
    ----------
    phases : tuple of tuple of int
        Row offsets of the taps of each row phase.
    height : int
        Most rows of a frame.
    below : Shape

    Members
    -------
    load, rows
        Start a frame of `rows` rows.
    phase, below, last_phase, last_line
        Of this output line: its row phase, how many input rows lie below its own, and whether it
        is the last one of its position and of its frame.
    next, end_of_line
        The group is done; it was the last one of its line.
    need
        New rows that must be there before this group.
    release
        Rows that are no longer needed after this group.
    """

    def __init__(self, *, phases, height, below):
        self._phases = phases
        super().__init__({
            "load": In(1), "rows": In(up_to(height)), "phase": In(up_to(len(phases) - 1)),
            "below": In(below), "last_phase": In(1), "last_line": In(1),
            "next": In(1), "end_of_line": In(1),
            "need": Out(up_to(height)), "release": Out(up_to(height)),
        })

    def elaborate(self, platform):
        m = Module()
        unseen, unseen_next, kept, kept_next = (Signal.like(self.rows) for _ in range(4))
        fresh = Signal()
        # a phase without taps needs no row: as if its lowest tap were far above the frame
        nothing = -(1 << len(self.rows))
        lowest_tap = lookup(m, self.phase, [max(t, default=nothing) for t in self._phases],
                            name="lowest_tap")

        def remaining(most, value):
            limited = Signal.like(self.rows)
            with m.If(value <= 0):
                m.d.comb += limited.eq(0)
            with m.Elif(value >= most):
                m.d.comb += limited.eq(most)
            with m.Else():
                m.d.comb += limited.eq(value)
            return limited

        seen_rest = remaining(unseen, self.below - lowest_tap)
        free_rest = remaining(kept, self.below - min(d for taps in self._phases for d in taps))
        with m.If(fresh):
            m.d.comb += unseen_next.eq(Mux(self.last_line, 0, seen_rest))
        with m.Else():
            m.d.comb += unseen_next.eq(unseen)
        with m.If(~self.end_of_line):
            m.d.comb += kept_next.eq(kept)
        with m.Elif(self.last_line):
            m.d.comb += kept_next.eq(0)
        with m.Elif(self.last_phase):
            m.d.comb += kept_next.eq(Mux(free_rest > unseen_next, free_rest, unseen_next))
        with m.Else():
            m.d.comb += kept_next.eq(kept)
        m.d.comb += [self.need.eq(unseen - unseen_next), self.release.eq(kept - kept_next)]
        with m.If(self.load):
            m.d.sync += [unseen.eq(self.rows), kept.eq(self.rows), fresh.eq(1)]
        with m.Elif(self.next):
            m.d.sync += [unseen.eq(unseen_next), kept.eq(kept_next), fresh.eq(self.end_of_line)]
        return m
