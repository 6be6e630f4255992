"""The requantiser against the golden arithmetic, its memories served by their definition."""

import numpy as np
import pytest
from bench_helpers import plain, simulate
from sample_programs import PROGRAMS, make_program, program, transposed

from golden.quantisation import requantise, requantise_scale
from hw.engine.layouts import Layouts
from hw.engine.requantiser import Requantiser
from hw.primitives.memory import SpreadMemory

NAMES = ("plain", "folded", "three pixels", "ragged", "depthwise", "sub-pixel", "shuffled groups",
         "int8", "compact", "tanh", "prelu", "serial", "serial pixels", "serial alone", "loadable",
         "loadable prelu", "loadable tanh", "wide", "narrow", "tflite")


def expected_codes(p, channels, sums):
    """Codes of some channels of the convolution, by the golden arithmetic."""
    constants, formats, tensors = p.requantisation, p.quantisation, p.tensors
    target = tensors["pre_scale" if formats.has_table else "output_scale"]
    scale = requantise_scale(tensors["input_scale"], tensors["weight_scale"], target,
                             scheme=formats.requant)
    scale = np.broadcast_to(scale, (p.layer.parameter_channels,))
    codes = requantise(sums + np.asarray(tensors["bias"])[channels], scale[channels],
                       constants.zero_point, constants.low, constants.high,
                       scheme=formats.requant, bits=formats.multiplier_bits)
    mask = (1 << formats.output_bits) - 1
    if constants.table is None:
        return codes & mask
    owner = np.zeros(p.layer.parameter_channels, int)
    for row in p.bank.channels:
        for shuffled in row:
            owner[shuffled] = np.arange(len(shuffled))
    rows = owner[channels] if len(constants.table) > 1 else 0
    return constants.table[rows, codes & mask] & mask


class Memories:
    """Parameter and table memories of the two banks, word by word."""

    def __init__(self, banks):
        self._banks, p = banks, banks[0]
        self._p, self._turn_bits = p, Layouts(p).turn_bits
        self._set_bits = Layouts(p).tag["parameters"].width
        self._fields = [(name, bits) for name, bits in p.parameter_fields]

    def _place(self, address):
        """(program of the bank, its row of parameter channels)."""
        turn = address & (1 << self._turn_bits) - 1
        number = address >> self._turn_bits & (1 << self._set_bits) - 1
        bank = address >> self._turn_bits + self._set_bits
        row = number * self._p.turns + turn
        p = self._banks[bank]
        return p, row if turn < p.turns and row < len(p.parameter_channels) else None

    def parameters(self, address):
        p, row = self._place(address)
        if row is None:
            return [{}] * p.requantisers
        records = []
        for word in p.parameter_records[row]:
            record = {}
            for name, bits in self._fields:
                record[name], word = word & (1 << bits) - 1, word >> bits
            record["bias"] -= record["bias"] >> 31 << 32
            records.append(record)
        return records

    def table(self, unit, address):
        bits = self._p.quantisation.output_bits
        mask = (1 << bits) - 1
        code, address = address & mask, address >> bits
        if not self._p.table_per_channel:
            return int(self._banks[address].requantisation.table[0, code]) & mask
        p, row = self._place(address)
        return 0 if row is None else int(p.tables[row, unit % p.requantisers, code]) & mask


def run(p, memories, inputs):
    """Drive the inputs of each cycle; [(o_valid, codes, tag)] of each."""
    dut, seen = Requantiser(p), []
    tables = p.quantisation.has_table

    async def testbench(ctx):
        parameters, reads = [0] * (SpreadMemory.LATENCY - 1), [0] * len(dut.tables_read)
        for values in inputs:
            for name, value in values.items():
                ctx.set(getattr(dut, name), value)
            _, _, valid, codes, tag, address, *addresses = await ctx.tick().sample(
                dut.o_valid, dut.codes, dut.tag, dut.parameters_read, *dut.tables_read)
            seen.append((valid, plain(codes), plain(tag)))
            ctx.set(dut.parameters_data, memories.parameters(parameters[0]))
            if tables:
                ctx.set(dut.tables_data, [memories.table(n, a) for n, a in enumerate(reads)])
            parameters, reads = [*parameters[1:], address], addresses
    simulate(dut, testbench)
    return seen


@pytest.mark.parametrize("pauses", (False, True), ids=("none", "input"))
@pytest.mark.parametrize("name", NAMES)
def test_codes(name, pauses):
    p, rng = program(name), np.random.default_rng(len(name))
    layer, options = PROGRAMS[name]
    banks = [p, make_program(layer, seed=99, **options)] if p.loadable else [p]
    po, px, beats = p.folding.po, p.folding.px, p.layout.output_beats
    phases = ([(a, b) for a in range(p.phases[0]) for b in range(p.phases[1])]
              if p.bank.per_phase_parameters else [(0, 0)])
    # a few times what the codes can tell apart
    reach = 1 << min(p.accumulator_bits - 2, int(p.requantisation.shift.max())
                     - p.quantisation.mantissa_bits + p.quantisation.output_bits + 1)
    inputs, expected = [], {}
    for _ in range(50):
        bank, number = int(rng.integers(len(banks))), int(rng.integers(p.parameter_sets))
        tag = {field: int(rng.integers(1 << shape.width)) for field, shape in Layouts(p).tag}
        tag |= {"parameters": number} | ({"bank": bank} if p.loadable else {})
        sums = rng.integers(-reach, reach, (px, po))
        row, column = phases[number // beats]
        outs = p.layout.output_channels[number % beats]
        used = np.flatnonzero(outs >= 0)
        channels = p.bank.channels[row][column][outs[used]]
        lanes = {}
        for x in range(px):
            codes = expected_codes(banks[bank], channels, sums[x, used])
            lanes |= {int(x * po + o): int(code) for o, code in zip(used, codes)}
        expected[len(inputs) + Requantiser.latency(p)] = lanes, tag
        inputs.append({"i_valid": 1, "i_tag": tag, "sums": sums.ravel().tolist()})
        wait = p.result_interval - 1 + (int(rng.integers(4)) if pauses else 0)
        inputs += [{"i_valid": 0}] * wait
    inputs += [{"i_valid": 0}] * (Requantiser.latency(p) + 2)
    seen = run(p, Memories(banks), inputs)
    assert [cycle for cycle, (valid, _, _) in enumerate(seen) if valid] == list(expected)
    for cycle, (lanes, tag) in expected.items():
        _, codes, passed = seen[cycle]
        assert {lane: codes[lane] for lane in lanes} == lanes
        assert passed == tag


def test_latency_and_interval():
    p = make_program(transposed(1, 6, 3, 2, 1), folding={"po": 6})
    assert (p.requantisers, p.result_interval) == (6, 1)
    assert Requantiser.latency(p) == 3 + 20
    p = make_program(transposed(3, 6), folding={"po": 6}, quantisation={"activation": "tanh"})
    assert (p.requantisers, p.result_interval) == (2, 3)
    assert Requantiser.latency(p) == 3 + 20 + 2 + 2
    p = make_program(transposed(3, 6), folding={"po": 6}, loadable=True)
    assert Requantiser.latency(p) == 3 + 24 + 2
    p = make_program(transposed(3, 6), folding={"po": 6}, quantisation={"requant": "compact"})
    assert Requantiser.latency(p) == 3 + 19 + 2
    p = make_program(transposed(3, 6), folding={"po": 6},
                     quantisation={"requant": "tflite-reference"})
    assert Requantiser.latency(p) == 3 + 21 + 2
