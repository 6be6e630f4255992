"""Looks ahead over the non-zero flags, so that a step that would add nothing costs no cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..primitives.memory import BlockMemory
from .addresses import Addresses
from .delay import delay
from .layouts import Layouts

__all__ = ["LookAhead"]


class LookAhead(wiring.Component):
    """Drops the visits of which no step is left, and marks the steps of the others.

    Visits one flag word each cycle, faster than the steps it finds are done, and queues those that
    have some. A step is left where the activations (of any lane) and the weights are not all zero.
    The last word of each group is kept even if it is empty, unless an earlier word of the group is
    still here to be the last instead.

    A visit in cycle t is in the queue from cycle `t + latency(program) + 2` at the earliest.

    Parameters
    ----------
    program : Program

    Members
    -------
    i, i_valid
        Visits.
    place
        The place of each visit, `Addresses.latency` cycles later.
    room
        Whether there may be a visit.
    o
        The words that have steps left.
    flag_read, flag_data
        Read side of the memory of the activations' flags.
    """

    DEPTH = 32
    LEVEL = 8   # words in the queue when it says stop; as many again may be on their way

    def __init__(self, program):
        self._program = program
        self._layouts = layouts = Layouts(program)
        px = program.folding.px
        super().__init__({
            "i": In(layouts.visit), "i_valid": In(1), "place": In(layouts.place),
            "room": Out(1, init=1), "o": Out(stream.Signature(layouts.work)),
            "flag_read": Out(data.ArrayLayout(layouts.flag_line_address, px)),
            "flag_data": In(data.ArrayLayout(program.flag_bits, px)),
        })

    @staticmethod
    def latency(program):
        """Cycles from a visit to its mask."""
        return Addresses.latency(program) + BlockMemory.LATENCY + 2

    def elaborate(self, platform):
        m = Module()
        program, layout = self._program, self._layouts.work
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=layout.size, depth=self.DEPTH)
        m.d.comb += [queue.r_en.eq(self.o.ready), self.o.valid.eq(queue.r_rdy),
                     self.o.payload.eq(layout(queue.r_data))]
        m.d.sync += self.room.eq(queue.level <= self.LEVEL)
        if program.skip_zeros:
            m.d.comb += self.flag_read.eq(self.place.flag_lines)

        # the visit waits for its place, and both wait for the flags
        latency, placed = self.latency(program), self.latency(program) - Addresses.latency(program)
        visit = delay(m, self.i, Addresses.latency(program), name="visit")
        word = Signal(layout)
        live = Signal()
        m.d.comb += [
            *[word[name].eq(delay(m, visit[name], placed, name=name))
              for name in ("tag", "release", "last")],
            *[word[name].eq(delay(m, self.place[name], placed, name=name))
              for name in ("weight", "lines", "rotate", "lanes")],
            word.mask.eq(self._mask(m, visit)),
            live.eq(delay(m, self.i_valid, latency, name="live")),
        ]
        held = Signal(layout)
        held_valid = Signal()   # open until its group's last word is known
        push = Signal()
        some = Signal()
        m.d.comb += [
            some.eq(word.mask.any()), queue.w_data.eq(held), queue.w_en.eq(push),
            push.eq(held_valid & (held.last | (live & some))),
        ]
        with m.If(live & (some | (word.last & (~held_valid | held.last)))):
            m.d.sync += [held.eq(word), held_valid.eq(1)]
        with m.Elif(live & word.last):
            m.d.sync += [held.last.eq(1), held.release.eq(word.release), held.tag.eq(word.tag)]
        with m.Elif(push):
            m.d.sync += held_valid.eq(0)
        return m

    def _mask(self, m, visit):
        """The steps that are left, `BlockMemory.LATENCY + 2` cycles after the place."""
        program, latency = self._program, BlockMemory.LATENCY
        bits, short = program.flag_bits, program.last_visit_steps
        short_visit, empty = (delay(m, visit[name], latency, name=name)
                              for name in ("short", "empty"))
        exist = Mux(empty, 0, Mux(short_visit, (1 << short) - 1, (1 << bits) - 1))
        weights = (1 << bits) - 1
        if program.pruned:
            m.submodules.weights = memory = BlockMemory(
                width=bits, depth=len(program.weight_flags), init=program.weight_flags)
            m.d.comb += memory.r_addr.eq(self.place.flag)
            weights = memory.r_data
        fixed = Signal(bits)
        used = (1 << bits) - 1
        m.d.sync += fixed.eq(exist & weights)
        if program.skip_zeros:
            used = self._activation_flags(m)
        mask = Signal(bits)
        m.d.sync += mask.eq(fixed & used)
        return mask

    def _activation_flags(self, m):
        """Whether a lane inside the frame has activations that are not zero, for each step."""
        px, latency = self._program.folding.px, BlockMemory.LATENCY
        rotate, lanes = (delay(m, self.place[name], latency - 1, name=f"flag_{name}")
                         for name in ("rotate", "lanes"))
        inside = Signal(px)
        with m.Switch(rotate):
            for rotation in range(px):
                with m.Case(rotation):
                    m.d.sync += inside.eq(Cat(lanes[(n - rotation) % px] for n in range(px)))
        flags = [Signal(self._program.flag_bits, name=f"flags_{n}") for n in range(px)]
        m.d.sync += [known.eq(Mux(use, memory, 0))
                     for known, use, memory in zip(flags, inside, self.flag_data)]
        found = 0
        for known in flags:
            found |= known
        return found
