"""The input side: checks the framing, subtracts the zero point, fills the line buffer."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.quantisation import dtype_range

from ..quantisation import lane_bits
from .cursor import Cursor
from .delay import delay
from .layouts import Layouts, up_to
from .line_buffer import write_port
from .lookup import ends_of

__all__ = ["Ingest", "Beat", "Geometry", "ERRORS"]

ERRORS = ("line_early", "line_late", "frame_early", "no_start", "not_configured")
FRAMES = 2  # frames in flight: one that arrives while one is worked on


def Beat(bits):
    """Payload of a video stream: `data`, `first` of a frame (tuser), `last` of a line (tlast)."""
    return data.StructLayout({"data": unsigned(bits), "first": 1, "last": 1})


def Geometry(program):
    """The run-time frame size, and whether weights are there."""
    frame = Layouts(program).frame.members
    return data.StructLayout({**{name: shape for name, shape in frame.items() if name != "slot"},
                              "configured": 1})


class Ingest(wiring.Component):
    """Writes whole frames into the line buffer, whatever the stream does.

    The sequencer only ever sees complete frames: where the stream breaks one off, the rest of it
    is filled with zeros, one word each cycle, and what follows is dropped up to the next start of
    frame. So a broken stream spoils one frame, sets its error bit, and never stops the engine.

    A beat is consumed in the cycle in which `i` transfers, at most one each cycle; the first beat
    of a row waits for a free row, the first of a frame until fewer than two are in flight.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Beats of `layout.input_lanes` codes, each in a lane of whole bytes.
    geometry
        Size and weights for the next frame.
    o_frame
        Each frame as its first beat is consumed; always taken at once.
    line, flag
        Write ports of the line buffer, and of its non-zero flags.
    written
        Rows in the line buffer, counted over all frames.
    release, release_en
        Rows and frame that the sequencer hands back.
    errors
        One bit for each of `ERRORS`, high for one cycle.
    """

    READ = 4    # cycles, at least, from the release of a row to the end of its last read

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        super().__init__({
            "i": In(stream.Signature(Beat(program.input_beat_bits))),
            "geometry": In(Geometry(program)),
            "o_frame": Out(stream.Signature(layouts.frame, always_ready=True)),
            "line": Out(write_port(layouts.line_address, program.folding.px,
                                   program.line_word_bits)),
            "flag": Out(write_port(layouts.flag_line_address, program.folding.px,
                                   program.flag_bits)),
            "written": Out(layouts.row_number), "release": In(layouts.release), "release_en": In(1),
            "errors": Out(data.StructLayout({name: 1 for name in ERRORS})),
        })

    def elaborate(self, platform):
        m = Module()
        frame = Signal(self._layouts.frame)
        ends = Signal(data.StructLayout({name: 1 for name in ("pixel", "line", "frame")}),
                      init={"pixel": self._program.layout.input_beats == 1})
        state = Signal(self._state, init={"waiting": 1})
        store = Signal()
        first, valid = self.i.payload.first, self.i.valid
        taken = valid & Mux(first, state.may_start, state.may_more)
        m.d.comb += [
            self.i.ready.eq(Mux(first, state.takes_first, state.takes_other)),
            store.eq(taken | state.may_fill),
            self.o_frame.valid.eq(valid & first & state.may_start),
        ]
        self._count(m, frame, ends, state.waiting, store)
        rows, frames, slot = self._find_room(m, state, store, ends)
        # both outcomes are worked out first, since `store` is late in its cycle
        m.d.sync += state.eq(Mux(store, *(self._following(stored, state, ends, rows, frames)
                                          for stored in (True, False))))
        self._tell(m, state, ends, taken)
        self._write(m, store, state.filling, ends)
        m.d.comb += [
            self.o_frame.payload.eq(frame), self.o_frame.payload.slot.eq(slot),
            self.o_frame.payload.bank.eq(self.geometry.bank),
        ]
        return m

    @property
    def _state(self):
        """In a frame, filling up its rest, or waiting for one; what may be stored, and taken."""
        return data.StructLayout({name: 1 for name in (
            "waiting", "in_frame", "filling", "begun",      # a row is begun
            "may_start", "may_more", "may_fill", "takes_first", "takes_other")})

    def _following(self, stored, state, ends, rows, frames):
        """The state after a cycle in which a word is stored, or none is.

        `rows` and `frames` tell whether then there is a row, and room for a frame.
        """
        first, configured = self.i.payload.first, self.geometry.configured
        if stored:
            mismatch = self.i.payload.last != ends.line
            waiting, begun = ends.frame, ~ends.line
            filling = ~ends.frame & (state.filling | mismatch)
            in_frame = ~ends.frame & ~state.filling & ~mismatch
        else:
            early = state.in_frame & self.i.valid & first
            waiting, begun = state.waiting, state.begun
            filling = state.filling | early
            in_frame = state.in_frame & ~early
        row = begun | rows[stored]
        start = waiting & rows[stored] & frames[stored]
        return Cat(waiting, in_frame, filling, begun,
                   start & configured, in_frame & row, filling & row,
                   start | (waiting & ~configured), waiting | filling | (in_frame & row))

    def _count(self, m, frame, ends, waiting, store):
        """Where in the frame the next word goes; between frames, the size follows the registers."""
        program, beats = self._program, self._program.layout.input_beats
        out_height, out_width = program.layer.output_size(program.height, program.width)
        new = Signal(self.geometry.shape(), init={
            "last_row": program.height - 1, "last_column": program.width - 1,
            "out_height": out_height, "out_width": out_width})
        # whether none, or one, follows the first column and row
        few, frame_few = (Signal(data.StructLayout({name: 1 for name in (
            "no_column", "no_row", "one_column", "one_row")}), name=name, init={
                "no_column": program.width == 1, "one_column": program.width == 2,
                "no_row": program.height == 1, "one_row": program.height == 2})
            for name in ("few", "frame_few"))
        rows = Signal.like(frame.end, init=program.height)
        size = self.geometry
        m.d.sync += [new.eq(size), rows.eq(size.last_row + 1),
                     few.eq(Cat(size.last_column == 0, size.last_row == 0,
                                size.last_column == 1, size.last_row == 1))]
        # the word; whether word, column and row are the last ones; whether one column, one row
        # follows
        count = Signal(data.StructLayout({"word": up_to(beats - 1), "last": 3, "one": 2}),
                       init={"last": beats == 1})
        after = Signal.like(count)
        idle = Signal.like(count)
        two_columns, two_rows = (
            _two_left(m, frame[name], store & step, Mux(store, restart, waiting), name=name)
            for name, step, restart in (("last_column", ends.pixel, ends.line),
                                        ("last_row", ends.line, ends.frame)))
        m.d.comb += [after.eq(count), after.word.eq(count.word + 1), idle.eq(count),
                     after.last[0].eq((beats == 1) | (count.word + 2 == beats))]
        with m.If(ends.pixel):
            m.d.comb += [after.word.eq(0), after.one[0].eq(two_columns),
                         after.last[:2].eq(Cat(beats == 1, count.one[0]))]
        with m.If(ends.line):
            m.d.comb += [after.one.eq(Cat(frame_few.one_column, two_rows)),
                         after.last[1:].eq(Cat(frame_few.no_column, count.one[1]))]
        for place, begins in ((after, ends.frame), (idle, waiting)):
            with m.If(begins):
                m.d.comb += [place.one.eq(Cat(few.one_column, few.one_row)),
                             place.last[1:].eq(Cat(few.no_column, few.no_row))]
        m.d.sync += [count.eq(Mux(store, after, idle)),
                     ends.eq(Mux(store, ends_of(after.last), ends_of(idle.last)))]
        begins = self.o_frame.valid
        end = Signal.like(frame.end)    # of the frames so far
        with m.If(begins):
            m.d.sync += end.eq(frame.end)
        with m.If(waiting | ends.frame):  # not waiting for `store`
            m.d.sync += frame_few.eq(few)
            m.d.sync += frame.end.eq(Mux(begins, frame.end + rows, end + rows))
            m.d.sync += [frame[name].eq(new[name]) for name in (
                "last_row", "last_column", "out_height", "out_width")]

    def _find_room(self, m, state, store, ends):
        """A row may begin only in a free row of the circle, a frame only if few are in flight.

        Returns whether there is a free row, and room for a frame, in the next cycle, each without
        and with a word that is stored in this one; and the row of the circle.
        """
        rows = self._program.line_rows
        # in the next cycle, if no row begins or began; no comparison with it is constant
        free = Signal(range(max(4, rows) + 1), init=rows)
        begin = Signal()
        began = Signal()
        some = Signal(init=1)
        more = Signal(init=rows > 1)    # than one
        slot = Signal(up_to(rows - 1))
        in_flight = Signal(range(FRAMES + 1))
        left = Signal(range(FRAMES + 1))
        released = delay(m, Mux(self.release_en, self.release.rows, 0)[:len(free)], self.READ - 2,
                         name="released")
        done = delay(m, self.release_en & self.release.frame, 1, name="done")
        m.d.comb += [begin.eq(store & ~state.begun), left.eq(in_flight - done)]

        def above(n):
            return Mux(begin, Mux(began, free > n + 2, free > n + 1),
                       Mux(began, free > n + 1, free > n))
        m.d.sync += [began.eq(begin), free.eq(free + released - began),
                     some.eq(above(0)), more.eq(above(1)),
                     in_flight.eq(left + self.o_frame.valid)]
        with m.If(store & ends.line):
            m.d.sync += slot.eq(Mux(slot == rows - 1, 0, slot + 1))
        room = left != FRAMES
        return ((some, Mux(state.begun, some, more)),
                (room, Mux(state.waiting, left != FRAMES - 1, room)), slot)

    def _tell(self, m, state, ends, taken):
        """Set the error bits; of what is lost, only the first beat is told."""
        first = self.i.payload.first
        valid = self.i.valid
        lost = Signal()
        mismatch = self.i.payload.last != ends.line
        no_start = valid & ~first & state.waiting
        not_configured = valid & first & state.takes_first & ~state.may_start
        m.d.sync += [
            self.errors.line_early.eq(taken & mismatch & ~ends.line),
            self.errors.line_late.eq(taken & mismatch & ends.line),
            self.errors.frame_early.eq(valid & state.in_frame & first),
            self.errors.no_start.eq(no_start & ~lost),
            self.errors.not_configured.eq(not_configured),
        ]
        with m.If(taken):
            m.d.sync += lost.eq(mismatch)
        with m.Elif(no_start | not_configured):
            m.d.sync += lost.eq(1)

    def _write(self, m, store, store_zero, ends):
        """Send this cycle's word, and its non-zero flag, to the line buffer."""
        program, layout = self._program, self._program.layout
        dtype = program.quantisation.dtype
        low, high = dtype_range(dtype)
        shape = Shape.cast(range(low, high + 1))
        zero, values = delay(m, store_zero, 1, name="zero"), []
        for lane in range(layout.input_lanes):
            code = Signal(shape, name=f"code_{lane}")
            value = Signal(signed(program.activation_bits), name=f"value_{lane}")
            m.d.comb += [code.eq(self.i.payload.data.word_select(lane, lane_bits(dtype))),
                         value.eq(code - program.quantisation.input_zero_point)]
            later = delay(m, value, 1, name=f"value_{lane}")
            values.append(Mux(zero, 0, later)[:program.activation_bits])
        stored, pixel_stored, row_stored = (delay(m, store & end, 1, name=name) for end, name in (
            (1, "stored"), (ends.pixel, "pixel_stored"), (ends.line, "row_stored")))
        m.submodules.cursor = cursor = Cursor(words=layout.input_beats, rows=program.line_rows,
                                              row_words=program.row_words, px=program.folding.px)
        m.d.comb += [
            cursor.next_word.eq(stored), cursor.next_pixel.eq(pixel_stored),
            cursor.next_row.eq(row_stored),
            self.line.address.eq(cursor.address), self.line.data.eq(Cat(values)),
            self.line.memory.eq(Mux(stored, cursor.memory, 0)),
        ]
        with m.If(row_stored):
            m.d.sync += self.written.eq(self.written + 1)
        if not program.skip_zeros:
            return
        flags = Signal(program.flag_bits)
        bit = Signal(range(program.flag_bits + 1))
        in_block = Signal(up_to(layout.block_inputs - 1))
        new_flags = Signal(program.flag_bits)
        flag_end = Signal()
        block_end = Signal()
        m.submodules.flag_cursor = cursor = Cursor(
            words=layout.blocks * program.flag_words, rows=program.line_rows,
            row_words=self._layouts.flag_row_words, px=program.folding.px)
        m.d.comb += [
            new_flags.eq(flags | (self.line.data.any() << bit)[:program.flag_bits]),
            block_end.eq(in_block == layout.block_inputs - 1),
            flag_end.eq(stored & (block_end | (bit == program.flag_bits - 1))),
            cursor.next_word.eq(flag_end), cursor.next_pixel.eq(pixel_stored),
            cursor.next_row.eq(row_stored),
            self.flag.address.eq(cursor.address), self.flag.data.eq(new_flags),
            self.flag.memory.eq(Mux(flag_end, cursor.memory, 0)),
        ]
        with m.If(stored):
            m.d.sync += [flags.eq(Mux(flag_end, 0, new_flags)),
                         bit.eq(Mux(flag_end, 0, bit + 1)),
                         in_block.eq(Mux(block_end, 0, in_block + 1))]


def _two_left(m, most, step, restart, *, name):
    """Whether two are left of a count down from `most`.

    The count is a cycle late, so that no wide register waits for `step` and `restart`; `most` is
    taken in the cycle after the restart.
    """
    left = Signal.like(most, name=f"{name}_left")
    stepped = Signal(name=f"{name}_stepped")
    restarted = Signal(name=f"{name}_restarted")
    m.d.sync += [stepped.eq(step), restarted.eq(restart),
                 left.eq(Mux(restarted, most, left - stepped))]
    return Mux(restarted, most == 2, Mux(stepped, left == 3, left == 2))
