"""A queue of beats in block memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..primitives.memory import BlockMemory
from .credits import some_left
from .delay import delay

__all__ = ["BeatQueue"]


class BeatQueue(wiring.Component):
    """First in, first out; who puts in sees to it that there is room.

    Words are read from the block memory ahead of time, as many as its latency asks for, and wait
    in a few places in front of the register that offers them.

    Parameters
    ----------
    shape : ShapeLike
        Payload.
    depth : int
        Most items in the queue, a power of two.

    Members
    -------
    i, i_valid
        An item to put in.
    o
        Stream; it offers an item `LATENCY` cycles after it was put in, or later.
    """

    AHEAD = 4                               # places; with the register, one for each cycle from
    LATENCY = 1 + BlockMemory.LATENCY + 2   # a read to its item leaving

    def __init__(self, shape, *, depth):
        self._depth = depth
        super().__init__({"i": In(shape), "i_valid": In(1), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        size = len(self.i.as_value())
        m.submodules.store = store = BlockMemory(width=size, depth=self._depth)
        m.submodules.ahead = ahead = memory.Memory(shape=size, depth=self.AHEAD, init=[])
        put, get = ahead.write_port(), ahead.read_port(domain="comb")
        to_store = Signal.like(store.w_addr)
        from_store = Signal.like(store.r_addr)
        to_ahead = Signal.like(put.addr)
        from_ahead = Signal.like(get.addr)
        read, arrived, load, leaves = (Signal(name=name) for name in ("read", "arrived", "load",
                                                                      "leaves"))
        unread = some_left(m, self.i_valid, read, most=self._depth, init=0, name="unread")
        free = some_left(m, leaves, read, most=self.AHEAD + 1, init=self.AHEAD + 1, name="free")
        waiting = some_left(m, arrived, load, most=self.AHEAD, init=0, name="waiting")
        m.d.comb += [
            read.eq(unread & free), leaves.eq(self.o.valid & self.o.ready),
            arrived.eq(delay(m, read, BlockMemory.LATENCY, name="arrived")),
            load.eq(waiting & (~self.o.valid | self.o.ready)),
            store.w_en.eq(self.i_valid), store.w_addr.eq(to_store), store.w_data.eq(self.i),
            store.r_addr.eq(from_store), put.en.eq(arrived), put.addr.eq(to_ahead),
            put.data.eq(store.r_data), get.addr.eq(from_ahead),
        ]
        m.d.sync += [
            to_ahead.eq(to_ahead + arrived), from_ahead.eq(from_ahead + load),
        ]
        # long enough for a carry chain, which must not wait for `read`
        with m.If(self.i_valid):
            m.d.sync += to_store.eq(to_store + 1)
        with m.If(read):
            m.d.sync += from_store.eq(from_store + 1)
        with m.If(load):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(get.data)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
