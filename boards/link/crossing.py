"""A stream from one clock to another."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["Crossing"]


class Crossing(wiring.Component):
    """One item at a time, which waits until the other side has taken it.

    A transfer takes three cycles of each clock. A reset must last that long on both sides at once,
    whatever is between them is lost then.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.
    i_domain, o_domain : str
        Clock of either side.

    Members
    -------
    i, o
        Both sides.
    """

    def __init__(self, shape, *, i_domain="sync", o_domain="sync"):
        self._i_domain, self._o_domain = i_domain, o_domain
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        # an item is on its way while the sides differ
        sent, taken = Signal(name="sent"), Signal(name="taken")
        sent_seen, taken_seen = Signal(name="sent_seen"), Signal(name="taken_seen")
        m.submodules.forth = FFSynchronizer(sent, sent_seen, o_domain=self._o_domain)
        m.submodules.back = FFSynchronizer(taken, taken_seen, o_domain=self._i_domain)
        m.d.comb += [self.i.ready.eq(sent == taken_seen), self.o.valid.eq(sent_seen != taken)]
        with m.If(self.i.valid & self.i.ready):
            m.d[self._i_domain] += [self.o.payload.eq(self.i.payload), sent.eq(~sent)]
        with m.If(self.o.valid & self.o.ready):
            m.d[self._o_domain] += taken.eq(~taken)
        return m
