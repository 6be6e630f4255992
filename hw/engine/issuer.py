"""Issues one step each cycle, and holds back what the output could not take."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, up_to

__all__ = ["Issuer"]


class Issuer(wiring.Component):
    """Unrolls visits into steps; what follows never stalls.

    The first step of a group that makes an output beat takes a credit, and the beat's departure
    gives it back: so the output queue always has room. The last steps of two groups are at least
    `result_interval` cycles apart: so the requantiser is always free.

    Latency 1; one step each cycle, a group without steps takes one cycle.

    Parameters
    ----------
    program : Program
    credits : int
        Places in the output queue.

    Members
    -------
    i
        Visits; with look-ahead, `mask` tells which steps are to be done.
    o
        The step of this cycle.
    o_valid
        Whether there is one.
    departure
        High in the cycle in which an output beat is taken.
    release, release_en
        What the group that ends in this cycle hands back.
    """

    def __init__(self, program, *, credits):
        self._program, self._credits = program, credits
        layouts = Layouts(program)
        super().__init__({
            "i": In(stream.Signature(layouts.work)), "o": Out(layouts.step), "o_valid": Out(1),
            "departure": In(1), "release": Out(layouts.release), "release_en": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        program = self._program
        head, valid, go, last_step = Signal(self.i.payload.shape()), Signal(), Signal(), Signal()
        fresh = Signal(init=1)                      # the next step is the first one of its group
        credits = Signal(range(self._credits + 1), init=self._credits)
        interval = Signal(up_to(program.result_interval - 1))
        last, live, mac = Signal(), Signal(), self.o.mac
        m.d.comb += [
            last.eq(last_step & head.last),
            go.eq(valid & (~fresh | ~head.tag.beat | (credits != 0)) & (~last | (interval == 0))),
            self.i.ready.eq(~valid | (go & last_step)),
            self.o_valid.eq(go), self.release_en.eq(go & last), self.release.eq(head.release),
            mac.first.eq(fresh), mac.last.eq(last), mac.tag.eq(head.tag),
            mac.rotate.eq(head.rotate), mac.lanes.eq(Mux(live, head.lanes, 0)),
        ]
        if program.looks_ahead:
            m.d.comb += live.eq(head.mask != 0)
            self._next_of_mask(m, head, last_step)
        else:
            m.d.comb += [last_step.eq(~head.length[1:].any()), live.eq(head.length != 0),
                         self.o.lines.eq(head.lines), self.o.weight.eq(head.weight)]
        with m.If(go):
            m.d.sync += fresh.eq(last)
            if program.looks_ahead:
                m.d.sync += head.mask.eq(head.mask & (head.mask - 1))
            else:
                m.d.sync += [head.length.eq(head.length - 1), head.weight.eq(head.weight + 1)]
                m.d.sync += [line.eq(line + 1) for line in head.lines]
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), head.eq(self.i.payload)]
        m.d.sync += credits.eq(credits - (go & fresh & head.tag.beat) + self.departure)
        with m.If(go & last):
            m.d.sync += interval.eq(program.result_interval - 1)
        with m.Elif(interval != 0):
            m.d.sync += interval.eq(interval - 1)
        return m

    def _next_of_mask(self, m, head, last_step):
        """Do the lowest step that is set; the mask then loses it."""
        offset = Signal(up_to(self._program.flag_bits - 1))
        for n in reversed(range(self._program.flag_bits)):
            with m.If(head.mask[n]):
                m.d.comb += offset.eq(n)
        m.d.comb += [
            last_step.eq((head.mask & (head.mask - 1)[:len(head.mask)]) == 0),
            self.o.weight.eq(head.weight + offset),
        ]
        m.d.comb += [o.eq(line + offset) for o, line in zip(self.o.lines, head.lines)]
