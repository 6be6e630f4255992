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
        store, store_zero, possible = Signal(), Signal(), Signal()
        self._count(m, frame, ends, store)
        slot = self._find_room(m, store, ends, possible)
        in_flight, full = Signal(range(FRAMES + 1)), Signal()
        after = Signal.like(in_flight)
        done = delay(m, self.release_en & self.release.frame, 1, name="done")
        m.d.comb += after.eq(in_flight + self.o_frame.valid - done)
        m.d.sync += [in_flight.eq(after), full.eq(after == FRAMES)]
        m.d.comb += [
            self.o_frame.payload.eq(frame), self.o_frame.payload.slot.eq(slot),
            self.o_frame.payload.bank.eq(self.geometry.bank),
            self.o_frame.payload.end.eq(self.written + frame.last_row + 1),
        ]
        with m.If(store & ends.line):
            m.d.sync += self.written.eq(self.written + 1)
        self._check_framing(m, ends, store, store_zero, possible, full)
        self._write(m, store, store_zero, ends)
        return m

    def _count(self, m, frame, ends, store):
        """Where in the frame the next word goes; between frames, the size follows the registers."""
        beats = self._program.layout.input_beats
        word, rows, columns = Signal(up_to(beats - 1)), Signal.like(frame.last_row), \
            Signal.like(frame.last_column)  # rows and columns that follow this one
        last_word, last_row, last_column = Signal(init=beats == 1), Signal(), Signal()
        between, new = Signal(init=1), self.geometry
        m.d.comb += [ends.pixel.eq(last_word), ends.line.eq(last_word & last_column),
                     ends.frame.eq(ends.line & last_row)]
        with m.If(store):
            m.d.sync += [word.eq(word + 1), last_word.eq(word + 2 == beats),
                         between.eq(ends.frame)]
            with m.If(ends.pixel):
                m.d.sync += [word.eq(0), last_word.eq(beats == 1), columns.eq(columns - 1),
                             last_column.eq(columns == 1)]
            with m.If(ends.line):
                m.d.sync += [columns.eq(frame.last_column),
                             last_column.eq(frame.last_column == 0), rows.eq(rows - 1),
                             last_row.eq(rows == 1)]
        with m.If((between & ~store) | (store & ends.frame)):
            m.d.sync += [frame[name].eq(new[name]) for name in (
                "last_row", "last_column", "out_height", "out_width")]
            m.d.sync += [rows.eq(new.last_row), last_row.eq(new.last_row == 0),
                         columns.eq(new.last_column), last_column.eq(new.last_column == 0)]

    def _find_room(self, m, store, ends, possible):
        """A row may begin only in a free row of the circle. Returns the row of the circle."""
        rows = self._program.line_rows
        free, some = Signal(range(rows + 1), init=rows), Signal(init=1)
        begun, begin, slot = Signal(), Signal(), Signal(up_to(rows - 1))
        released = delay(m, Mux(self.release_en, self.release.rows, 0), 1, name="released")
        total = Signal.like(free)
        m.d.comb += [possible.eq(begun | some), begin.eq(store & ~begun),
                     total.eq(free + released)]
        # both outcomes are compared, so that the choice is late
        m.d.sync += [free.eq(total - begin), some.eq(Mux(begin, total != 1, total != 0))]
        with m.If(store):
            m.d.sync += begun.eq(~ends.line)
            with m.If(ends.line):
                m.d.sync += slot.eq(Mux(slot == rows - 1, 0, slot + 1))
        return slot

    def _check_framing(self, m, ends, store, store_zero, possible, full):
        """Take each beat: store it, or fill its place, or drop it."""
        lost, mismatch = Signal(), Signal()
        m.d.comb += mismatch.eq(self.i.payload.last != ends.line)

        def finish_beat():
            with m.If(mismatch):
                m.d.sync += lost.eq(1)
                m.d.comb += [self.errors.line_early.eq(~ends.line),
                             self.errors.line_late.eq(ends.line)]
            with m.Else():
                m.d.sync += lost.eq(0)
            with m.If(ends.frame):
                m.next = "WAIT"
            with m.Elif(mismatch):
                m.next = "FILL"
            with m.Else():
                m.next = "FRAME"

        with m.FSM():
            with m.State("WAIT"):
                with m.If(~self.i.valid):
                    pass
                with m.Elif(~self.i.payload.first):
                    m.d.comb += [self.i.ready.eq(1), self.errors.no_start.eq(~lost)]
                    m.d.sync += lost.eq(1)
                with m.Elif(~self.geometry.configured):
                    m.d.comb += [self.i.ready.eq(1), self.errors.not_configured.eq(1)]
                    m.d.sync += lost.eq(1)
                with m.Elif(possible & ~full):
                    m.d.comb += [self.i.ready.eq(1), store.eq(1), self.o_frame.valid.eq(1)]
                    finish_beat()
            with m.State("FRAME"):
                with m.If(self.i.valid & self.i.payload.first):
                    m.d.comb += self.errors.frame_early.eq(1)
                    m.next = "FILL"
                with m.Elif(self.i.valid & possible):
                    m.d.comb += [self.i.ready.eq(1), store.eq(1)]
                    finish_beat()
            with m.State("FILL"):
                m.d.comb += [store.eq(possible), store_zero.eq(1),
                             self.i.ready.eq(~self.i.payload.first)]
                with m.If(store & ends.frame):
                    m.next = "WAIT"

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
            values.append(Mux(store_zero, 0, value)[:program.activation_bits])
        m.submodules.cursor = cursor = Cursor(words=layout.input_beats, rows=program.line_rows,
                                              row_words=program.row_words, px=program.folding.px)
        m.d.comb += [
            cursor.next_word.eq(store), cursor.next_pixel.eq(store & ends.pixel),
            cursor.next_row.eq(store & ends.line),
        ]
        m.d.sync += [self.line.address.eq(cursor.address), self.line.data.eq(Cat(values)),
                     self.line.memory.eq(Mux(store, cursor.memory, 0))]
        if not program.skip_zeros:
            return
        # the flags follow a cycle later
        stored, pixel_stored, row_stored = (delay(m, store & end, 1, name=name) for end, name in (
            (1, "stored"), (ends.pixel, "pixel_stored"), (ends.line, "row_stored")))
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
