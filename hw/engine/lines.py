"""Walks the output rows of each frame, and waits until the input rows that they need are there."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, up_to
from .lookup import lookup
from .skid import SkidBuffer
from .stream_register import StreamRegister
from .tap_tables import TapTables

__all__ = ["LineWalker"]


class LineWalker(wiring.Component):
    """Turns a frame into its lines: output rows from top to bottom, one each cycle.

    The taps of a group that are inside the frame are a rectangle, since the rows and the columns
    of a phase are independent: a first tap and a count for each direction. Both come from small
    tables of the distance to the edge, so that taps outside the frame cost no cycle. Here are the
    row taps; `GroupWalker` finds the column taps.

    Latency: a line is offered 6 cycles after its frame, and 3 cycles after `written` reaches the
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
        self._taps = TapTables(program.bank.rows)
        super().__init__({"i": In(stream.Signature(layouts.frame)),
                          "o": Out(stream.Signature(layouts.line)),
                          "written": In(layouts.row_number)})

    def elaborate(self, platform):
        m = Module()
        line = self._layouts.line.members
        below = self._place.members["below"]
        common = {name: line[name] for name in (
            "last_column", "out_width", "bank", "slot", "first", "last", "row_kind", "row_cut",
            "weight", "parameters", *(["flag"] if "flag" in line else []))}
        common |= {"end": self._layouts.row_number, "start": line["row_tap"],
                   "hands_back": 1, "height": line["release"].members["rows"]}
        lacking = signed(max(below.width, (2 * self._program.height).bit_length()) + 2)
        m.submodules.found = found = StreamRegister(data.StructLayout({
            **common, "phase": self._place.members["p"], "lacking": lacking, "kept": lacking,
            "after": self._taps.after_shape}))
        m.submodules.counted = counted = StreamRegister(data.StructLayout({
            **common, "need": self._layouts.row_number, "row_tap": line["row_tap"],
            "inside": line["row_taps"], "kept": line["release"].members["rows"]}))
        self._walk(m, found.i)
        self._count(m, found.o, counted.i)
        self._complete(m, counted.o)
        return m

    @property
    def _place(self):
        """Where the walk is: row phase, and distances to the edges."""
        program, frame = self._program, self._layouts.frame.members
        return data.StructLayout({
            "p": up_to(program.phases[0] - 1), "last_phase": 1,
            "above": up_to(self._taps.most),
            # the last output may lie beyond the last input
            "below": signed(max(frame["last_row"].width, frame["out_height"].width) + 2),
            "lines_left": frame["out_height"], "last": 1, "first": 1, "slot": frame["slot"],
        })

    def _walk(self, m, o):
        """Go from line to line; look up what depends on the phase."""
        program, taps = self._program, self._taps
        frame, here = Signal(self._layouts.frame), Signal(self._place)
        busy, advance, load = Signal(), Signal(), Signal()
        m.d.comb += [advance.eq(busy & o.ready), o.valid.eq(busy),
                     self.i.ready.eq(~busy | (advance & here.last)),
                     load.eq(self.i.valid & self.i.ready)]
        with m.If(advance):
            m.d.sync += [here.first.eq(0), here.lines_left.eq(here.lines_left - 1),
                         here.last.eq(here.lines_left == 2), here.p.eq(here.p + 1),
                         here.last_phase.eq(here.p + 2 >= program.phases[0])]
            with m.If(here.last_phase):
                m.d.sync += [here.p.eq(0), here.last_phase.eq(program.phases[0] == 1),
                             here.below.eq(here.below - 1),
                             here.slot.eq(Mux(here.slot == program.line_rows - 1, 0,
                                              here.slot + 1))]
                with m.If(here.above < taps.most):
                    m.d.sync += here.above.eq(here.above + 1)
        with m.If(load):
            new = self.i.payload
            m.d.sync += [frame.eq(new), here.first.eq(1), here.lines_left.eq(new.out_height),
                         here.last.eq(new.out_height == 1), here.p.eq(0),
                         here.last_phase.eq(program.phases[0] == 1), here.above.eq(0),
                         here.below.eq(new.last_row), here.slot.eq(new.slot)]
        with m.If(self.i.ready):
            m.d.sync += busy.eq(self.i.valid)

        # a phase without taps needs no row: as if its lowest tap were far above the frame
        highest = lookup(m, here.p, [max((*phase, -program.height)) for phase in
                                     program.bank.rows], name="highest")
        m.d.comb += [
            *[o.payload[name].eq(frame[name]) for name in ("last_column", "out_width", "bank",
                                                           "end")],
            *[o.payload[name].eq(here[name]) for name in ("slot", "first", "last")],
            o.payload.phase.eq(here.p), o.payload.hands_back.eq(here.last_phase | here.last),
            o.payload.height.eq(frame.last_row + 1),
            o.payload.lacking.eq(here.below - highest),
            o.payload.kept.eq(here.below - program.reach[0][0]),
            o.payload.row_cut.eq(taps.cut(m, here.p, here.above, name="cut")),
            o.payload.start.eq(taps.start(m, here.p, name="start")),
            o.payload.row_kind.eq(taps.kind(m, here.p, name="kind")),
            o.payload.after.eq(taps.after(m, here.below, name="after")),
        ]
        self._find_constants(m, here, frame, o.payload)

    def _find_constants(self, m, here, frame, o):
        """Where the constants of the row phase begin."""
        program, layout = self._program, self._program.layout
        columns = sum(map(len, program.bank.columns))

        def bases(words, count=lambda taps: len(taps) * columns):
            sizes = [count(taps) * words * layout.output_beats for taps in program.bank.rows]
            return [sum(sizes[:n]) for n in range(len(sizes))]

        weight = bases(layout.block_inputs)
        if program.loadable:  # indexed with the bank as the upper bit
            padding = [0] * ((1 << len(here.p)) - len(weight))
            weight = weight + padding + [base + program.steps for base in weight]
        index = Cat(here.p, frame.bank) if program.loadable else here.p
        m.d.comb += o.weight.eq(lookup(m, index, weight, name="weight"))
        if program.looks_ahead:
            m.d.comb += o.flag.eq(lookup(m, here.p, bases(program.flag_words), name="flag"))
        if program.bank.per_phase_parameters:
            m.d.comb += o.parameters.eq(lookup(
                m, here.p, bases(1, lambda taps: program.phases[1]), name="parameters"))

    def _count(self, m, i, o):
        """From distances to numbers of rows and taps."""
        m.d.comb += [o.valid.eq(i.valid), i.ready.eq(o.ready)]
        found, counted = i.payload, o.payload
        m.d.comb += [counted[name].eq(found[name]) for name in counted.shape().members
                     if name in found.shape().members and name != "kept"]
        m.d.comb += [
            counted.need.eq(found.end - Mux((found.lacking < 0) | found.last, 0, found.lacking)),
            counted.row_tap.eq(found.start + found.row_cut),
            counted.inside.eq(self._taps.inside(m, found.phase, found.after, name="inside")),
        ]
        with m.If((found.kept < 0) | found.last):
            m.d.comb += counted.kept.eq(0)
        with m.Elif(found.kept > found.height):
            m.d.comb += counted.kept.eq(found.height)
        with m.Else():
            m.d.comb += counted.kept.eq(found.kept)

    def _complete(self, m, i):
        """Hold each line until its rows are there; tell how many rows it hands back."""
        line, layout = Signal(self._layouts.line), self._layouts.line
        held, held_valid, enough, go = Signal(layout), Signal(), Signal(), Signal()
        m.submodules.skid = skid = SkidBuffer(layout)
        kept = Signal.like(i.payload.kept)  # rows that the lines so far have left in the buffer
        before = Mux(i.payload.first, i.payload.height, kept)
        m.d.comb += [line[name].eq(i.payload[name]) for name in layout.members
                     if name in i.payload.shape().members]
        m.d.comb += [
            line.row_taps.eq(Mux(i.payload.inside > i.payload.row_cut,
                                 i.payload.inside - i.payload.row_cut, 0)),
            line.release.rows.eq(Mux(i.payload.hands_back, before - i.payload.kept, 0)),
            line.release.frame.eq(i.payload.last),
            go.eq(~held_valid | (enough & skid.i.ready)), i.ready.eq(go),
            skid.i.valid.eq(held_valid & enough), skid.i.payload.eq(held),
            self.o.valid.eq(skid.o.valid), self.o.payload.eq(skid.o.payload),
            skid.o.ready.eq(self.o.ready),
        ]
        with m.If(go):
            m.d.sync += [held.eq(line), held_valid.eq(i.valid)]
            with m.If(i.valid):
                m.d.sync += kept.eq(Mux(i.payload.hands_back, i.payload.kept, before))

        def reached(need):
            distance = Signal(unsigned(len(need)), name="distance")
            m.d.comb += distance.eq(self.written - need)
            return ~distance[-1]
        # both candidates are compared, so that the choice is late and a line can go each cycle
        m.d.sync += enough.eq(Mux(go, reached(line.need), reached(held.need)))
