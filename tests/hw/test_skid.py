"""The skid buffer: order, one transfer a cycle, both directions cut."""

import random

import pytest
from amaranth.hdl import unsigned
from bench_helpers import STALLS, simulate, through

from hw.engine.skid import SkidBuffer


@pytest.mark.parametrize("bits", (8, 150))
@pytest.mark.parametrize("stall", STALLS)
def test_items_pass_unchanged(stall, bits):
    random_bits = random.Random(1)
    items = [random_bits.getrandbits(bits) for _ in range(200)]
    received, taken, emitted = through(SkidBuffer(unsigned(bits)), items, len(items), stall=stall)
    assert received == items
    if stall in ("none", "input"):
        assert emitted == [cycle + 1 for cycle in taken]
    if stall == "none":
        assert taken == list(range(200))


def test_two_places_and_ready_of_the_past():
    dut = SkidBuffer(unsigned(8))
    seen = []

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        for cycle in range(6):
            ctx.set(dut.i.payload, cycle)
            ctx.set(dut.o.ready, cycle == 4)
            before = ctx.get(dut.i.ready)
            ctx.set(dut.o.ready, not ctx.get(dut.o.ready))
            assert ctx.get(dut.i.ready) == before, "ready must not depend on ready"
            ctx.set(dut.o.ready, not ctx.get(dut.o.ready))
            seen.append((before, ctx.get(dut.o.valid), ctx.get(dut.o.payload)))
            await ctx.tick()
    simulate(dut, testbench)
    assert seen == [(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0), (1, 1, 1)]
