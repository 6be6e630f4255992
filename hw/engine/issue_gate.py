"""Says when the next step may be issued, so that nothing behind it ever has to wait."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .credits import some_left
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
        interval = self._interval
        free = Signal(init=1)
        credit = some_left(m, self.departure, self.go & self.needs_credit, most=self._credits,
                           init=self._credits, name="credits")
        m.d.comb += self.may.eq((credit | ~self.needs_credit) & (free | ~self.last))
        if interval == 1:
            return m
        ended = self.go & self.last
        wait = Signal(up_to(interval))      # a cycle late, so that it need not wait for `go`
        started = Signal()
        m.d.sync += [started.eq(ended),
                     free.eq(~ended & (free | (started if interval == 2 else wait == 1)))]
        with m.If(started):
            m.d.sync += wait.eq(interval - 2)
        with m.Elif(wait.any()):
            m.d.sync += wait.eq(wait - 1)
        return m
