"""The queue at the end of a pipeline: order, room, and one item each cycle."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from bench_helpers import STALLS, simulate, sink, source, through

from hw.engine.delay import delay
from hw.engine.pipeline_queue import PipelineQueue

ITEM = data.StructLayout({"number": 8})


class Pipeline(wiring.Component):
    """A pipeline that only delays."""

    def __init__(self, latency):
        self._latency = latency
        super().__init__({"i": In(stream.Signature(ITEM)), "o": Out(stream.Signature(ITEM))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = PipelineQueue(ITEM, latency=self._latency)
        m.d.comb += [self.i.ready.eq(queue.room), queue.enter.eq(self.i.valid & queue.room),
                     queue.i.eq(delay(m, self.i.payload, self._latency, name="item"))]
        connect(m, queue.o, flipped(self.o))
        return m


def numbers(count):
    return [{"number": n} for n in random.Random(count).choices(range(256), k=count)]


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("latency", (1, 3, 4, 9))
def test_items(latency, stall):
    items = numbers(150)
    received, taken, emitted = through(Pipeline(latency), items, len(items), stall=stall)
    assert received == items
    if stall in ("none", "input"):
        assert emitted == [cycle + latency + 2 for cycle in taken]
    if stall == "none":
        assert taken == list(range(len(items)))


@pytest.mark.parametrize("latency", (1, 4, 9))
def test_full(latency):
    """What enters has a place even if nothing leaves; then there is no bubble in what leaves."""
    dut, items, received, taken, cycles = Pipeline(latency), numbers(60), [], [], []

    async def late(ctx):
        for _ in range(40):
            await ctx.tick()
        assert taken == list(range(PipelineQueue.DEPTH))
        await sink(dut.o, len(items), received, cycles=cycles)(ctx)
    simulate(dut, source(dut.i, items, taken=taken), late)
    assert received == items and cycles == list(range(len(items)))
