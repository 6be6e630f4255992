"""The constants: built in, or taken from their stream into the bank that no frame uses."""

import random

import numpy as np
import pytest
from amaranth.hdl import Value
from bench_helpers import plain, simulate, source
from sample_programs import PROGRAMS, make_program, program

from hw.engine.layouts import Layouts
from hw.engine.loader import Loader, beat_count, weight_beat_bits, weight_beats
from hw.engine.stores import Stores
from hw.primitives.memory import BlockMemory, SpreadMemory

LOADABLE = [name for name in PROGRAMS if program(name).loadable]


def other(name, seed=77):
    """The program with other tensors."""
    layer, options = PROGRAMS[name]
    return make_program(layer, seed=seed, **options)


async def read(ctx, address, data, value, latency=BlockMemory.LATENCY):
    ctx.set(address, value)
    await ctx.tick()
    ctx.set(Value.cast(address), 0)
    for _ in range(latency - 1):
        await ctx.tick()
    return plain(ctx.get(data))


async def check_contents(ctx, dut, p, bank=0):
    """Every constant of a program is in this bank."""
    layouts, units, code_bits = Layouts(p), p.requantisers, p.quantisation.output_bits
    mask = (1 << code_bits) - 1
    for n, word in enumerate(p.weight_words):
        assert await read(ctx, dut.weight_read, dut.weight_data, bank * p.weight_bank + n,
                          SpreadMemory.LATENCY) == word
    turn_bits, set_bits = layouts.turn_bits, layouts.tag["parameters"].width
    for row, records in enumerate(p.parameter_records):
        number, turn = divmod(row, p.turns)
        place = turn | number << turn_bits | bank << turn_bits + set_bits
        data = await read(ctx, dut.parameters_read, dut.parameters_data, place,
                          SpreadMemory.LATENCY)
        for unit, record in enumerate(records):
            seen = position = 0
            for name, bits in p.parameter_fields:
                seen |= (data[unit][name] & (1 << bits) - 1) << position
                position += bits
            assert seen == record
        if p.table_per_channel:
            for code in (0, 1, 100, 255):
                seen = await read(ctx, dut.tables_read, dut.tables_data,
                                  [code | place << code_bits] * units * p.folding.px)
                assert seen == [int(t[code]) & mask for t in p.tables[row]] * p.folding.px
    if p.quantisation.has_table and not p.table_per_channel:
        for code in range(0, mask + 1, 15):
            seen = await read(ctx, dut.tables_read, dut.tables_data,
                              [code | bank << code_bits] * units * p.folding.px)
            assert seen == [int(p.tables[0, 0, code]) & mask] * units * p.folding.px


@pytest.mark.parametrize("name", [name for name in PROGRAMS if not program(name).loadable])
def test_built_in(name):
    p = program(name)
    dut = Stores(p)

    async def testbench(ctx):
        assert ctx.get(dut.configured) and not ctx.get(dut.bank)
        ctx.set(dut.i.valid, 1)
        await check_contents(ctx, dut, p)
        assert not ctx.get(dut.i.ready) and not ctx.get(dut.error)
    simulate(dut, testbench)


def load(p, length=None):
    """The beats of a load; of another length, it goes on with garbage."""
    beats = weight_beats(p)
    rng = random.Random(0)
    beats += [rng.getrandbits(weight_beat_bits(p)) for _ in range((length or 0) - len(beats))]
    beats = beats[:length]
    return [{"data": beat, "last": int(n == len(beats) - 1)} for n, beat in enumerate(beats)]


async def send(ctx, dut, beats, *, rng=None):
    """Send a load; whether the error bit was seen, and how often."""
    errors = 0
    for beat in beats:
        while rng and rng.random() < 0.3:
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.i.payload, {"data": rng.getrandbits(8), "last": rng.getrandbits(1)})
            _, _, error = await ctx.tick().sample(dut.error)
            errors += error
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, beat)
        ready = 0
        while not ready:
            _, _, ready, error = await ctx.tick().sample(dut.i.ready, dut.error)
            errors += error
    ctx.set(dut.i.valid, 0)
    ctx.set(dut.i.payload.last, 1)
    _, _, error = await ctx.tick().sample(dut.error)
    return errors + error


