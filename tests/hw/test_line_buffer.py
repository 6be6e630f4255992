"""The line buffer: px memories with one write port for all."""

import random

import pytest
from amaranth.hdl import unsigned
from bench_helpers import clocked

from hw.engine.line_buffer import LineBuffer
from hw.primitives.memory import BlockMemory, SpreadMemory


@pytest.mark.parametrize("kind", (BlockMemory, SpreadMemory))
@pytest.mark.parametrize("px, bits, depth", ((1, 9, 6), (3, 18, 10), (2, 1, 1)))
def test_words(px, bits, depth, kind):
    rng = random.Random(px)
    width = max(1, (depth - 1).bit_length())
    dut = LineBuffer(kind, address=unsigned(width), px=px, bits=bits, depth=depth)
    model, inputs, expected = [{} for _ in range(px)], [], []
    for _ in range(400):
        memory, address = rng.randrange(-1, px), rng.randrange(depth)
        reads = [rng.randrange(depth) for _ in range(px)]
        if memory >= 0 and reads[memory] == address:
            memory = -1
        data = rng.getrandbits(bits)
        inputs.append({"read": reads, "write": {"address": address, "data": data,
                                                "memory": 1 << memory if memory >= 0 else 0}})
        expected.append([words.get(a, 0) for words, a in zip(model, reads)])
        if memory >= 0:
            model[memory][address] = data
    seen = clocked(dut, inputs, ("data",))
    assert [data for data, in seen[kind.LATENCY:]] == expected[:-kind.LATENCY]
