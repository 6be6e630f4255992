# amaranth: UnusedElaboratable=no
"""Block memory and multipliers against Python, every cycle: their portable forms."""

import random
from itertools import product

import pytest
from amaranth.back import rtlil
from amaranth.hdl import signed, unsigned
from bench_helpers import clocked

from hw.primitives.memory import BlockMemory
from hw.primitives.multiplier import LutMultiplier, Multiplier, MultiplierPair, WideMultiplier
from hw.primitives.serial import SerialMultiplier, SerialMultipliers


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
    for kind in (Multiplier, *([LutMultiplier] if b.width <= 8 else [])):
        seen, expected = products(kind(a, b), a, b)
        assert seen == expected


@pytest.mark.parametrize("a, b, blocks", ((8, 24, 2), (17, 17, 1), (25, 24, 4), (34, 34, 4),
                                          (1, 8, 1), (18, 9, 2)))
def test_wide_product(a, b, blocks):
    seen, expected = products(WideMultiplier(a, b), unsigned(a), unsigned(b))
    assert seen == expected
    text = rtlil.convert(WideMultiplier(a, b), name="top", emit_src=False)
    assert text.count("module \\top.block_") == WideMultiplier.blocks("generic", a, b) == blocks


@pytest.mark.parametrize("a_bits, b_bits", ((9, 8), (9, 4), (2, 8), (8, 4)))
def test_pair(a_bits, b_bits):
    rng, dut = random.Random(a_bits), MultiplierPair(a_bits, b_bits)
    values = extremes(signed(b_bits), rng, 3)
    cases = [(a, b0, b1) for a, b0, b1 in product(extremes(signed(a_bits), rng, 2), values, values)
             if b_bits == 4 or -128 not in (b0, b1)]
    seen = clocked(dut, [{"a": a, "b0": b0, "b1": b1} for a, b0, b1 in cases]
                   + [{}] * dut.LATENCY, ("p0", "p1"))
    assert seen[dut.LATENCY:] == [[a * b0, a * b1] for a, b0, b1 in cases]


@pytest.mark.parametrize("every", (1, 2, 4, 9, 14, 16))
@pytest.mark.parametrize("a_bits, b_bits", ((25, 24), (9, 8), (3, 5), (1, 1)))
def test_serial_products(a_bits, b_bits, every):
    """Some of them in turns; one alone where they come as rarely as it wants them."""
    rng, latency = random.Random(every), SerialMultiplier.interval(b_bits)
    dut = (SerialMultiplier(a_bits, b_bits) if every == latency else
           SerialMultipliers(a_bits, b_bits, interval=every))
    pairs = [*product((0, 1, (1 << a_bits) - 1), (0, 1, (1 << b_bits) - 1)),
             *((rng.getrandbits(a_bits), rng.getrandbits(b_bits)) for _ in range(30))]
    inputs = []
    for n, (a, b) in enumerate(pairs):
        garbage = [{"start": 0, "a": rng.getrandbits(a_bits), "b": rng.getrandbits(b_bits)}
                   for _ in range(every - 1 + n % 7 // 3)]
        inputs += [{"start": 1, "a": a, "b": b}, *garbage]
    seen = clocked(dut, inputs + [{"start": 0}] * latency, ("p",))
    starts = [cycle for cycle, values in enumerate(inputs) if values["start"]]
    assert [seen[cycle + latency][0] for cycle in starts] == [a * b for a, b in pairs]


@pytest.mark.parametrize("make, message", (
    (lambda: MultiplierPair(10, 8), "a_bits must be 2 to 9, not 10"),
    (lambda: MultiplierPair(9, 6), "b_bits must be 4 or 8, not 6"),
    (lambda: LutMultiplier(signed(9), unsigned(8)),
     "b must have at most 8 bits with its sign, not 9"),
))
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
