"""Walks the groups of results of each frame in raster order, and finds their taps."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, bank_of, up_to
from .lookup import clamp, lookup
from .pointers import PhasePointer, PositionPointer, RowLedger

__all__ = ["Raster"]


class Raster(wiring.Component):
    """Turns a frame into its groups of results, one each cycle, in the order of `hw.program`.

    The taps of a group that are inside the frame are a rectangle, since the rows and the columns
    of a phase are independent: a first tap and a count for each direction. Both come from small
    tables of the distance to the edge, so that taps outside the frame cost no cycle.

    Latency: a group is offered 2 cycles after its frame; there is no gap between groups, nor
    between frames.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Frames.
    o
        Groups.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = Layouts(program)
        super().__init__({"i": In(stream.Signature(self._layouts.frame)),
                          "o": Out(stream.Signature(self._layouts.group))})

    def elaborate(self, platform):
        m = Module()
        program, px = self._program, self._program.folding.px
        frame, here = Signal(self._layouts.frame), Signal(self._place())
        busy, advance, load, beat, last = (Signal(name=n) for n in (
            "busy", "advance", "load", "beat", "last"))
        group = Signal(self._layouts.group)
        ends = self._find_ends(m, here)
        with m.If(advance):
            self._advance(m, here, ends, frame)
        m.d.comb += [self.i.ready.eq(~busy | (advance & ends.frame)),
                     load.eq(self.i.valid & self.i.ready)]
        with m.If(load):
            new = self.i.payload
            m.d.sync += [frame.eq(new), self._start_of_line(here, new), here.first.eq(1),
                         here.lines_left.eq(new.out_height), here.below.eq(new.last_row),
                         here.above.eq(0), here.p.eq(0), here.slot.eq(new.slot)]
        with m.If(self.i.ready):
            m.d.sync += busy.eq(self.i.valid)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.valid.eq(busy), self.o.payload.eq(group)]
        m.d.comb += advance.eq(busy & (~self.o.valid | self.o.ready))

        m.submodules.ledger = ledger = RowLedger(
            phases=program.bank.rows, height=program.height, below=here.below.shape())
        m.d.comb += [
            ledger.load.eq(load), ledger.rows.eq(self.i.payload.last_row + 1),
            ledger.phase.eq(here.p), ledger.below.eq(here.below), ledger.last_phase.eq(ends.p),
            ledger.last_line.eq(here.lines_left == 1), ledger.next.eq(advance),
            ledger.end_of_line.eq(ends.line),
            group.need.eq(ledger.need), group.release.rows.eq(ledger.release),
            group.release.frame.eq(ends.frame),
            group.slot.eq(here.slot), group.tag.first.eq(here.first),
            beat.eq(here.pixels_left > here.q * px), group.tag.beat.eq(beat),
            last.eq(ends.b & beat & (here.pixels_left <= here.q * px + px)),
            group.tag.last.eq(last), group.tag.end.eq(last & (here.lines_left == 1)),
            *[bank.eq(frame.bank) for bank in bank_of(group.tag)],
        ]
        if px > 1:
            low_dx, high_dx = program.reach[1]
            m.d.comb += [group.left.eq(here.left), group.right.eq(
                clamp(m, here.right, low_dx, high_dx + px, name="right"))]
        self._point(m, here, ends, group, load, advance)
        return m

    def _place(self):
        """Where the walk is: phases, block of channels, group, and distances to the edges."""
        program, frame = self._program, self._layouts.frame.members
        (low_dy, _), (low_dx, _) = program.reach
        layout, px = program.layout, program.folding.px

        def edge(*lengths):  # the last output may lie beyond the last input
            return signed(max(s.width for s in lengths) + 2)
        return data.StructLayout({
            "p": up_to(program.phases[0] - 1), "q": up_to(program.phases[1] - 1),
            "b": up_to(layout.blocks - 1), "g": up_to(layout.block_outputs - 1),
            "above": up_to(max(1, -low_dy)), "below": edge(frame["last_row"], frame["out_height"]),
            "left": self._layouts.left,
            "right": edge(frame["last_column"], frame["out_width"], up_to(px)),
            "lines_left": frame["out_height"],
            "pixels_left": unsigned(max(frame["out_width"].width,
                                        (program.phases[1] * px + 1).bit_length())),
            "slot": frame["slot"], "first": 1,
        })

    def _start_of_line(self, here, frame):
        return [here.left.eq(self._program.folding.px - 1), here.right.eq(frame.last_column),
                here.pixels_left.eq(frame.out_width)]

    def _find_ends(self, m, here):
        """Whether this group is the last one of each level of the walk."""
        program, layout = self._program, self._program.layout
        phases, px = program.phases, program.folding.px
        ends = Signal(data.StructLayout({name: 1 for name in (
            "g", "b", "q", "columns", "line", "p", "frame")}))
        m.d.comb += [
            ends.g.eq(here.g == layout.block_outputs - 1),
            ends.b.eq(ends.g & (here.b == layout.blocks - 1)),
            ends.columns.eq(here.pixels_left <= phases[1] * px),
            ends.q.eq(here.q == phases[1] - 1),
            ends.line.eq(ends.b & ends.q & ends.columns),
            ends.p.eq(here.p == phases[0] - 1),
            ends.frame.eq(ends.line & (here.lines_left == 1)),
        ]
        if px == 1:  # wider blocks visit all phases, so that they take as long as their output
            with m.If(ends.columns & (here.pixels_left == here.q + 1)):
                m.d.comb += ends.q.eq(1)
        return ends

    def _advance(self, m, here, ends, frame):
        """Go to the next group."""
        program = self._program
        px, ((low_dy, _), (low_dx, _)) = program.folding.px, program.reach
        m.d.sync += [here.first.eq(ends.frame), here.g.eq(Mux(ends.g, 0, here.g + 1))]
        with m.If(ends.g):
            m.d.sync += here.b.eq(Mux(ends.b, 0, here.b + 1))
        with m.If(ends.b):
            m.d.sync += here.q.eq(Mux(ends.q, 0, here.q + 1))
        with m.If(ends.b & ends.q):
            m.d.sync += [here.right.eq(here.right - px),
                         here.pixels_left.eq(here.pixels_left - program.phases[1] * px)]
            with m.If(here.left < max(1, px - low_dx)):
                m.d.sync += here.left.eq(here.left + px)
        with m.If(ends.line):
            m.d.sync += [self._start_of_line(here, frame), here.lines_left.eq(here.lines_left - 1),
                         here.p.eq(Mux(ends.p, 0, here.p + 1))]
            with m.If(ends.p):
                m.d.sync += [here.below.eq(here.below - 1),
                             here.slot.eq(Mux(here.slot == program.line_rows - 1, 0,
                                              here.slot + 1))]
                with m.If(here.above < max(1, -low_dy)):
                    m.d.sync += here.above.eq(here.above + 1)

    def _taps(self, m, name, phases, phase, before, after):
        """(taps cut off before the frame's edge, first tap inside, number of taps inside)."""
        starts = [sum(map(len, phases[:n])) for n in range(len(phases))]
        offsets = [d for taps in phases for d in taps]
        most, low, high = max(1, -min(offsets)), min(0, *offsets) - 1, max(0, *offsets)
        cut = self._table(m, f"{name}_cut", phase, clamp(m, before, 0, most, name=f"{name}_before"),
                          [[sum(d < -n for d in taps) for n in range(most + 1)]
                           for taps in phases])
        inside = self._table(m, f"{name}_inside", phase,
                             clamp(m, after, low, high, name=f"{name}_after"),
                             [[sum(d <= n for d in taps) for n in range(low, high + 1)]
                              for taps in phases])
        start = lookup(m, phase, starts, name=f"{name}_start")
        first = Signal(range(len(offsets) + 1), name=f"{name}_first")
        count = Signal(range(max(map(len, phases)) + 1), name=f"{name}_count")
        m.d.comb += first.eq(start + cut)
        with m.If(inside > cut):
            m.d.comb += count.eq(inside - cut)
        return cut, first, count

    @staticmethod
    def _table(m, name, row, column, entries):
        """Look up `entries[row][column]`; rows are as long as `column` can count."""
        size = 1 << len(column)
        return lookup(m, Cat(column, row), [v for line in entries
                                            for v in (line + [line[-1]] * size)[:size]],
                      name=name)

    def _point(self, m, here, ends, group, load, advance):
        """Find the taps of the group, and where its weights and its input begin."""
        program, layout = self._program, self._program.layout
        rows, columns = program.bank.rows, program.bank.columns
        row_cut, first_row, row_count = self._taps(m, "row", rows, here.p, here.above, here.below)
        column_cut, first_column, column_count = self._taps(m, "column", columns, here.q,
                                                            here.left, here.right)
        m.d.comb += [
            group.row_tap.eq(first_row), group.row_taps.eq(row_count),
            group.column_tap.eq(first_column),
            group.column_taps.eq(Mux(here.pixels_left > here.q, column_count, 0)),
        ]
        most_cut = max(sum(d < 0 for d in taps) for taps in rows)
        # phases with the same number of taps need as many words: tables by that number
        sizes = [sorted({len(taps) for taps in axis}) for axis in (rows, columns)]
        kinds = [lookup(m, phase, [size.index(len(taps)) for taps in axis], name=f"{name}_kind")
                 for name, phase, size, axis in (("row", here.p, sizes[0], rows),
                                                 ("column", here.q, sizes[1], columns))]
        groups = sum(map(len, columns)) * layout.output_beats

        def pointer(name, shape, base, group_sizes, row_sizes):
            p = PhasePointer(shape=shape, group_sizes=group_sizes, row_sizes=row_sizes,
                             kinds=[k.shape() for k in kinds])
            m.submodules[name] = p
            m.d.comb += [p.load.eq(load), p.base.eq(base), p.row_kind.eq(kinds[0]),
                         p.column_kind.eq(kinds[1]), p.next.eq(advance),
                         p.restart.eq(ends.b & ends.q), p.next_row.eq(ends.line),
                         p.first_row.eq(ends.p)]
            return p.address

        def position(name, shape, words):
            p = PositionPointer(shape=shape, pixel_words=layout.blocks * words, block_words=words)
            m.submodules[name] = p
            m.d.comb += [p.next_channels.eq(advance & ends.g),
                         p.first_channels.eq(advance & ends.b),
                         p.next_columns.eq(advance & ends.b & ends.q),
                         p.first_columns.eq(load | (advance & ends.line))]
            return p.address

        def store(name, words, shape, base):
            """Pointer to the first tap inside the frame, with `words` words for a tap."""
            address = pointer(name, shape, base,
                              [[y * x * words for x in sizes[1]] for y in sizes[0]],
                              [y * groups * words for y in sizes[0]])
            row_words = lookup(m, kinds[1], [x * words for x in sizes[1]], name=f"{name}_row")
            cut = self._table(m, f"{name}_cut", kinds[1], row_cut, [
                [y * x * words for y in range(most_cut + 1)] for x in sizes[1]])
            return address + cut + column_cut * words, row_words

        members = self._layouts.group.members
        weight, weight_row = store("weight", layout.block_inputs, members["weight"],
                                   Mux(self.i.payload.bank, program.steps, 0)
                                   if program.loadable else 0)
        m.d.comb += [group.weight.eq(weight), group.weight_row.eq(weight_row),
                     group.position.eq(position("position", members["position"],
                                                layout.block_inputs))]
        if program.looks_ahead:
            flag, flag_row = store("flag", program.flag_words, members["flag"], 0)
            m.d.comb += [group.flag.eq(flag), group.flag_row.eq(flag_row),
                         group.flag_position.eq(position("flag_position", members["flag_position"],
                                                         program.flag_words))]
        if program.bank.per_phase_parameters:
            per_row = len(columns) * layout.output_beats
            m.d.comb += group.tag.parameters.eq(pointer(
                "parameters", members["tag"].members["parameters"], 0,
                [[1] * len(sizes[1])] * len(sizes[0]), [per_row] * len(sizes[0])))
        else:
            m.d.comb += group.tag.parameters.eq(here.b * layout.block_outputs + here.g)
