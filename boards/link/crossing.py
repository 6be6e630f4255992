"""A stream from one clock to another."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["Crossing"]


class Crossing(wiring.Component):
    """One item at a time, which stays where it is until the other side has taken it.

    So `i` must not change what it offers, and a transfer takes three cycles of each clock. A reset
    must last that long on both sides at once; what is between them is lost then.

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
        offered, taken = Signal(name="offered"), Signal(name="taken")   # differ while one waits
        offered_seen, taken_seen = Signal(name="offered_seen"), Signal(name="taken_seen")
        done = Signal(name="done")      # `taken_seen` a cycle before
        m.submodules.forth = FFSynchronizer(offered, offered_seen, o_domain=self._o_domain)
        m.submodules.back = FFSynchronizer(taken, taken_seen, o_domain=self._i_domain)
        m.d[self._i_domain] += done.eq(taken_seen)
        m.d.comb += [self.i.ready.eq(done != taken_seen), self.o.valid.eq(offered_seen != taken),
                     self.o.payload.eq(self.i.payload)]
        with m.If(self.i.valid & (offered == taken_seen) & ~self.i.ready):
            m.d[self._i_domain] += offered.eq(~offered)
        with m.If(self.o.valid & self.o.ready):
            m.d[self._o_domain] += taken.eq(~taken)
        return m
