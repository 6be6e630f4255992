"""The queue at the end of a pipeline that never stalls."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .credits import some_left
from .delay import delay

__all__ = ["PipelineQueue"]


class PipelineQueue(wiring.Component):
    """Takes whatever leaves a pipeline, and tells its entrance whether there will be room.

    So no register of the pipeline needs an enable, and no `ready` passes through it. One item each
    cycle; it is offered 2 cycles after it has left the pipeline.

    Parameters
    ----------
    shape : ShapeLike
        Payload.
    latency : int
        Cycles of the pipeline, at least 1.

    Members
    -------
    room
        An item may enter the pipeline.
    enter
        One does; only if there is room.
    i
        What leaves the pipeline, `latency` cycles after it entered.
    o
        Stream.
    """

    DEPTH = 16  # more than the cycles from a place that is free again to the item that takes it

    def __init__(self, shape, *, latency):
        self._shape, self._latency = shape, latency
        super().__init__({"room": Out(1), "enter": In(1), "i": In(shape),
                          "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.items = items = memory.Memory(
            shape=self._shape.size, depth=self.DEPTH, init=[], attrs={"no_rw_check": 1})
        put, get = items.write_port(), items.read_port()
        fetch = Signal()
        left = Signal()
        m.d.sync += left.eq(self.o.valid & self.o.ready)
        places = some_left(m, left, self.enter, most=self.DEPTH, init=self.DEPTH, name="places")
        waiting = some_left(m, put.en, fetch, most=self.DEPTH, init=0, name="waiting")
        m.d.comb += [
            self.room.eq(places), fetch.eq(waiting & (~self.o.valid | self.o.ready)),
            put.data.eq(self.i), put.en.eq(delay(m, self.enter, self._latency, name="put")),
            get.en.eq(fetch), self.o.payload.eq(self._shape(get.data)),
        ]
        m.d.sync += [put.addr.eq(put.addr + put.en), get.addr.eq(get.addr + fetch),
                     self.o.valid.eq(fetch | (self.o.valid & ~self.o.ready))]
        return m
