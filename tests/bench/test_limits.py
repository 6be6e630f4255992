"""The bundles of primitives whose clock is a limit, and which limit counts."""

import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.sim import Simulator

from bench import limits
from bench.devices import DEVICES
from bench.limits import Bundle, limit
from hw.primitives.memory import BlockMemory
from hw.primitives.multiplier import LutMultiplier, Multiplier, MultiplierPair


def test_bundle_is_its_primitives():
    rng, dut = random.Random(0), Bundle([MultiplierPair(9, 8), MultiplierPair(9, 8)])
    rows = [[rng.randrange(-low, low) for low in (256, 127, 127) * 2] for _ in range(20)]
    seen = []

    async def testbench(ctx):
        for row in rows + [[0] * 6] * (MultiplierPair.LATENCY + 2):
            packed = 0
            for value, bits in zip(reversed(row), (8, 8, 9) * 2):
                packed = packed << bits | value & (1 << bits) - 1
            ctx.set(dut.i, packed)
            seen.append(ctx.get(dut.o))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    expected = [sum((a * b & 0xFFFF) << 16 * n for n, (a, b) in enumerate(
        ((row[0], row[1]), (row[0], row[2]), (row[3], row[4]), (row[3], row[5]))))
        for row in rows]
    assert seen[MultiplierPair.LATENCY + 2:] == expected


@pytest.mark.parametrize("pack, lut_products, kind", (
    (False, False, Multiplier), (True, False, MultiplierPair), (False, True, LutMultiplier)))
def test_the_slower_primitive_counts(pack, lut_products, kind, monkeypatch):
    engine, asked = SimpleNamespace(pack=pack, lut_products=lut_products), []

    def route(device, folder, verilog, top, *, aim, seeds):
        text = (Path(folder) / verilog).read_text()
        cells = sum(text.count(f" {cell} ") for cell in ("DP16KD", "MULT18X18D"))
        asked.append((top, cells))
        assert seeds == (1,)
        return SimpleNamespace(clocks=clocks.pop())
    monkeypatch.setattr(limits, "route", route)
    limits._clock.cache_clear()
    clocks = [[300], [270]]
    assert limit(DEVICES["45F-6"], engine, 5, seeds=(1, 2)) == 270
    assert asked == [("bundle", 0 if kind is LutMultiplier else 5), ("bundle", limits.MEMORIES)]
    assert limit(DEVICES["45F-6"], engine, 5, seeds=(1, 2)) == 270
    limits._clock.cache_clear()
    clocks = [[260], [280]]
    assert limit(DEVICES["45F-6"], engine, 5, seeds=(1, 2)) == 260
    limits._clock.cache_clear()


@pytest.mark.parametrize("target", limits.BLOCKS)
def test_a_memory_is_one_block(target):
    assert BlockMemory.blocks(target, *limits.BLOCKS[target]) == 1
