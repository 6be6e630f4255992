"""The input side: checks the framing, subtracts the zero point, fills the line buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .cursor import Cursor
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
    row
        High in the cycle in which a row is completed.
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
            "row": Out(1), "release": In(layouts.release), "release_en": In(1),
            "errors": Out(data.StructLayout({name: 1 for name in ERRORS})),
        })

    def elaborate(self, platform):
        m = Module()
        program, layouts = self._program, self._layouts
        frame = Signal(layouts.frame)
        rows_left, columns_left = (Signal.like(frame.last_row), Signal.like(frame.last_column))
        store, store_zero = Signal(), Signal()
        end_of_pixel, end_of_line, end_of_frame = Signal(), Signal(), Signal()

        word = Signal(up_to(program.layout.input_beats - 1))
        m.d.comb += [
            end_of_pixel.eq(word == program.layout.input_beats - 1),
            end_of_line.eq(end_of_pixel & (columns_left == 0)),
            end_of_frame.eq(end_of_line & (rows_left == 0)),
            self.row.eq(store & end_of_line),
        ]
        with m.If(store):
            m.d.sync += word.eq(Mux(end_of_pixel, 0, word + 1))
            with m.If(end_of_line):
                m.d.sync += [columns_left.eq(frame.last_column), rows_left.eq(rows_left - 1)]
            with m.Elif(end_of_pixel):
                m.d.sync += columns_left.eq(columns_left - 1)

        # a row may begin only in a free row of the circle
        free = Signal(range(program.line_rows + 1), init=program.line_rows)
        row_begun, row_possible, slot = Signal(), Signal(), Signal.like(frame.slot)
        m.d.comb += row_possible.eq(row_begun | (free != 0))
        m.d.sync += free.eq(free + Mux(self.release_en, self.release.rows, 0)
                            - (store & ~row_begun))
        with m.If(store):
            m.d.sync += row_begun.eq(~end_of_line)
            with m.If(end_of_line):
                m.d.sync += slot.eq(Mux(slot == program.line_rows - 1, 0, slot + 1))

        in_flight = Signal(range(FRAMES + 1))
        m.d.sync += in_flight.eq(in_flight + self.o_frame.valid
                                 - (self.release_en & self.release.frame))

        size = ("last_row", "last_column", "out_height", "out_width")
        lost = Signal()
        mismatch = Signal()
        m.d.comb += mismatch.eq(self.i.payload.last != end_of_line)
        with m.FSM():
            def finish_beat():
                with m.If(mismatch):
                    m.d.sync += lost.eq(1)
                    m.d.comb += [self.errors.line_early.eq(~end_of_line),
                                 self.errors.line_late.eq(end_of_line)]
                with m.Else():
                    m.d.sync += lost.eq(0)
                with m.If(end_of_frame):
                    m.next = "WAIT"
                with m.Elif(mismatch):
                    m.next = "FILL"
                with m.Else():
                    m.next = "FRAME"

            with m.State("WAIT"):
                with m.If(~self.i.valid):
                    pass
                with m.Elif(~self.i.payload.first):
                    m.d.comb += [self.i.ready.eq(1), self.errors.no_start.eq(~lost)]
                    m.d.sync += lost.eq(1)
                with m.Elif(~self.geometry.configured):
                    m.d.comb += [self.i.ready.eq(1), self.errors.not_configured.eq(1)]
                    m.d.sync += lost.eq(1)
                with m.Elif(row_possible & (in_flight != FRAMES)):
                    m.d.comb += [self.i.ready.eq(1), store.eq(1), self.o_frame.valid.eq(1)]
                    finish_beat()
            with m.State("FRAME"):
                with m.If(self.i.valid & self.i.payload.first):
                    m.d.comb += self.errors.frame_early.eq(1)
                    m.next = "FILL"
                with m.Elif(self.i.valid & row_possible):
                    m.d.comb += [self.i.ready.eq(1), store.eq(1)]
                    finish_beat()
            with m.State("FILL"):
                m.d.comb += [store.eq(row_possible), store_zero.eq(1),
                             self.i.ready.eq(~self.i.payload.first)]
                with m.If(store & end_of_frame):
                    m.next = "WAIT"
        # between frames, the size follows the registers
        between = Signal(init=1)
        with m.If(store):
            m.d.sync += between.eq(end_of_frame)
        with m.If((between & ~store) | (store & end_of_frame)):
            m.d.sync += [frame[name].eq(self.geometry[name]) for name in size]
            m.d.sync += [rows_left.eq(self.geometry.last_row),
                         columns_left.eq(self.geometry.last_column)]
        m.d.comb += [self.o_frame.payload.eq(frame), self.o_frame.payload.slot.eq(slot),
                     self.o_frame.payload.bank.eq(self.geometry.bank)]
        self._write(m, store, store_zero, end_of_pixel, end_of_line)
        return m

    def _write(self, m, store, store_zero, end_of_pixel, end_of_line):
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
            cursor.next_word.eq(store), cursor.next_pixel.eq(store & end_of_pixel),
            cursor.next_row.eq(store & end_of_line),
            self.line.address.eq(cursor.address), self.line.data.eq(Cat(values)),
            self.line.memory.eq(Mux(store, cursor.memory, 0)),
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
            flag_end.eq(store & (block_end | (bit == program.flag_bits - 1))),
            cursor.next_word.eq(flag_end), cursor.next_pixel.eq(store & end_of_pixel),
            cursor.next_row.eq(store & end_of_line),
            self.flag.address.eq(cursor.address), self.flag.data.eq(new_flags),
            self.flag.memory.eq(Mux(flag_end, cursor.memory, 0)),
        ]
        with m.If(store):
            m.d.sync += [flags.eq(Mux(flag_end, 0, new_flags)),
                         bit.eq(Mux(flag_end, 0, bit + 1)),
                         in_block.eq(Mux(block_end, 0, in_block + 1))]
