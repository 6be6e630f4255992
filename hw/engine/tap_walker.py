"""Walks the taps of each group of results."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, up_to

__all__ = ["TapWalker"]


class TapWalker(wiring.Component):
    """Turns each group into runs, one each cycle: a run for each tap inside the frame.

    With look-ahead, a tap is a run for each of its flag words. A group without taps gives one run
    of length 0. Latency 1; there is no gap between groups.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Groups.
    o
        Runs.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        super().__init__({"i": In(stream.Signature(layouts.group)),
                          "o": Out(stream.Signature(layouts.run))})

    def elaborate(self, platform):
        m = Module()
        program, layout = self._program, self._program.layout
        words = program.flag_words if program.looks_ahead else 1
        word_steps = program.flag_bits if program.looks_ahead else layout.block_inputs
        members = self._layouts.group.members
        group, busy = Signal(self._layouts.group), Signal()
        # `here` is the run; the two others, where its tap row and its tap began
        here = Signal(data.StructLayout({
            "row_tap": members["row_tap"], "rows_left": members["row_taps"],
            "column_tap": members["column_tap"], "columns_left": members["column_taps"],
            "word": up_to(words - 1), "weight": members["weight"], "tap_weight": members["weight"],
            "row_weight": members["weight"], "flag": members["flag"],
            "row_flag": members["flag"], "first": 1}))
        last_word, last_column, last_row, empty = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            empty.eq((group.row_taps == 0) | (group.column_taps == 0)),
            last_word.eq((here.word == words - 1) | empty),
            last_column.eq(last_word & ((here.columns_left == 1) | empty)),
            last_row.eq(last_column & ((here.rows_left == 1) | empty)),
            self.o.valid.eq(busy),
            self.o.payload.last.eq(last_row),
            self.o.payload.tag.eq(group.tag),
            *[self.o.payload[name].eq(group[name]) for name in ("slot", "left", "right")
              if name in members],
            self.o.payload.row_tap.eq(here.row_tap), self.o.payload.column_tap.eq(here.column_tap),
            self.o.payload.position.eq(group.position + here.word * word_steps),
            self.o.payload.flag_position.eq(group.flag_position + here.word),
            self.o.payload.weight.eq(here.weight), self.o.payload.flag.eq(here.flag),
            self.o.payload.need.eq(Mux(here.first, group.need, 0)),
            self.o.payload.length.eq(Mux(empty, 0, Mux(
                last_word, layout.block_inputs - word_steps * (words - 1), word_steps))),
        ]
        with m.If(last_row):
            m.d.comb += self.o.payload.release.eq(group.release)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [here.first.eq(0), here.word.eq(here.word + 1),
                         here.weight.eq(here.weight + word_steps), here.flag.eq(here.flag + 1)]
            with m.If(last_word):
                following = here.tap_weight + layout.block_inputs
                m.d.sync += [here.word.eq(0), here.tap_weight.eq(following),
                             here.weight.eq(following), here.column_tap.eq(here.column_tap + 1),
                             here.columns_left.eq(here.columns_left - 1)]
            with m.If(last_column):
                weight, flag = here.row_weight + group.weight_row, here.row_flag + group.flag_row
                m.d.sync += [here.row_weight.eq(weight), here.tap_weight.eq(weight),
                             here.weight.eq(weight), here.row_flag.eq(flag), here.flag.eq(flag),
                             here.row_tap.eq(here.row_tap + 1),
                             here.rows_left.eq(here.rows_left - 1),
                             here.column_tap.eq(group.column_tap),
                             here.columns_left.eq(group.column_taps)]
        m.d.comb += self.i.ready.eq(~busy | (self.o.ready & last_row))
        with m.If(self.i.ready):
            new = self.i.payload
            m.d.sync += [
                busy.eq(self.i.valid), group.eq(new), here.first.eq(1), here.word.eq(0),
                here.row_tap.eq(new.row_tap), here.rows_left.eq(new.row_taps),
                here.column_tap.eq(new.column_tap), here.columns_left.eq(new.column_taps),
                *[here[name].eq(new.weight) for name in ("weight", "tap_weight", "row_weight")],
                *[here[name].eq(new.flag) for name in ("flag", "row_flag")],
            ]
        return m
