"""Block memory and multipliers against Python, every cycle."""

import random
from itertools import product

import pytest
from amaranth.back import rtlil
from amaranth.hdl import signed, unsigned
from bench_helpers import clocked

from hw.primitives.memory import BlockMemory
from hw.primitives.multiplier import Multiplier, WideMultiplier


@pytest.mark.parametrize("width, depth", ((1, 1), (9, 2), (18, 5), (40, 32)))
def test_memory_reads_what_was_written(width, depth):
    rng = random.Random(depth)
    words = [rng.getrandbits(width) for _ in range(depth - 1)]
    model, expected, inputs = dict(enumerate(words)), [], []
    for _ in range(500):
        read, write, enable = rng.randrange(depth), rng.randrange(depth), rng.random() < 0.5
        enable = enable and (read != write)
        data = rng.getrandbits(width)
        inputs.append({"r_addr": read, "w_addr": write, "w_data": data, "w_en": enable})
        expected.append(model.get(read, 0))
        if enable:
            model[write] = data
    seen = clocked(BlockMemory(width=width, depth=depth, init=words), inputs, ("r_data",))
    assert [data for data, in seen[BlockMemory.LATENCY:]] == expected[:-BlockMemory.LATENCY]


def extremes(shape, rng, count):
    low = -(1 << shape.width - 1) if shape.signed else 0
    values = [0, 1, low, low + 1, low + (1 << shape.width) - 1]
    return values + [rng.randrange(low, low + (1 << shape.width)) for _ in range(count)]


def products(dut, a, b):
    """The products, and the cycles that they took."""
    rng = random.Random(str((a, b)))
    pairs = list(product(extremes(a, rng, 7), extremes(b, rng, 7)))
    idle = [(0, 0)] * dut.LATENCY
    seen = clocked(dut, [{"a": x, "b": y} for x, y in pairs + idle], ("p",))
    return [p for p, in seen[dut.LATENCY:]], [x * y for x, y in pairs]


@pytest.mark.parametrize("a, b", ((signed(9), signed(8)), (signed(18), signed(18)),
                                  (unsigned(8), signed(4)), (unsigned(1), unsigned(17))))
def test_product(a, b):
    seen, expected = products(Multiplier(a, b), a, b)
    assert seen == expected


@pytest.mark.parametrize("a, b, blocks", ((8, 24, 2), (17, 17, 1), (25, 24, 4), (34, 34, 4),
                                          (1, 8, 1), (18, 9, 2)))
def test_wide_product(a, b, blocks):
    seen, expected = products(WideMultiplier(a, b), unsigned(a), unsigned(b))
    assert seen == expected
    text = rtlil.convert(WideMultiplier(a, b), name="top", emit_src=False)
    assert text.count("module \\top.block_") == WideMultiplier.blocks(a, b) == blocks
