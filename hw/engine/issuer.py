"""Issues the steps that the look-ahead has left, one each cycle."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, up_to

__all__ = ["Issuer"]


class Issuer(wiring.Component):
    """Unrolls the mask of each word into steps, the lowest first.

    A word without steps takes one cycle, and adds nothing. One step each cycle.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Words.
    valid, first, last, tag, release
        There is a step; it is the first or the last one of its group; what it hands back if it is
        the last one.
    go
        Issue it.
    o
        The step, `LATENCY` cycles later.
    """

    LATENCY = 2

    def __init__(self, program):
        self._program = program
        layouts = Layouts(program)
        super().__init__({
            "i": In(stream.Signature(layouts.work)), "valid": Out(1), "first": Out(1, init=1),
            "last": Out(1), "tag": Out(layouts.tag), "release": Out(layouts.release),
            "go": In(1), "o": Out(layouts.step),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self._program.flag_bits
        head = Signal(self.i.payload.shape())
        last_step = Signal()
        rest = Signal(bits)             # the mask without the lowest step
        next_rest = Signal(bits)
        m.d.comb += [
            self.i.ready.eq(~self.valid | (self.go & last_step)),
            self.last.eq(last_step & head.last), self.tag.eq(head.tag),
            self.release.eq(head.release),
        ]
        with m.If(self.go):
            m.d.sync += [self.first.eq(self.last), head.mask.eq(rest)]
        with m.If(self.i.ready):
            m.d.sync += [self.valid.eq(self.i.valid), head.eq(self.i.payload)]
            m.d.comb += next_rest.eq(self.i.payload.mask & (self.i.payload.mask - 1)[:bits])
        with m.Else():
            m.d.comb += next_rest.eq(rest & (rest - 1)[:bits])
        with m.If(self.i.ready | self.go):
            m.d.sync += [rest.eq(next_rest), last_step.eq(next_rest == 0)]
        self._address(m, head)
        return m

    def _address(self, m, head):
        """Which step it is, and then where its data are."""
        offset = Signal(up_to(self._program.flag_bits - 1))
        word = Signal.like(head)
        mac = Signal(self.o.mac.shape())
        for n in reversed(range(self._program.flag_bits)):
            with m.If(head.mask[n]):
                m.d.sync += offset.eq(n)
        m.d.sync += [
            word.eq(head), mac.tag.eq(head.tag), mac.rotate.eq(head.rotate),
            mac.lanes.eq(Mux(head.mask.any(), head.lanes, 0)), mac.first.eq(self.first),
            mac.last.eq(self.last),
            self.o.mac.eq(mac), self.o.weight.eq(word.weight + offset),
            *[o.eq(line + offset) for o, line in zip(self.o.lines, word.lines)],
        ]
