"""Walks the groups of results of each output row, and finds their taps and addresses."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .delay import delay
from .layouts import Layouts, bank_of, up_to
from .lookup import clamp, lookup, reaches, table
from .pipeline_queue import PipelineQueue
from .tap_tables import TapTables

__all__ = ["GroupWalker"]


class GroupWalker(wiring.Component):
    """Turns a line into its groups of results, one each cycle, in the order of `hw.program`.

    The walk itself only counts; what follows from the counts is found in a pipeline that never
    stalls, since the walk goes on only while there is room for its groups in a queue at the end.

    Latency: a group is offered 8 cycles after its line. There is no gap between groups, nor
    between lines.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Lines.
    o
        Groups.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        self._taps = TapTables(program.bank.columns, program.bank.clamps)
        self._row_sizes = TapTables(program.bank.rows, program.bank.clamps).sizes
        super().__init__({"i": In(stream.Signature(layouts.line)),
                          "o": Out(stream.Signature(layouts.group))})

    def elaborate(self, platform):
        m = Module()
        busy, room, fresh, move = (Signal(name=name) for name in ("busy", "room", "fresh", "move"))
        line = Signal(self._layouts.line)
        here, first, after = (Signal(self._counts, name=name)
                              for name in ("here", "first", "after"))
        ends = Signal(data.StructLayout({name: 1 for name in ("block", "position", "line")}))
        # what moves into an idle walk is not looked at if it is nothing
        m.d.comb += [move.eq(~busy | room), fresh.eq(~busy | ends.line),
                     self.i.ready.eq(move & fresh)]
        self._begin(m, first, self.i.payload)
        self._advance(m, here, after, ends)
        with m.If(move & fresh):
            m.d.sync += [busy.eq(self.i.valid), line.eq(self.i.payload), here.eq(first),
                         ends.eq(self._ends(first))]
        with m.Elif(move):
            m.d.sync += [here.eq(after), here.first.eq(0), ends.eq(self._ends(after))]
        m.submodules.queue = queue = PipelineQueue(self._layouts.group, latency=self._PIPELINE)
        m.d.comb += [room.eq(queue.room), queue.enter.eq(busy & room)]
        # the place follows the counts, so that no wide register waits for `room`
        began, moved = (delay(m, now, 1, name=name) for now, name in (
            (move & fresh, "began"), (move, "moved")))
        then, line_then, ended = (delay(m, now, 1, name=name) for now, name in (
            (here, "then"), (line, "line_then"), (ends, "ended")))
        sizes = self._find_sizes(m, here, line)
        place = Signal(self._place)
        with m.If(began):
            self._enter(m, place, line)
        with m.Elif(moved):
            self._move(m, place, line_then, then, ended, sizes)
        m.d.comb += queue.i.eq(self._find(m, line_then, then, place, ended))
        connect(m, queue.o, flipped(self.o))
        return m

    @property
    def _stride(self):
        """Columns from one position to the next."""
        return self._program.bank.step[1] * self._program.folding.px

    @property
    def _pointers(self):
        """{name: words of one tap} of what is stored in the order of the walk."""
        program = self._program
        return {"weight": program.layout.block_inputs,
                **({"flag": program.flag_words} if program.looks_ahead else {})}

    @property
    def _positions(self):
        """{name: words of one block of channels} of the places in a row of the line buffer."""
        program = self._program
        return {"position": program.layout.block_inputs,
                **({"flag_position": program.flag_words} if program.looks_ahead else {})}

    @property
    def _counts(self):
        """Where the walk is: group, block of channels, column phase, pixels that are left."""
        program, line = self._program, self._layouts.line.members
        return data.StructLayout({
            "first": 1, "last_group": 1, "last_block": 1, "last_phase": 1, "last_position": 1,
            "next_is_last": 1,
            "g": up_to(program.layout.block_outputs - 1), "b": up_to(program.layout.blocks - 1),
            "q": up_to(program.phases[1] - 1),
            # of this position and what follows it, and without this position
            "pixels_left": line["out_width"], "pixels_after": line["pixels_after"],
        })

    @property
    def _place(self):
        """What belongs to the counts: distances to the edges, and addresses."""
        layouts = self._layouts
        line = layouts.line.members
        return data.StructLayout({
            "left": layouts.left,
            # the last output may lie beyond the last input
            "right": signed(max(line["last_column"].width, line["out_width"].width
                                + (self._program.bank.step[1] - 1).bit_length(),
                                up_to(self._program.folding.px).width) + 2),
            "parameters": line["parameters"],
            **{name: line[name] for name in self._pointers},
            # the block of channels; where the blocks of this position and of the next one begin
            **{f"{name}{of}": layouts.group[name].shape for name in self._positions
               for of in ("", "_column", "_next")},
        })

    @staticmethod
    def _ends(place):
        """Whether a place is the last one of its block of groups, of its position, of its line."""
        block = place.last_group & place.last_block
        position = block & place.last_phase
        return Cat(block, position, position & place.last_position)

    def _begin(self, m, first, line):
        """Count from the first group of a line."""
        layout = self._program.layout
        m.d.comb += [
            first.first.eq(line.first), first.g.eq(0),
            first.last_group.eq(layout.block_outputs == 1), first.b.eq(0),
            first.last_block.eq(layout.blocks == 1), first.q.eq(0),
            first.pixels_left.eq(line.out_width),
            first.last_phase.eq(self._is_last_phase(0, line.one_pixel)),
            first.pixels_after.eq(line.pixels_after),
            first.last_position.eq(line.one_position),
            first.next_is_last.eq(line.two_positions),
        ]

    def _is_last_phase(self, phase, last_pixel):
        """Whether a phase is the last one of its position; `last_pixel`, it has no other pixel."""
        last = phase == self._program.phases[1] - 1
        # wider blocks visit all phases, so that they take as long as their output
        return last | last_pixel if self._program.folding.px == 1 else last

    def _advance(self, m, here, after, ends):
        """Count the next group."""
        program, px = self._program, self._program.folding.px
        layout, block = program.layout, program.phases[1] * px
        few = block.bit_length()    # bits of the pixels of a last position
        m.d.comb += [after.eq(here), after.g.eq(here.g + 1),
                     after.last_group.eq(here.g + 2 >= layout.block_outputs)]
        with m.If(here.last_group):
            m.d.comb += [after.g.eq(0), after.last_group.eq(layout.block_outputs == 1),
                         after.b.eq(here.b + 1),
                         after.last_block.eq(here.b + 2 >= layout.blocks)]
        with m.If(ends.block):
            m.d.comb += [
                after.b.eq(0), after.last_block.eq(layout.blocks == 1),
                after.q.eq(here.q + 1),
                after.last_phase.eq((here.q + 2 == program.phases[1]) | (
                    (px == 1) & here.last_position & (here.pixels_left[:few] == here.q + 2))),
            ]
        with m.If(ends.position):
            m.d.comb += [
                after.q.eq(0),
                after.last_phase.eq(self._is_last_phase(
                    0, here.next_is_last & (here.pixels_after[:few] == 1))),
                after.pixels_left.eq(here.pixels_after),
                after.pixels_after.eq(here.pixels_after - block),
                after.last_position.eq(here.next_is_last),
                after.next_is_last.eq(~reaches(here.pixels_after, 2 * block + 1)),
            ]

    def _enter(self, m, place, line):
        """Go to the first place of a line."""
        m.d.sync += [
            place.left.eq(self._program.folding.px - 1), place.right.eq(line.last_column),
            place.parameters.eq(line.parameters),
            *[place[name].eq(line[name]) for name in self._pointers],
            *[place[f"{name}{of}"].eq(0) for name in self._positions for of in ("", "_column")],
            *[place[f"{name}_next"].eq(self._advance_words(words))
              for name, words in self._positions.items()],
        ]

    def _advance_words(self, words):
        """Words of one memory from one position to the next, `words` in a block of channels."""
        return self._program.bank.step[1] * self._program.layout.blocks * words

    def _find_sizes(self, m, counts, line):
        """How much is stored for a group of these counts, a cycle later: {pointer: words}."""
        kind = self._taps.kind(m, counts.q, name="kind")
        return {name: delay(m, table(m, kind, line.row_kind, [
            [x * y * words for y in self._row_sizes] for x in self._taps.sizes],
            name=f"{name}_size"), 1, name=f"{name}_size") for name, words in
            self._pointers.items()}

    def _move(self, m, place, line, counts, ends, sizes):
        """Go to the next place, from that of these counts."""
        program, px = self._program, self._program.folding.px
        m.d.sync += [place.parameters.eq(place.parameters + 1),
                     *[place[name].eq(place[name] + size) for name, size in sizes.items()]]
        with m.If(counts.last_group):
            m.d.sync += [place[name].eq(place[name] + words)
                         for name, words in self._positions.items()]
        with m.If(ends.block):
            m.d.sync += [place[name].eq(place[f"{name}_column"]) for name in self._positions]
            if not program.bank.per_phase_parameters:
                m.d.sync += place.parameters.eq(line.parameters)
        with m.If(ends.position):
            m.d.sync += [
                place.right.eq(place.right - self._stride), place.parameters.eq(line.parameters),
                *[place[name].eq(line[name]) for name in self._pointers],
            ]
            for name, words in self._positions.items():
                column = place[f"{name}_next"]
                m.d.sync += [place[name].eq(column), place[f"{name}_column"].eq(column),
                             place[f"{name}_next"].eq(column + self._advance_words(words))]
            with m.If(place.left < max(1, px - program.reach[1][0])):
                m.d.sync += place.left.eq(place.left + self._stride)

    _PIPELINE = 5  # cycles from the counts to the group, of which 1 to its place

    def _find(self, m, line, counts, place, ends):
        """The group of these counts and this place, `_PIPELINE` - 1 cycles later."""
        group = Signal(self._layouts.group)
        taps = self._taps
        px = self._program.folding.px

        def later(value, cycles, name):
            return delay(m, value, cycles, name=name)

        for name in ("row_tap", "row_taps", "slot", "release"):
            m.d.comb += group[name].eq(later(line[name], 4, name))
        for name in self._positions:
            m.d.comb += group[name].eq(later(place[name], 4, name))
        m.d.comb += [group.end_of_line.eq(later(ends.line, 4, "end_of_line")),
                     group.tag.eq(later(self._tag(m, line, counts, place, ends), 1, "tag"))]
        # first cycle
        cut = later(taps.cut(m, counts.q, place.left, name="cut"), 1, "cut")
        start = later(taps.start(m, counts.q, name="start"), 1, "start")
        after = taps.after(m, place.right, name="after")
        kind = taps.kind(m, counts.q, name="kind")
        phase, kind, row_kind, row_cut = (
            later(value, 1, name) for value, name in (
                (counts.q, "phase"), (kind, "kind"), (line.row_kind, "row_kind"),
                (line.row_cut, "row_cut")))
        present = later(counts.pixels_left > counts.q, 2, "present") if px > 1 else 1
        size = taps.size(m, counts.q, name="size")
        # second cycle
        inside = later(taps.inside(m, phase, after, name="inside"), 1, "inside")
        # third cycle
        start, cut_2 = later(start, 1, "start"), later(cut, 1, "cut")
        first, count = Signal.like(group.column_tap), Signal.like(group.column_taps)
        chosen, chosen_count = taps.choose(start, cut_2, inside, size)
        m.d.comb += [first.eq(chosen), count.eq(Mux(present, chosen_count, 0))]
        m.d.comb += group.column_tap.eq(later(first, 2, "first"))
        count = later(count, 1, "count")
        # fourth cycle
        m.d.comb += group.column_taps.eq(later(count, 1, "count"))
        rows = later(line.row_taps, 3, "rows")
        empty = Signal()
        words = self._program.tap_visits
        m.d.comb += [
            empty.eq((count == 0) | (rows == 0)), group.empty.eq(later(empty, 1, "empty")),
            group.last.eq(later(Cat(empty | (words == 1), empty | (count == 1),
                                    empty | (rows == 1)), 1, "last")),
        ]
        for name, words in self._pointers.items():
            self._find_words(m, name, words, group, place, taps.left_out(cut), kind, row_cut, count)
        if px > 1:
            m.d.comb += [group.left.eq(later(place.left, 4, "left")),
                         group.right.eq(later(self._right(m, place), 3, "right"))]
        return group

    def _find_words(self, m, name, words, group, place, cut, kind, row_cut, count):
        """Where what is stored for a group begins, and how far it is to the next row of taps."""
        taps = self._taps
        most = max(taps.sizes)
        rows = delay(m, table(m, kind, row_cut, [
            [y * x * words for y in range(self._layouts.most_row_cut + 1)] for x in taps.sizes],
            name=f"{name}_rows"), 1, name=f"{name}_rows")
        columns = delay(m, lookup(m, cut, [n * words for n in range(most + 1)],
                                  name=f"{name}_columns"), 1, name=f"{name}_columns")
        offset = delay(m, rows + columns, 1, name=f"{name}_offset")
        m.d.comb += group[name].eq(delay(
            m, (delay(m, place[name], 3, name=name) + offset)[:len(group[name])], 1,
            name=f"{name}_first"))
        last = self._program.last_visit_steps if name == "weight" else 1
        skipped = table(m, delay(m, kind, 2, name="kind"), count, [
            [max(0, x - n) * words + last for n in range(most + 1)] for x in taps.sizes],
            name=f"{name}_skipped")
        m.d.comb += group["next_row" if name == "weight" else "next_flag_row"].eq(
            delay(m, skipped, 1, name=f"{name}_skipped"))

    def _tag(self, m, line, counts, place, ends):
        """The tag of a group, three cycles later."""
        px, phases = self._program.folding.px, self._program.phases[1]
        tag = Signal(self._layouts.tag)

        def later(value, cycles, name):
            return delay(m, value, cycles, name=name)

        # first cycle; a product would become a multiplier of the device
        low, high = (later(lookup(m, counts.q, [(q + n) * px for q in range(phases)], name=name),
                           1, name) for n, name in enumerate(("low", "high")))
        pixels = later(counts.pixels_left, 1, "pixels")
        # second cycle
        beat, last = later(pixels > low, 1, "beat"), later(pixels <= high, 1, "last")
        last &= beat & later(ends.block, 2, "end_of_block")
        # third cycle
        m.d.sync += [
            tag.first.eq(later(counts.first, 2, "first")), tag.beat.eq(beat), tag.last.eq(last),
            tag.end.eq(last & later(line.last, 2, "end_of_line")),
            tag.parameters.eq(later(place.parameters, 2, "parameters")),
            *[bank.eq(later(source, 2, "bank"))
              for bank, source in zip(bank_of(tag), bank_of(line), strict=True)],
        ]
        return tag

    def _right(self, m, place):
        """Columns to the right edge from the leftmost tap, at most what matters, a cycle later."""
        low, high = self._program.reach[1]
        return clamp(m, place.right, low, high + self._program.folding.px, name="right")
