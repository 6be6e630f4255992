"""Looks ahead over the non-zero flags, so that a step that would add nothing costs no cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..primitives.memory import BlockMemory
from .layouts import Layouts

__all__ = ["LookAhead"]


class LookAhead(wiring.Component):
    """Drops the visits of which no step is left, and marks the steps of the others.

    Visits one flag word each cycle, faster than the steps it finds are done, and queues up to
    `DEPTH` words that have some. A step is left where the activations (of any lane) and the
    weights are not all zero. The last word of each group is kept even if it is empty, unless an
    earlier word of the group is still here to be the last instead.

    A visit that passes in cycle t is in the queue from cycle t + 4 at the earliest.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Visits.
    o
        The words that have steps left.
    flag_read, flag_data
        Read side of the memory of the activations' flags.
    """

    DEPTH = 8
    MARGIN = 4  # words that may be on their way when the queue says stop

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        px = program.folding.px
        super().__init__({
            "i": In(stream.Signature(layouts.visit)), "o": Out(stream.Signature(layouts.work)),
            "flag_read": Out(data.ArrayLayout(layouts.flag_line_address, px)),
            "flag_data": In(data.ArrayLayout(program.flag_bits, px)),
        })

    def elaborate(self, platform):
        m = Module()
        program, visit = self._program, self.i.payload
        layout = self._layouts.work
        m.submodules.queue = queue = fifo.SyncFIFO(width=layout.size, depth=self.DEPTH)
        m.d.comb += [
            self.i.ready.eq(queue.level <= self.DEPTH - self.MARGIN),
            self.flag_read.eq(visit.flag_lines),
            queue.r_en.eq(self.o.ready), self.o.valid.eq(queue.r_rdy),
            self.o.payload.eq(layout(queue.r_data)),
        ]
        # the flags arrive `LATENCY` cycles later; the visit waits for them
        steps, live = (1 << visit.length) - 1, self.i.valid & self.i.ready
        arriving = Signal(layout)
        m.d.comb += [arriving[name].eq(visit[name]) for name in layout.members if name != "mask"]
        m.d.comb += arriving.mask.eq(steps[:program.flag_bits])
        for n in range(BlockMemory.LATENCY):
            delayed, delayed_live = Signal(layout, name=f"word_{n}"), Signal(name=f"live_{n}")
            m.d.sync += [delayed.eq(arriving), delayed_live.eq(live)]
            arriving, live = delayed, delayed_live
        word = Signal(layout)
        m.d.comb += [word.eq(arriving), word.mask.eq(arriving.mask & self._flags(m, arriving))]

        held, held_valid = Signal(layout), Signal()   # open until its group's last word is known
        push = Signal()
        m.d.comb += [queue.w_data.eq(held), queue.w_en.eq(push)]
        m.d.comb += push.eq(held_valid & (held.last | (live & (word.mask != 0))))
        with m.If(live & ((word.mask != 0) | (word.last & (~held_valid | held.last)))):
            m.d.sync += [held.eq(word), held_valid.eq(1)]
        with m.Elif(live & word.last):
            m.d.sync += [held.last.eq(1), held.release.eq(word.release), held.tag.eq(word.tag)]
        with m.Elif(push):
            m.d.sync += held_valid.eq(0)
        return m

    def _activation_flags(self, m, word):
        """Whether a lane inside the frame has activations that are not zero, for each step."""
        px = self._program.folding.px
        inside, flags = Signal(px), 0
        with m.Switch(word.rotate):
            for rotate in range(px):
                with m.Case(rotate):
                    m.d.comb += inside.eq(Cat(word.lanes[(n - rotate) % px] for n in range(px)))
        for memory, used in zip(self.flag_data, inside):
            flags |= Mux(used, memory, 0)
        return flags

    def _flags(self, m, word):
        """The flags of the word that arrives, activations and weights."""
        program = self._program
        flags = (1 << program.flag_bits) - 1
        if program.skip_zeros:
            flags &= self._activation_flags(m, word)
        if program.pruned:
            m.submodules.weights = memory = BlockMemory(
                width=program.flag_bits, depth=len(program.weight_flags),
                init=program.weight_flags)
            m.d.comb += memory.r_addr.eq(self.i.payload.flag)
            flags &= memory.r_data
        return flags
