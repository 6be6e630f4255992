"""From taps to addresses."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delay
from .layouts import Layouts, up_to
from .lookup import lookup
from .tap_tables import TapTables

__all__ = ["Addresses"]


class Addresses(wiring.Component):
    """Finds where the pixels of a tap, and its weights, are. No flow control: one each cycle.

    Parameters
    ----------
    program : Program

    Members
    -------
    i, i_valid
        Visits.
    o
        The place of each visit, `latency(program)` cycles later.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        super().__init__({"i": In(layouts.visit), "i_valid": In(1), "o": Out(layouts.place)})

    @staticmethod
    def latency(program):
        """Cycles from a visit to its place."""
        return 5 if program.folding.px > 1 else 4

    def elaborate(self, platform):
        m = Module()
        program, px, visit = self._program, self._program.folding.px, self.i
        rows, columns = (TapTables(axis, program.bank.clamps).offsets
                         for axis in (program.bank.rows, program.bank.columns))

        def later(value, cycles, name):
            return delay(m, value, cycles, name=name)

        # which row of the circle, in two cycles
        row = later(lookup(m, visit.row_tap, [d % program.line_rows for d in rows], name="row"), 1,
                    "row")
        circle = later(later(visit.slot, 1, "slot") + row, 1, "circle")
        away = later(lookup(m, visit.column_tap, [d // px for d in columns], name="away"), 1,
                     "away")
        # several pixels: those before the rotation lie in the next word
        rotate = later(lookup(m, visit.column_tap, [d % px for d in columns], name="rotate"), 1,
                       "rotate")
        layout, size = program.layout, program.visit_steps
        self._address(m, "line", self._position(m, "position", size), circle, away, rotate, columns,
                      self.o.lines, program.row_words, layout.input_beats)
        # from the last word of a tap to the first one of the next
        self._follow(m, "weight", visit.next_row,
                     Mux(visit.new_tap, program.last_visit_steps, size))
        if program.looks_ahead:
            self._follow(m, "flag", visit.next_flag_row, 1)
        if program.skip_zeros:
            self._address(m, "flag", self._position(m, "flag_position", 1), circle, away, rotate,
                          columns, self.o.flag_lines, self._layouts.flag_row_words,
                          layout.blocks * program.flag_words)
        m.d.comb += self.o.rotate.eq(later(rotate, self.latency(program) - 1, "rotate"))
        self._find_lanes(m, columns)
        return m

    def _position(self, m, name, size):
        """The place of a visit in a row, were its tap in this column, a cycle later."""
        position, visit = Signal.like(self.i[name], name=name), self.i
        with m.If(self.i_valid):
            m.d.sync += position.eq(Mux(visit.new_tap, visit[name], position + size))
        return position

    def _follow(self, m, name, next_row, within):
        """What is stored in the order of the visits: some is left out between rows of taps."""
        visit, place = self.i, Signal.like(self.o[name], name=name)
        advance, start, first, valid = (
            delay(m, value, 1, name=f"{name}_{of}") for value, of in (
                (Mux(visit.new_row, next_row, within), "advance"), (visit[name], "start"),
                (visit.first, "first"), (self.i_valid, "valid")))
        with m.If(valid):
            m.d.sync += place.eq(Mux(first, start, place + advance))
        m.d.comb += self.o[name].eq(delay(m, place, self.latency(self._program) - 2, name=name))

    def _address(self, m, name, position, circle, away, rotate, columns, addresses, row_words,
                 words):
        """One address for each memory, in the third and fourth cycle, and the fifth to choose."""
        program, px = self._program, self._program.folding.px
        offsets = sorted({d // px for d in columns})
        distance = Signal(range(min(0, offsets[0] * words), max(1, offsets[-1] * words) + 1),
                          name=f"{name}_distance")
        with m.Switch(away):
            for offset in offsets:
                with m.Case(offset):
                    m.d.comb += distance.eq(offset * words)
        near = delay(m, position + distance, 2, name=f"{name}_near")
        row = delay(m, lookup(m, circle, [n % program.line_rows * row_words
                                          for n in range(2 * program.line_rows - 1)],
                              name=f"{name}_row"), 1, name=f"{name}_row")
        address, following = (Signal.like(addresses[0], name=f"{name}_{n}") for n in range(2))
        m.d.sync += [address.eq(row + near), following.eq(row + near + words)]
        if px == 1:
            m.d.comb += addresses[0].eq(address)
            return
        rotated = delay(m, rotate, 3, name=f"{name}_rotate")
        m.d.sync += [addresses[n].eq(Mux(rotated > n, following, address)) for n in range(px)]

    def _find_lanes(self, m, columns):
        """Which of the px neighbours are inside the frame."""
        px = self._program.folding.px
        latency = self.latency(self._program)
        if px == 1:
            m.d.comb += self.o.lanes.eq(~delay(m, self.i.empty, latency, name="empty"))
            return
        low = min(columns)
        offset = delay(m, lookup(m, self.i.column_tap, [d - low for d in columns],
                                 name="column_offset"), 1, name="column_offset")
        left, right, empty = (delay(m, value, 1, name=name) for value, name in (
            (self.i.left, "left"), (self.i.right, "right"), (self.i.empty, "empty")))
        lanes = [~empty & (left + offset + n + low >= px - 1) & (offset + n <= right)
                 for n in range(px)]
        for n, lane in enumerate(lanes):
            inside = Signal(up_to(1), name=f"inside_{n}")
            m.d.comb += inside.eq(lane)
            m.d.comb += self.o.lanes[n].eq(delay(m, inside, latency - 1, name=f"inside_{n}"))
