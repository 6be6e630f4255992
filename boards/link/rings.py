"""Ring buffers: requests wait in one for their CRC, replies in one until they have arrived."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.primitives.memory import BlockMemory

__all__ = ["InputRing", "OutputRing"]


class InputRing(wiring.Component):
    """Bytes that count only after `commit`.

    Parameters
    ----------
    depth : int
        Bytes; a power of two.

    Members
    -------
    i_valid, i_data
        Another byte.
    drop
        Forget what came since the last `commit`.
    commit
        Let it out, but for what was dropped. Not in the cycle of a byte.
    overflow
        Whether a byte since the last `drop` or `commit` found no room.
    room
        Bytes that fit, without those that are not committed.
    o
        The bytes.
    """

    def __init__(self, depth):
        self._depth = depth
        super().__init__({
            "i_valid": In(1), "i_data": In(8), "drop": In(1), "commit": In(1), "overflow": Out(1),
            "room": Out(range(depth + 1), init=depth), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = BlockMemory(width=8, depth=self._depth)
        head, committed, tail = (Signal(range(2 * self._depth), name=name)
                                 for name in ("head", "committed", "tail"))
        used = Signal.like(head)
        full = Signal()
        m.d.comb += [used.eq(head - tail), full.eq(used == self._depth),
                     memory.w_en.eq(self.i_valid & ~full), memory.w_addr.eq(head),
                     memory.w_data.eq(self.i_data)]
        with m.If(self.drop | self.commit):
            m.d.sync += self.overflow.eq(0)
        with m.If(self.drop):
            m.d.sync += head.eq(committed)
        with m.Elif(self.commit):
            m.d.sync += committed.eq(head)
        with m.Elif(self.i_valid):
            m.d.sync += [head.eq(head + ~full), self.overflow.eq(self.overflow | full)]
        waiting = Signal.like(head)
        m.d.comb += waiting.eq(committed - tail)
        m.d.sync += self.room.eq(self._depth - waiting)
        taken = self.o.valid & self.o.ready
        _offer(m, memory, self.o, tail, more=committed != tail, moved=taken)
        with m.If(taken):
            m.d.sync += tail.eq(tail + 1)
        return m


class OutputRing(wiring.Component):
    """Bytes that stay, to be sent again, until the next ones are asked for.

    Parameters
    ----------
    depth : int
        Bytes; a power of two.

    Members
    -------
    i
        Bytes.
    release
        Let go of what was there to be read, and offer instead what came in the meantime.
    count
        Bytes that are there to be read, a cycle after `release`.
    rewind
        Begin again with the first of them.
    o
        The bytes.
    """

    def __init__(self, depth):
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(8)), "release": In(1), "count": Out(range(depth + 1)),
            "rewind": In(1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = BlockMemory(width=8, depth=self._depth)
        head, end, tail, place = (Signal(range(2 * self._depth), name=name)
                                  for name in ("head", "end", "tail", "place"))
        used = Signal.like(head)
        m.d.comb += [used.eq(head - tail), self.i.ready.eq(used != self._depth),
                     memory.w_en.eq(self.i.valid & self.i.ready), memory.w_addr.eq(head),
                     memory.w_data.eq(self.i.payload)]
        with m.If(memory.w_en):
            m.d.sync += head.eq(head + 1)
        with m.If(self.release):
            m.d.sync += [tail.eq(end), end.eq(head)]
        count = Signal.like(head)
        m.d.comb += [count.eq(end - tail), self.count.eq(count)]
        taken = self.o.valid & self.o.ready
        _offer(m, memory, self.o, place, more=place != end, moved=self.rewind | taken)
        with m.If(self.rewind):
            m.d.sync += place.eq(tail)
        with m.Elif(taken):
            m.d.sync += place.eq(place + 1)
        return m


def _offer(m, memory, o, address, *, more, moved):
    """Offer the word at an address, if there is `more`, as soon as the memory has it."""
    wait = Signal(range(memory.LATENCY + 1), init=memory.LATENCY)
    m.d.comb += [memory.r_addr.eq(address), o.payload.eq(memory.r_data),
                 o.valid.eq(more & (wait == 0))]
    with m.If(moved | ~more):
        m.d.sync += wait.eq(memory.LATENCY)
    with m.Elif(wait != 0):
        m.d.sync += wait.eq(wait - 1)
