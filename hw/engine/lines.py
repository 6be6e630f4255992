"""Walks the output rows of each frame, and waits until the input rows that they need are there."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .delay import delay
from .layouts import Layouts, bank_of, up_to
from .lookup import lookup
from .pipeline_queue import PipelineQueue
from .skid import SkidBuffer
from .tap_tables import TapTables

__all__ = ["LineWalker"]


class LineWalker(wiring.Component):
    """Turns a frame into its lines: output rows from top to bottom, one each cycle.

    The taps of a group that are inside the frame are a rectangle, since the rows and the columns
    of a phase are independent: a first tap and a count for each direction. Both come from small
    tables of the distance to the edge, so that taps outside the frame cost no cycle. Here are the
    row taps; `GroupWalker` finds the column taps.

    Latency: a line is offered 8 cycles after its frame, and 2 cycles after `written` reaches the
    rows that it needs.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Frames.
    o
        Lines.
    written
        Rows of input written so far, over all frames.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        self._step = program.bank.step[0]
        self._taps = TapTables(program.bank.rows, program.bank.clamps)
        super().__init__({"i": In(stream.Signature(layouts.frame)),
                          "o": Out(stream.Signature(layouts.line)),
                          "written": In(layouts.row_number)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = PipelineQueue(self._layouts.line, latency=self._PIPELINE)
        frame = Signal(self._layouts.frame)
        here = Signal(self._place)
        self._walk(m, frame, here, queue)
        self._find(m, frame, here, queue)
        self._wait_for_rows(m, queue.o)
        return m

    _PIPELINE = 3  # cycles from the place of the walk to the line

    @property
    def _place(self):
        """Where the walk is: row phase, and distances to the edges."""
        program, frame = self._program, self._layouts.frame.members
        return data.StructLayout({
            "p": up_to(program.phases[0] - 1), "last_phase": 1,
            "above": up_to(self._taps.most + self._step - 1),
            # the last output may lie beyond the last input
            "below": signed(max(frame["last_row"].width, frame["out_height"].width
                                + (self._step - 1).bit_length()) + 2),
            "lines_left": frame["out_height"], "last": 1, "first": 1, "slot": frame["slot"],
        })

    def _walk(self, m, frame, here, queue):
        """Go from line to line."""
        program = self._program
        rows = program.line_rows
        step = self._step % rows
        busy, fresh, move = (Signal(name=name) for name in ("busy", "fresh", "move"))
        # what moves into an idle walk is not looked at if it is nothing
        m.d.comb += [move.eq(~busy | queue.room), fresh.eq(~busy | here.last),
                     queue.enter.eq(busy & queue.room), self.i.ready.eq(move & fresh)]
        with m.If(move & fresh):
            new = self.i.payload
            m.d.sync += [busy.eq(self.i.valid), frame.eq(new), here.first.eq(1),
                         here.lines_left.eq(new.out_height), here.last.eq(new.out_height == 1),
                         here.p.eq(0), here.last_phase.eq(program.phases[0] == 1),
                         here.above.eq(0), here.below.eq(new.last_row), here.slot.eq(new.slot)]
        with m.Elif(move):
            m.d.sync += [here.first.eq(0), here.lines_left.eq(here.lines_left - 1),
                         here.last.eq(here.lines_left == 2), here.p.eq(here.p + 1),
                         here.last_phase.eq(here.p + 2 >= program.phases[0])]
            with m.If(here.last_phase):
                m.d.sync += [here.p.eq(0), here.last_phase.eq(program.phases[0] == 1),
                             here.below.eq(here.below - self._step),
                             here.slot.eq(Mux(here.slot >= rows - step,
                                              here.slot + step - rows if step > 1 else 0,
                                              here.slot + step))]
                with m.If(here.above < self._taps.most):
                    m.d.sync += here.above.eq(here.above + self._step)

    def _find(self, m, frame, here, queue):
        """The line of this place, `_PIPELINE` cycles later."""
        program, taps, line = self._program, self._taps, queue.i
        block = program.phases[1] * program.folding.px
        width = Signal.like(line.pixels_after)
        m.d.comb += width.eq(frame.out_width)

        def later(value, cycles, name):
            return delay(m, value, cycles, name=name)

        # first cycle; a phase without taps needs no row: as if its tap were far above the frame
        highest = lookup(m, here.p, [max((*phase, -program.height)) for phase in
                                     program.bank.rows], name="highest")
        lacking = later(here.below - highest, 1, "lacking")
        # rows above that of the next position: those that a line does not need are not there yet
        low, high = program.reach[0]
        top = min(low + self._step - 1, high)
        after_this = later(here.below - top, 1, "after_this")
        keeps_all = later(lookup(m, here.above, [int(n < -1 - top) for n in range(taps.most + 1)],
                                 name="keeps_all"), 1, "keeps_all")
        start = later(taps.start(m, here.p, name="start"), 1, "start")
        cut = later(taps.cut(m, here.p, here.above, name="cut"), 1, "cut")
        after = taps.after(m, here.below, name="after")
        end, last, phase = (later(value, 1, name) for value, name in (
            (frame.end, "end"), (here.last, "last"), (here.p, "phase")))
        height = later(frame.last_row + 1, 1, "height")
        size = taps.size(m, here.p, name="size")
        # second cycle
        needed = Signal.like(line.need)
        m.d.comb += needed.eq(end - Mux((lacking < 0) | last, 0, lacking))
        inside = later(taps.inside(m, phase, after, name="inside"), 1, "inside")
        start_2, cut_2 = later(start, 1, "start"), later(cut, 1, "cut")
        keeps = Signal.like(line.release.rows)
        with m.If((after_this < 0) | last):
            m.d.comb += keeps.eq(0)
        with m.Elif(keeps_all):
            m.d.comb += keeps.eq(height)
        with m.Else():
            m.d.comb += keeps.eq(after_this)
        keeps, height = later(keeps, 1, "keeps"), later(height, 1, "height")
        # third cycle: `kept` rows are those that the lines so far have left in the buffer
        kept = Signal.like(keeps)
        row_tap, row_taps = Signal.like(line.row_tap), Signal.like(line.row_taps)
        first = later(here.first, 2, "first")
        hands_back = later(here.last_phase | here.last, 2, "hands_back")
        before = Mux(first, height, kept)
        with m.If(later(queue.enter, 2, "entered")):
            m.d.sync += kept.eq(Mux(hands_back, keeps, before))
        m.d.comb += [place.eq(value) for place, value in zip(
            (row_tap, row_taps), taps.choose(start_2, cut_2, inside, size))]
        m.d.comb += [
            line.need.eq(later(needed, 2, "need")), line.row_tap.eq(later(row_tap, 1, "row_tap")),
            line.row_taps.eq(later(row_taps, 1, "row_taps")),
            line.row_cut.eq(later(taps.left_out(cut_2), 1, "cut")),
            line.release.rows.eq(later(Mux(hands_back, before - keeps, 0), 1, "rows")),
            line.release.frame.eq(later(last, 2, "last")),
            line.row_kind.eq(later(taps.kind(m, here.p, name="kind"), 3, "kind")),
            *[line[name].eq(later(here[name], 3, name)) for name in ("slot", "first", "last")],
            *[line[name].eq(later(frame[name], 3, name)) for name in ("last_column", "out_width")],
            *[bank.eq(later(frame.bank, 3, "bank")) for bank in bank_of(line)],
            line.pixels_after.eq(later(width - block, 3, "pixels_after")),
            line.one_position.eq(later(width <= block, 3, "one_position")),
            line.two_positions.eq(later(width <= 2 * block, 3, "two_positions")),
            line.one_pixel.eq(later(width == 1, 3, "one_pixel")),
            *[line[name].eq(later(value, 3, name))
              for name, value in self._find_constants(m, here, frame).items()],
        ]

    def _find_constants(self, m, here, frame):
        """Where the constants of the row phase begin: {field: address}."""
        program, layout = self._program, self._program.layout
        columns = sum(map(len, program.bank.columns))

        def bases(words, count=lambda taps: len(taps) * columns):
            sizes = [count(taps) * words * layout.output_beats for taps in program.bank.rows]
            return [sum(sizes[:n]) for n in range(len(sizes))]

        weight = bases(layout.block_inputs)
        if program.loadable:  # indexed with the bank as the upper bit
            padding = [0] * ((1 << len(here.p)) - len(weight))
            weight = weight + padding + [base + program.weight_bank for base in weight]
        index = Cat(here.p, frame.bank) if program.loadable else here.p
        found = {"weight": lookup(m, index, weight, name="weight")}
        if program.looks_ahead:
            found["flag"] = lookup(m, here.p, bases(program.flag_words), name="flag")
        if program.bank.per_phase_parameters:
            found["parameters"] = lookup(m, here.p, bases(1, lambda taps: program.phases[1]),
                                         name="parameters")
        return found

    def _wait_for_rows(self, m, i):
        """Hold each line until its rows are there."""
        held = Signal(self._layouts.line)
        held_valid = Signal()
        enough = Signal()
        go = Signal()
        m.submodules.skid = skid = SkidBuffer(self._layouts.line)
        m.d.comb += [
            go.eq(~held_valid | (enough & skid.i.ready)), i.ready.eq(go),
            skid.i.valid.eq(held_valid & enough), skid.i.payload.eq(held),
        ]
        connect(m, skid.o, flipped(self.o))
        with m.If(go):
            m.d.sync += [held.eq(i.payload), held_valid.eq(i.valid)]

        def reached(need):
            distance = Signal(unsigned(len(need)), name="distance")
            m.d.comb += distance.eq(self.written - need)
            return ~distance[-1]
        # both candidates are compared, so that the choice is late and a line can go each cycle
        m.d.sync += enough.eq(Mux(go, reached(i.payload.need), reached(held.need)))
