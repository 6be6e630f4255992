"""Walks the taps of each group of results."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, up_to

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
        words = program.flag_words if program.looks_ahead else program.layout.block_inputs
        group = Signal(self._layouts.group)
        # how much of the group is left, in words of this tap, taps of this row, and rows
        left = Signal(data.StructLayout({"words": up_to(words), "columns": members["column_taps"],
                                         "rows": members["row_taps"]}))
        last, last_next, ends = Signal(3), Signal(3), Signal(3)
        m.d.comb += [last_next.eq(last), self.i.ready.eq(~self.o_valid | (self.go & ends[2]))]
        m.d.sync += [last.eq(last_next),
                     ends.eq(Cat(last_next[0], last_next[:2].all(), last_next.all()))]
        self._show(m, group, ends[2], last[0])
        with m.If(self.go):
            m.d.comb += last_next[0].eq(left.words == 2)
            m.d.sync += [self.o.first.eq(0), left.words.eq(left.words - 1),
                         self._next_word(group, ends)]
            with m.If(ends[0]):
                m.d.comb += last_next[:2].eq(Cat(words == 1, left.columns == 2))
                m.d.sync += [left.words.eq(words), left.columns.eq(left.columns - 1),
                             self.o.column_tap.eq(self.o.column_tap + 1)]
            with m.If(ends[1]):
                m.d.comb += last_next[1:].eq(Cat(group.column_taps == 1, left.rows == 2))
                m.d.sync += [left.columns.eq(group.column_taps), left.rows.eq(left.rows - 1),
                             self.o.row_tap.eq(self.o.row_tap + 1),
                             self.o.column_tap.eq(group.column_tap)]
        with m.If(self.i.ready):
            new = self.i.payload
            m.d.comb += last_next.eq(new.last)
            m.d.sync += [
                self.o_valid.eq(self.i.valid), group.eq(new), self.o.first.eq(1),
                left.words.eq(words), left.columns.eq(new.column_taps), left.rows.eq(new.row_taps),
                *[self.o[name].eq(new[name]) for name in self._walked],
            ]
        return m

    @property
    def _walked(self):
        """Fields of a visit that change within a group."""
        return [name for name in ("row_tap", "column_tap", "position", "weight", "flag_position",
                                  "flag") if name in self._layouts.visit.members]

    def _show(self, m, group, last, last_word):
        """What a visit has in common with its group."""
        constant = [name for name in self._layouts.visit.members
                    if name in self._layouts.group.members and name not in self._walked]
        m.d.comb += [self.o[name].eq(group[name]) for name in constant if name != "release"]
        m.d.comb += self.o.last.eq(last)
        with m.If(last & group.end_of_line):
            m.d.comb += self.o.release.eq(group.release)
        if self._program.looks_ahead:
            m.d.comb += self.o.short.eq(last_word)
        else:
            m.d.comb += self.o.needs_credit.eq(self.o.first & group.tag.beat)

    def _next_word(self, group, ends):
        """Addresses: words lie one after the other, but between rows of taps some are left out."""
        program, visit = self._program, self.o
        if not program.looks_ahead:
            return [visit.position.eq(Mux(ends[0], group.position, visit.position + 1)),
                    visit.weight.eq(visit.weight + Mux(ends[1], group.next_row, 1))]
        size = program.flag_bits
        short = program.layout.block_inputs - size * (program.flag_words - 1)
        return [visit.position.eq(Mux(ends[0], group.position, visit.position + size)),
                visit.weight.eq(visit.weight + Mux(ends[1], group.next_row,
                                                   Mux(ends[0], short, size))),
                visit.flag_position.eq(Mux(ends[0], group.flag_position,
                                           visit.flag_position + 1)),
                visit.flag.eq(visit.flag + Mux(ends[1], group.next_flag_row, 1))]
