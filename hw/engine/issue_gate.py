"""Says when the next step may be issued, so that nothing behind it ever has to wait."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .layouts import up_to

__all__ = ["IssueGate"]


class IssueGate(wiring.Component):
    """Credits of the output queue, and the distance between groups.

    The first step of a group that makes an output beat takes a credit, and the beat's departure
    gives it back: so the output queue always has room. The last steps of two groups are at least
    `result_interval` cycles apart: so the requantiser is always free.

    Parameters
    ----------
    program : Program
    credits : int
        Places in the output queue.

    Members
    -------
    needs_credit, last
        Of the next step: whether it is the first one of a group that makes a beat, and whether it
        is the last one of its group.
    may
        It may be issued.
    go
        It is.
    departure
        High in the cycle after one in which an output beat is taken.
    """

    def __init__(self, program, *, credits):
        self._interval, self._credits = program.result_interval, credits
        super().__init__({"needs_credit": In(1), "last": In(1), "may": Out(1), "go": In(1),
                          "departure": In(1)})

    def elaborate(self, platform):
        m = Module()
        credits, some = Signal(range(self._credits + 1), init=self._credits), Signal(init=1)
        total, take = Signal.like(credits), Signal()
        wait, free = Signal(up_to(self._interval)), Signal(init=1)
        m.d.comb += [
            total.eq(credits + self.departure),
            take.eq(self.go & self.needs_credit),
            self.may.eq((some | ~self.needs_credit) & (free | ~self.last)),
        ]
        # both outcomes are compared, so that the choice is late
        m.d.sync += [credits.eq(credits + (self.departure - take)),
                     some.eq(Mux(take, total[1:].any(), total.any()))]
        with m.If(self.go & self.last):
            m.d.sync += [wait.eq(self._interval - 1), free.eq(self._interval == 1)]
        with m.Elif(~free):
            m.d.sync += [wait.eq(wait - 1), free.eq(wait == 1)]
        return m