@pytest.mark.parametrize("stalled", (False, True), ids=("none", "input"))
@pytest.mark.parametrize("name", LOADABLE)
def test_loads_go_to_alternating_banks(name, stalled):
    programs = [program(name), other(name), other(name, 78)][:2 if stalled else 3]
    dut, rng = Stores(programs[0]), random.Random(1)

    async def testbench(ctx):
        assert not ctx.get(dut.configured)
        for number, p in enumerate(programs):
            beats = load(p)
            assert len(beats) == beat_count(p)
            assert await send(ctx, dut, beats, rng=rng if stalled else None) == 0
            assert ctx.get(dut.configured) and ctx.get(dut.bank) == number % 2
            await check_contents(ctx, dut, p, number % 2)
            if number:
                await check_contents(ctx, dut, programs[number - 1], (number - 1) % 2)
    simulate(dut, testbench, cycles=40_000)


@pytest.mark.parametrize("name", ("loadable", "loadable tanh"))
def test_wrong_lengths_are_dropped(name):
    first, second = program(name), other(name)
    dut, count = Stores(first), beat_count(first)

    async def testbench(ctx):
        wraps = count + (1 << count.bit_length())  # the same number of beats to a narrow counter
        for length in (1, count - 1, count + 1, count + 20, wraps, first.steps):
            assert await send(ctx, dut, load(second, length)) == 1
            assert not ctx.get(dut.configured)
        assert await send(ctx, dut, load(first)) == 0
        assert ctx.get(dut.configured) and ctx.get(dut.bank) == 0
        for length in (count + 1, 2):
            assert await send(ctx, dut, load(second, length)) == 1
            assert ctx.get(dut.configured) and ctx.get(dut.bank) == 0
        await check_contents(ctx, dut, first, 0)
        assert await send(ctx, dut, load(second)) == 0
        assert ctx.get(dut.bank) == 1
        await check_contents(ctx, dut, second, 1)
    simulate(dut, testbench, cycles=40_000)


def test_a_load_waits_for_the_frames_that_use_its_bank():
    p = program("loadable")
    dut, taken = Loader(p), []
    beats = load(p)

    async def frames(ctx):
        async def pulse(**values):
            for name, value in values.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            for name in ("begin", "end"):
                ctx.set(getattr(dut, name), 0)

        while not ctx.get(dut.configured):
            await ctx.tick()
        loaded = len(taken)
        await pulse(begin=1, begin_bank=0)
        await pulse(begin=1, begin_bank=0)
        while ctx.get(dut.bank) == 0:      # the second load may go to bank 1 meanwhile
            await ctx.tick()
        assert len(taken) == 2 * loaded
        await pulse(begin=1, begin_bank=1)
        assert not ctx.get(dut.i.ready)
        await pulse(end=1, end_bank=0, begin=1, begin_bank=1)
        for _ in range(20):
            await ctx.tick()
        assert len(taken) == 2 * loaded and not ctx.get(dut.i.ready), "bank 0 is still in use"
        await pulse(end=1, end_bank=0)
        for _ in range(3):
            await ctx.tick()
        assert ctx.get(dut.i.ready)
        for _ in range(len(beats) + 1):
            await ctx.tick()
        assert len(taken) == 3 * loaded and ctx.get(dut.bank) == 0
        for _ in range(2):
            for _ in range(Loader.SETTLE + 3):
                await ctx.tick()
            assert not ctx.get(dut.i.ready), "bank 1 is still in use"
            await pulse(end=1, end_bank=1)
        for _ in range(3):
            await ctx.tick()
        assert ctx.get(dut.i.ready)
    simulate(dut, source(dut.i, beats * 4, taken=taken), frames)


def test_order_of_the_weight_stream():
    p = program("loadable prelu")
    beats, bits = weight_beats(p), weight_beat_bits(p)
    assert bits == 24 and all(beat < 1 << bits for beat in beats)
    assert beats[:p.steps] == p.weight_words
    widths = sum(width for _, width in p.parameter_fields)
    parts = -(-widths // bits)
    records = [record for word in p.parameter_records for record in word]
    for n, record in enumerate(records):
        start = p.steps + n * parts
        assert sum(beat << bits * k for k, beat in enumerate(beats[start:start + parts])) == record
    codes = beats[p.steps + parts * len(records):]
    np.testing.assert_array_equal(codes, np.ravel(p.tables) & 0xFF)
    tanh = program("loadable tanh")
    assert weight_beats(tanh)[-256:] == [int(c) & 0xFF for c in tanh.tables[0, 0]]
