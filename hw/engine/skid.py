"""A register stage for streams, with a registered `ready`."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..primitives.devices import near_flag

__all__ = ["SkidBuffer"]


class SkidBuffer(wiring.Component):
    """Two places that cut both directions of a stream; one transfer each cycle.

    An item taken in one cycle is offered in the next.

    Parameters
    ----------
    shape : ShapeLike
        Payload.

    Members
    -------
    i, o
        Streams.
    """

    PART = 64   # bits that are near each other

    def __init__(self, shape):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        source, target = Value.cast(self.i.payload), Value.cast(self.o.payload)
        spare = Signal(source.shape())
        spare_valid, moves, stays = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~spare_valid), moves.eq(~self.o.valid | self.o.ready),
            # one expression, or synthesis makes a reset of it, which is slow to reach
            stays.eq((spare_valid | self.i.valid) & self.o.valid & ~self.o.ready),
        ]
        m.d.sync += spare_valid.eq(stays)
        with m.If(moves):
            m.d.sync += self.o.valid.eq(self.i.valid | spare_valid)
        parts = range(0, len(source), self.PART)
        for n, first in enumerate(parts):
            part = slice(first, first + self.PART)
            chosen = spare_valid
            if len(parts) > 1:      # a copy for each part
                chosen = near_flag(m, platform, stays, f"chosen_{n}")
            with m.If(~chosen):
                m.d.sync += spare[part].eq(source[part])
            with m.If(moves):
                m.d.sync += target[part].eq(Mux(chosen, spare[part], source[part]))
        return m
