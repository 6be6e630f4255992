"""The input side: checks the framing, subtracts the zero point, fills the line buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .cursor import Cursor
from .delay import delay
from .layouts import Layouts, up_to
from .line_buffer import write_port

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
        Beats of `layout.input_lanes` bytes.
    geometry
        Size and weights for the next frame.
    o_frame
        Each frame as its first beat is consumed; always taken at once.
    line, flag
        Write ports of the line buffer, and of its non-zero flags.
    written
        Rows completed, over all frames; the last word of a row is in the line buffer a cycle later.
    release, release_en
        Rows and frame that the sequencer hands back.
    errors
        One bit for each of `ERRORS`, high for one cycle.
    """

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        super().__init__({
            "i": In(stream.Signature(Beat(8 * program.layout.input_lanes))),
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
        frame, ends = Signal(self._layouts.frame), Signal(data.StructLayout(
            {name: 1 for name in ("pixel", "line", "frame")}))
        waiting, store, store_zero = Signal(init=1), Signal(), Signal()
        self._count(m, frame, ends, waiting, store)
        slot, row_possible, frame_possible = self._find_room(m, store, ends)
        m.d.comb += [
            self.o_frame.payload.eq(frame), self.o_frame.payload.slot.eq(slot),
            self.o_frame.payload.bank.eq(self.geometry.bank),
            self.o_frame.payload.end.eq(self.written + frame.last_row + 1),
        ]
        with m.If(store & ends.line):
            m.d.sync += self.written.eq(self.written + 1)
        self._check_framing(m, ends, waiting, store, store_zero, row_possible, frame_possible)
        self._write(m, store, store_zero, ends)
        return m

    def _count(self, m, frame, ends, waiting, store):
        """Where in the frame the next word goes; between frames, the size follows the registers."""
        beats = self._program.layout.input_beats
        word, rows, columns = Signal(up_to(beats - 1)), Signal.like(frame.last_row), \
            Signal.like(frame.last_column)  # rows and columns that follow this one
        last_word, last_row, last_column = Signal(init=beats == 1), Signal(), Signal()
        new = self.geometry
        m.d.comb += [ends.pixel.eq(last_word), ends.line.eq(last_word & last_column),
                     ends.frame.eq(ends.line & last_row)]
        with m.If(store):
            m.d.sync += [word.eq(word + 1), last_word.eq(word + 2 == beats)]
            with m.If(ends.pixel):
                m.d.sync += [word.eq(0), last_word.eq(beats == 1), columns.eq(columns - 1),
                             last_column.eq(columns == 1)]
            with m.If(ends.line):
                m.d.sync += [columns.eq(frame.last_column),
                             last_column.eq(frame.last_column == 0), rows.eq(rows - 1),
                             last_row.eq(rows == 1)]
        with m.If((waiting & ~store) | (store & ends.frame)):
            m.d.sync += [rows.eq(new.last_row), last_row.eq(new.last_row == 0),
                         columns.eq(new.last_column), last_column.eq(new.last_column == 0)]
        with m.If(waiting | ends.frame):  # not waiting for `store`, which comes late in the cycle
            m.d.sync += [frame[name].eq(new[name]) for name in (
                "last_row", "last_column", "out_height", "out_width")]

    def _find_room(self, m, store, ends):
        """A row may begin only in a free row of the circle, a frame only if few are in flight.

        Returns the row of the circle, and whether a word of a row, and of a frame, may be stored.
        """
        rows = self._program.line_rows
        free, slot, begun = Signal(range(rows + 1), init=rows), Signal(up_to(rows - 1)), Signal()
        row_possible, frame_possible = Signal(init=1), Signal()
        begin, begun_next, some, total = Signal(), Signal(), Signal(), Signal.like(free)
        released, done = (delay(m, Mux(self.release_en, value, 0), 1, name="released")
                          for value in (self.release.rows, self.release.frame))
        in_flight = Signal(range(FRAMES + 1))
        in_flight_next = Signal.like(in_flight)
        m.d.comb += [
            begin.eq(store & ~begun), begun_next.eq(Mux(store, ~ends.line, begun)),
            total.eq(free + released),
            some.eq(Mux(begin, total != 1, total != 0)),  # compared first, since `begin` is late
            in_flight_next.eq(in_flight + self.o_frame.valid - done),
        ]
        m.d.sync += [
            begun.eq(begun_next), free.eq(total - begin), in_flight.eq(in_flight_next),
            row_possible.eq(begun_next | some),
            frame_possible.eq(some & (in_flight_next != FRAMES)),
        ]
        with m.If(store & ends.line):
            m.d.sync += slot.eq(Mux(slot == rows - 1, 0, slot + 1))
        return slot, row_possible, frame_possible

    def _check_framing(self, m, ends, waiting, store, store_zero, row_possible, frame_possible):
        """Take each beat: store it, or fill its place, or drop it."""
        first, valid = self.i.payload.first, self.i.valid
        in_frame, filling = Signal(), Signal()  # neither: waiting
        start, more, taken, mismatch, lost = (Signal() for _ in range(5))
        no_start = waiting & ~first
        not_configured = waiting & first & ~self.geometry.configured
        m.d.comb += [
            start.eq(waiting & first & self.geometry.configured & frame_possible),
            more.eq(in_frame & ~first & row_possible),
            taken.eq(valid & (start | more)), mismatch.eq(self.i.payload.last != ends.line),
            self.i.ready.eq(start | more | no_start | not_configured | (filling & ~first)),
            self.o_frame.valid.eq(valid & start),
            store.eq(taken | (filling & row_possible)), store_zero.eq(filling),
        ]
        m.d.sync += [
            self.errors.line_early.eq(taken & mismatch & ~ends.line),
            self.errors.line_late.eq(taken & mismatch & ends.line),
            self.errors.frame_early.eq(valid & in_frame & first),
            self.errors.no_start.eq(valid & no_start & ~lost),
            self.errors.not_configured.eq(valid & not_configured),
        ]
        with m.If(taken):
            m.d.sync += lost.eq(mismatch)
        with m.Elif(valid & (no_start | not_configured)):
            m.d.sync += lost.eq(1)
        # expressions: of conditions, synthesis makes resets and enables, which are slow to reach
        finish = store & ends.frame
        breaks = (taken & mismatch) | (valid & in_frame & first)
        m.d.sync += [
            waiting.eq(finish | (waiting & ~taken)), filling.eq(~finish & (breaks | filling)),
            in_frame.eq(~finish & ~breaks & (taken | in_frame)),
        ]

    def _write(self, m, store, store_zero, ends):
        """Send this cycle's word, and its non-zero flag, to the line buffer."""
        program, layout = self._program, self._program.layout
        byte = signed(8) if program.quantisation.dtype == "int8" else unsigned(8)
        values = []
        for lane in range(layout.input_lanes):
            code = Signal(byte, name=f"code_{lane}")
            value = Signal(signed(program.activation_bits), name=f"value_{lane}")
            m.d.comb += [code.eq(self.i.payload.data.word_select(lane, 8)),
                         value.eq(code - program.quantisation.input_zero_point)]
            values.append(delay(m, Mux(store_zero, 0, value)[:program.activation_bits], 1,
                                name=f"value_{lane}"))
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
        if not program.skip_zeros:
            return
        flags, bit, in_block = Signal(program.flag_bits), Signal(range(program.flag_bits + 1)), \
            Signal(up_to(layout.block_inputs - 1))
        new_flags, flag_end, block_end = Signal(program.flag_bits), Signal(), Signal()
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
