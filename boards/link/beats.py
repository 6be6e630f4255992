"""Bytes to beats of the engine's streams, and back."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .protocol import BEAT_COUNT_BITS, SEGMENT, Flag

__all__ = ["Beat", "Packer", "Unpacker"]


def Beat(size):
    """A beat of an input stream: so many bytes, and its flags."""
    return data.StructLayout({"data": 8 * size, "first": 1, "last": 1})


class Unpacker(wiring.Component):
    """Segments (`protocol.segment`) to beats.

    Parameters
    ----------
    pixel_bytes, weight_bytes : int
        Bytes of a beat; `weight_bytes` is 0 without a weight stream, and so are the beats of a
        segment for it.

    Members
    -------
    i
        Bytes.
    pixels, weights
        Beats.
    """

    def __init__(self, pixel_bytes, weight_bytes):
        self._bytes = pixel_bytes, weight_bytes
        super().__init__({
            "i": In(stream.Signature(8)), "pixels": Out(stream.Signature(Beat(pixel_bytes))),
            "weights": Out(stream.Signature(Beat(weight_bytes)))})

    def elaborate(self, platform):
        m = Module()
        sizes, outputs = self._bytes, (self.pixels, self.weights)
        beat = Signal(8 * max(sizes))   # bytes come in at the top
        header = Signal(8 * SEGMENT.size)
        left = Signal(range(max(*sizes, SEGMENT.size) + 1), init=SEGMENT.size)
        begun = Signal()    # whether a beat of the segment has gone
        count, weights = header[:BEAT_COUNT_BITS], header[Flag.WEIGHTS]
        for output, size in zip(outputs, sizes):
            m.d.comb += [output.p.data.eq(beat[8 * (max(sizes) - size):]),
                         output.p.first.eq(header[Flag.FIRST] & ~begun),
                         output.p.last.eq(header[Flag.LAST] & (count == 1))]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += left.eq(left - 1)

        def begin_beat():
            for n, size in enumerate(sizes):
                with m.If(weights == n):
                    m.d.sync += left.eq(size)

        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(left != 0)
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += header.eq(Cat(header, self.i.payload)[8:])
                with m.If(left == 0):
                    m.d.sync += begun.eq(0)
                    begin_beat()
                    m.next = "BEAT"
            with m.State("BEAT"):
                m.d.comb += self.i.ready.eq((count != 0) & (left != 0))
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += beat.eq(Cat(beat, self.i.payload)[8:])
                with m.If(count == 0):
                    m.d.sync += left.eq(SEGMENT.size)
                    m.next = "HEADER"
                with m.Elif(left == 0):
                    m.next = "SEND"
            with m.State("SEND"):
                taken = Signal()
                for n, (output, size) in enumerate(zip(outputs, sizes)):
                    with m.If(weights == n):
                        m.d.comb += [output.valid.eq(size != 0),
                                     taken.eq(output.ready | (size == 0))]
                with m.If(taken):
                    m.d.sync += [begun.eq(1), count.eq(count - 1)]
                    begin_beat()
                    m.next = "BEAT"
        return m


class Packer(wiring.Component):
    """Beats to bytes, the lowest first.

    Parameters
    ----------
    size : int
        Bytes of a beat.

    Members
    -------
    i
        Beats.
    o
        Bytes.
    """

    def __init__(self, size):
        self._size = size
        super().__init__({"i": In(stream.Signature(8 * size)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        beat = Signal(8 * self._size)
        left = Signal(range(self._size + 1))
        m.d.comb += [self.i.ready.eq(left == 0), self.o.valid.eq(left != 0),
                     self.o.payload.eq(beat[:8])]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [beat.eq(self.i.payload), left.eq(self._size)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [beat.eq(beat[8:]), left.eq(left - 1)]
        return m
