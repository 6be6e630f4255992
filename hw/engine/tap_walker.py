"""Walks the taps of each group of results."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, up_to
from .lookup import ends_of

__all__ = ["TapWalker"]


class TapWalker(wiring.Component):
    """Turns each group into visits, one in every cycle in which it may.

    A visit is a step: one input word of one tap inside the frame. With look-ahead it is a flag
    word, up to `flag_bits` steps. A group without taps gives one visit that is `empty`. Latency 1;
    there is no gap between groups.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Groups.
    o, o_valid
        The visit that is next.
    go
        Take it; only if there is one.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        super().__init__({"i": In(stream.Signature(layouts.group)), "o": Out(layouts.visit),
                          "o_valid": Out(1), "go": In(1)})

    def elaborate(self, platform):
        m = Module()
        program, members = self._program, self._layouts.group.members
        words = program.tap_visits
        group = Signal(self._layouts.group)
        # how much of the group is left, in words of this tap, taps of this row, and rows
        left = Signal(data.StructLayout({"words": up_to(words), "columns": members["column_taps"],
                                         "rows": members["row_taps"]}))
        # of the word, the column, the row: whether it is the last one, and all faster ones are
        last = Signal(3)
        ends = Signal(3)
        after = Signal(3)
        move = Signal()
        fresh = Signal()
        new = self.i.payload
        m.d.comb += [move.eq(~self.o_valid | self.go), fresh.eq(~self.o_valid | ends[2]),
                     self.i.ready.eq(move & fresh), after.eq(Cat(left.words == 2, last[1:]))]
        self._show(m, group, ends[2], last[0])
        with m.If(ends[0]):
            m.d.comb += after[:2].eq(Cat(words == 1, left.columns == 2))
        with m.If(ends[1]):
            m.d.comb += after[1:].eq(Cat(group.column_taps == 1, left.rows == 2))
        with m.If(move & fresh):
            m.d.sync += [
                self.o_valid.eq(self.i.valid), group.eq(new), last.eq(new.last),
                ends.eq(ends_of(new.last)),
                *[self.o[name].eq(1) for name in ("first", "new_tap", "new_row")],
                left.words.eq(words), left.columns.eq(new.column_taps), left.rows.eq(new.row_taps),
                self.o.row_tap.eq(new.row_tap), self.o.column_tap.eq(new.column_tap),
            ]
        with m.Elif(move):
            m.d.sync += [last.eq(after), ends.eq(ends_of(after)), self.o.first.eq(0),
                         self.o.new_tap.eq(ends[0]), self.o.new_row.eq(ends[1]),
                         left.words.eq(left.words - 1)]
            with m.If(ends[0]):
                m.d.sync += [left.words.eq(words), left.columns.eq(left.columns - 1),
                             self.o.column_tap.eq(self.o.column_tap + 1)]
            with m.If(ends[1]):
                m.d.sync += [left.columns.eq(group.column_taps), left.rows.eq(left.rows - 1),
                             self.o.row_tap.eq(self.o.row_tap + 1),
                             self.o.column_tap.eq(group.column_tap)]
        return m

    def _show(self, m, group, last, last_word):
        """What a visit has in common with its group."""
        walked = ("row_tap", "column_tap", "last", "release")
        m.d.comb += [self.o[name].eq(group[name]) for name in self._layouts.visit.members
                     if name in self._layouts.group.members and name not in walked]
        m.d.comb += self.o.last.eq(last)
        with m.If(last & group.end_of_line):
            m.d.comb += self.o.release.eq(group.release)
        if self._program.looks_ahead:
            m.d.comb += self.o.short.eq(last_word)
        else:
            with m.If(self.i.ready):
                m.d.sync += self.o.needs_credit.eq(self.i.payload.tag.beat)
            with m.Elif(self.go):
                m.d.sync += self.o.needs_credit.eq(0)
