"""From taps to line buffer addresses, and the wait for rows that are not there yet."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts
from .lookup import lookup

__all__ = ["AddressStage"]


class AddressStage(wiring.Component):
    """Adds line buffer addresses to each run, and holds it until its rows are there.

    Latency 2, one run each cycle.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Runs.
    o
        Visits.
    row
        High in the cycle in which a row has been written.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        super().__init__({"i": In(stream.Signature(layouts.run)),
                          "o": Out(stream.Signature(layouts.visit)), "row": In(1)})

    def elaborate(self, platform):
        m = Module()
        program, visit = self._program, self._layouts.visit.members
        rows, columns = ([d for taps in axis for d in taps] for axis in
                         (program.bank.rows, program.bank.columns))
        px = program.folding.px
        # first register: which row of the circle, and how far from this column the tap lies
        run, run_valid, run_ready = Signal(self._layouts.run), Signal(), Signal()
        row_offset = lookup(m, self.i.payload.row_tap, [d % program.line_rows for d in rows],
                            name="row_offset")
        circle, slot = self.i.payload.slot + row_offset, Signal.like(run.slot)
        m.d.comb += self.i.ready.eq(~run_valid | run_ready)
        with m.If(self.i.ready):
            m.d.sync += [run_valid.eq(self.i.valid), run.eq(self.i.payload),
                         slot.eq(Mux(circle >= program.line_rows,
                                     circle - program.line_rows, circle))]
        # second register: addresses
        place = Signal(data.StructLayout({name: visit[name] for name in (
            "lines", "flag_lines", "rotate", "lanes")}))
        held, held_valid = Signal(self._layouts.visit), Signal()
        m.d.comb += run_ready.eq(~held_valid | (self.o.valid & self.o.ready))
        with m.If(run_ready):
            m.d.sync += held_valid.eq(run_valid)
            m.d.sync += [held[name].eq(run[name]) for name in visit
                         if name in self._layouts.run.members]
            m.d.sync += [held[name].eq(place[name]) for name in place.shape().members]
        rotate = lookup(m, run.column_tap, [d % px for d in columns], name="rotate")
        m.d.comb += place.rotate.eq(rotate)
        self._address(m, "line", run, slot, rotate, columns, place.lines, run.position,
                      program.row_words, program.layout.input_beats)
        if program.skip_zeros:
            self._address(m, "flag", run, slot, rotate, columns, place.flag_lines,
                          run.flag_position, self._layouts.flag_row_words,
                          program.layout.blocks * program.flag_words)
        self._find_lanes(m, run, columns, place.lanes)

        # rows written and not yet counted by a run that needed them
        waiting = Signal(range(program.line_rows + 1))
        enough = Signal()
        m.d.comb += [enough.eq(waiting >= held.need), self.o.valid.eq(held_valid & enough),
                     self.o.payload.eq(held)]
        m.d.sync += waiting.eq(waiting + self.row
                               - Mux(self.o.valid & self.o.ready, held.need, 0))
        return m

    def _address(self, m, name, run, slot, rotate, columns, addresses, position, row_words, words):
        """One address for each memory: those before the rotation hold the next columns."""
        px = self._program.folding.px
        row = lookup(m, slot, [n * row_words for n in range(self._program.line_rows)],
                     name=f"{name}_row")
        away = lookup(m, run.column_tap, [d // px * words for d in columns], name=f"{name}_away")
        near = Signal.like(addresses[0], name=f"{name}_near")
        m.d.comb += near.eq(row + position + away)
        for n in range(px):
            m.d.comb += addresses[n].eq(Mux(rotate > n, near + words, near))

    def _find_lanes(self, m, run, columns, lanes):
        """Which of the px neighbours are inside the frame."""
        px = self._program.folding.px
        if px == 1:
            m.d.comb += lanes.eq(1)
            return
        low = min(columns)
        offset = lookup(m, run.column_tap, [d - low for d in columns], name="column_offset")
        for n in range(px):
            m.d.comb += lanes[n].eq((run.left + offset + n + low >= px - 1)
                                    & (offset + n <= run.right))
