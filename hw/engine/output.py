"""The output side: pixels in raster order, one beat after the other."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.quantisation import dtype_range

from ..quantisation import lane_bits
from .beat_queue import BeatQueue
from .ingest import Beat
from .layouts import Layouts

__all__ = ["Output"]


class Output(wiring.Component):
    """Queues the codes of each group as a beat of `px` pixels by `po` channels.

    A code is extended to its lane, of whole bytes, as it leaves.

    With several pixels a cycle, the groups of one block are the column phases of `px` positions:
    phase q of position n is pixel `S * n + q` of the block. They are gathered until the block is
    whole and leave as `S` beats of `px` neighbours; the tag of group q is that of beat q.

    There is always room in the queue: the sequencer counts the places.

    Parameters
    ----------
    program : Program
    depth : int
        Places in the queue.

    Members
    -------
    codes, i_valid, tag
        As `Requantiser` gives them.
    o
        Output stream.
    departure, end_of_frame
        High one cycle after a beat is taken, and after the last beat of a frame is.
    """

    def __init__(self, program, *, depth):
        self._program, self._depth = program, depth
        folding = program.folding
        lanes = folding.px * folding.po
        super().__init__({
            "codes": In(data.ArrayLayout(program.quantisation.output_bits, lanes)),
            "i_valid": In(1), "tag": In(Layouts(program).tag),
            "o": Out(stream.Signature(Beat(program.output_beat_bits))),
            "departure": Out(1), "end_of_frame": Out(1),
        })

    @staticmethod
    def latency(program):
        """Most cycles from a group's codes to its beat at `o`, that through the queue included.

        With several pixels a cycle, and a group each cycle, the block is whole after S cycles, and
        its last beat leaves 1 + S cycles later.
        """
        return BeatQueue.LATENCY + (2 * program.phases[1] if program.folding.px > 1 else 0)

    def elaborate(self, platform):
        m = Module()
        layout = data.StructLayout({**Beat(self.codes.shape().size).members, "end": 1})
        m.submodules.queue = queue = BeatQueue(layout, depth=self._depth)
        beat, beat_valid, leaving = queue.i, queue.i_valid, queue.o.payload
        if self._program.folding.px == 1:
            m.d.comb += [beat.data.eq(self.codes), beat.first.eq(self.tag.first),
                         beat.last.eq(self.tag.last), beat.end.eq(self.tag.end),
                         beat_valid.eq(self.i_valid & self.tag.beat)]
        else:
            self._gather(m, beat, beat_valid)
        m.d.comb += [
            self.o.valid.eq(queue.o.valid), queue.o.ready.eq(self.o.ready),
            self.o.payload.data.eq(self._lanes(leaving.data)),
            self.o.payload.first.eq(leaving.first), self.o.payload.last.eq(leaving.last),
        ]
        m.d.sync += [self.departure.eq(self.o.valid & self.o.ready),
                     self.end_of_frame.eq(self.o.valid & self.o.ready & leaving.end)]
        return m

    def _lanes(self, codes):
        """Codes side by side, each extended to its lane."""
        formats = self._program.quantisation
        extra = lane_bits(formats.output_dtype) - formats.output_bits
        codes = [codes.word_select(n, formats.output_bits) for n in range(len(self.codes))]
        if dtype_range(formats.output_dtype)[0] < 0:
            return Cat(Cat(code, code[-1].replicate(extra)) for code in codes)
        return Cat(Cat(code, Const(0, extra)) for code in codes)

    def _gather(self, m, beat, beat_valid):
        folding, phases = self._program.folding, self._program.phases[1]
        px, bits = folding.px, folding.po * self._program.quantisation.output_bits
        phase = Signal(range(phases))
        pixels = [Signal(bits, name=f"pixel_{n}") for n in range(phases * px)]
        tags = [Signal(self.tag.shape(), name=f"tag_{q}") for q in range(phases)]
        whole = Signal()
        m.d.sync += whole.eq(self.i_valid & (phase == phases - 1))
        with m.If(self.i_valid):
            m.d.sync += phase.eq(Mux(phase == phases - 1, 0, phase + 1))
        for q in range(phases):
            with m.If(self.i_valid & (phase == q)):
                m.d.sync += tags[q].eq(self.tag)
                m.d.sync += [pixels[phases * n + q].eq(self.codes.as_value().word_select(n, bits))
                             for n in range(px)]
        # a whole block moves on at once, since the next one overwrites it
        leaving = [Signal(beat.shape(), name=f"leaving_{q}") for q in range(phases)]
        valid = Signal(phases)
        with m.If(whole):
            m.d.sync += valid.eq(Cat(tag.beat for tag in tags))
            for q, (new, tag) in enumerate(zip(leaving, tags)):
                m.d.sync += [new.data.eq(Cat(pixels[q * px:(q + 1) * px])),
                             new.first.eq(tag.first), new.last.eq(tag.last),
                             new.end.eq(tag.end)]
        with m.Else():
            m.d.sync += valid.eq(valid >> 1)
            m.d.sync += [here.eq(after) for here, after in zip(leaving, leaving[1:])]
        m.d.comb += [beat.eq(leaving[0]), beat_valid.eq(valid[0])]
