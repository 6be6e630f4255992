"""A register stage for streams, with a registered `ready`."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

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

    def __init__(self, shape):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        spare = Signal.like(self.i.payload)
        spare_valid = Signal()
        m.d.comb += self.i.ready.eq(~spare_valid)
        with m.If(~spare_valid):
            m.d.sync += spare.eq(self.i.payload)
        # one expression, or synthesis makes a reset of it, which is slow to reach
        m.d.sync += spare_valid.eq((spare_valid | self.i.valid) & self.o.valid & ~self.o.ready)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid | spare_valid),
                         self.o.payload.eq(Mux(spare_valid, spare, self.i.payload))]
        return m
