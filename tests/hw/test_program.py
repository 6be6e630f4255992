"""The program: every stored word is found where the walk over the frame looks for it."""

import numpy as np
import pytest
from sample_programs import PROGRAMS, convolution, make_program, program, sub_pixel, transposed
from walk_model import Walk

from hw.folding import IDLE
from hw.program import FLAG_WORD, Program, bits_for, pack


def unpacked(words, bits, count, signed=False):
    values = [[word >> bits * n & (1 << bits) - 1 for n in range(count)] for word in words]
    half = 1 << bits - 1 if signed else 1 << bits
    return [[v - 2 * half if v >= half else v for v in row] for row in values]


@pytest.mark.parametrize("name", PROGRAMS)
def test_weight_words(name):
    """Follow the order of the walk from each weight word back to the phase bank."""
    p = program(name)
    layout, bank = p.layout, p.bank
    found = iter(unpacked(p.weight_words, p.weight_bits, p.folding.po * p.folding.pi, signed=True))
    for row, column in np.ndindex(*p.phases):
        for beat, outs in enumerate(layout.output_channels):
            block = beat // layout.block_outputs
            for y, x in np.ndindex(len(bank.rows[row]), len(bank.columns[column])):
                for word in range(layout.block_inputs):
                    ins = layout.input_channels[block * layout.block_inputs + word]
                    expected = []
                    for lane, out in enumerate(outs):
                        side = lane // (p.folding.po // layout.parallel_groups)
                        for inp in ins[side * p.folding.pi:][:p.folding.pi]:
                            same = inp // layout.group_inputs == out // layout.group_outputs
                            expected.append(0 if IDLE in (out, inp) or not same else bank.filters[
                                row][column][out, inp % layout.group_inputs, y, x])
                    by_input = np.reshape(expected, (p.folding.po, p.folding.pi)).T
                    assert next(found) == by_input.ravel().tolist()
    assert next(found, None) is None


@pytest.mark.parametrize("name", PROGRAMS)
def test_derived_numbers(name):
    p = program(name)
    assert p.steps == len(p.weight_words) == sum(
        p.phase_steps(*phase) for phase in np.ndindex(*p.phases))
    assert p.weight_word_bits >= max(word.bit_length() for word in p.weight_words)
    assert p.pruned == (0 in p.weight_words and not p.loadable)
    assert p.looks_ahead == (p.skip_zeros or p.pruned)
    assert p.flag_bits <= FLAG_WORD
    assert p.flag_words == -(-p.layout.block_inputs // FLAG_WORD)
    low, high = p.quantisation.input_range
    assert -(1 << p.activation_bits - 1) <= low and high < 1 << p.activation_bits - 1
    assert p.line_word_bits == p.activation_bits * p.layout.input_lanes
    assert p.row_words == -(-p.width // p.folding.px) * p.layout.input_beats
    assert p.turns * p.requantisers >= p.folding.po
    if not p.skip_zeros:
        assert p.result_interval <= p.schedule.shortest_group
    live = sum((unpacked(p.weight_flags, 1, p.flag_bits)), [])
    per_tap, per_word = p.layout.block_inputs, p.flag_words * p.flag_bits
    assert [live[n // per_tap * per_word + n % per_tap] for n in range(p.steps)] == [
        int(word != 0) for word in p.weight_words]
    assert sum(live) == sum(word != 0 for word in p.weight_words)


@pytest.mark.parametrize("name", PROGRAMS)
def test_line_rows(name):
    """No output row needs more rows at once than the line buffer holds beside the one to fill."""
    p = program(name)
    reached = freed = most = 0
    for line in Walk(p, p.height, p.width).lines:
        reached = max(reached, line.rows_needed)
        most = max(most, reached - freed)
        freed += line.release["rows"]
    assert freed == reached == p.height and most <= p.line_rows
    (low, high), step = p.reach[0], p.bank.step[0]
    assert p.line_rows == min(max(high - min(low, 0) + 1, step) + max(1, step - 1), 2 * p.height)


@pytest.mark.parametrize("name", PROGRAMS)
def test_smallest_frame(name):
    p = program(name)
    for axis in (0, 1):
        smallest = p.smallest(axis)
        assert p.layer.output_length(axis, smallest) >= 1
        assert smallest == 1 or p.layer.output_length(axis, smallest - 1) < 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_parameters(name):
    p = program(name)
    constants, layout = p.requantisation, p.layout
    assert np.shape(p.parameter_records) == p.parameter_channels.shape == (
        p.parameter_sets * p.turns, p.requantisers)
    sets = iter(p.parameter_channels.reshape(p.parameter_sets, -1))
    phases = list(np.ndindex(*p.phases)) if p.bank.per_phase_parameters else [(0, 0)]
    for row, column in phases:
        for outs in layout.output_channels:
            lanes = next(sets)
            assert lanes[:p.folding.po].tolist() == [
                IDLE if out == IDLE else p.bank.channels[row][column][out] for out in outs]
            assert (lanes[p.folding.po:] == IDLE).all()
    for channels, records in zip(p.parameter_channels, p.parameter_records):
        for channel, record in zip(channels, records):
            values = {}
            for field, bits in p.parameter_fields:
                values[field], record = record & (1 << bits) - 1, record >> bits
            assert record == 0
            if channel == IDLE:
                assert not any(values.values())
                continue
            bits = dict(p.parameter_fields)["bias"]
            assert bits == (32 if p.loadable else min(32, p.biased_bits))
            assert (p.tensors["bias"][channel] - values["bias"]) % (1 << bits) == 0
            assert values["multiplier"] == constants.multiplier[channel]
            assert values["shift"] + p.shift_range[0] == constants.shift[channel]


def test_tables_of_channels():
    p = program("prelu")
    assert p.table_per_channel and p.tables.shape == (*p.parameter_channels.shape, 256)
    for channels, tables in zip(p.parameter_channels, p.tables):
        for channel, table in zip(channels, tables):
            np.testing.assert_array_equal(table, p.requantisation.table[max(channel, 0)])
    p = make_program(sub_pixel(2, 3), quantisation={"activation": "prelu"}, folding={"po": 2})
    for channels, tables in zip(p.parameter_channels, p.tables):
        for channel, table in zip(channels, tables):
            if channel != IDLE:
                np.testing.assert_array_equal(table, p.requantisation.table[channel // 4])
    p = program("tanh")
    assert not p.table_per_channel and p.tables.shape == (1, p.requantisers, 256)
    assert not program("plain").table_per_channel


@pytest.mark.parametrize("name", PROGRAMS)
def test_accumulators_are_exactly_wide_enough(name):
    p = program(name)
    low, high = p.quantisation.input_range
    reached, biased = [0], [0]
    for row, column in np.ndindex(*p.phases):
        for kernel, channel in zip(p.bank.filters[row][column], p.bank.channels[row][column]):
            weights = kernel.ravel().tolist()
            ends = [sum(min(w * low, w * high) for w in weights),
                    sum(max(w * low, w * high) for w in weights)]
            reached += ends
            biased += [end + int(p.tensors["bias"][channel]) for end in ends]
    if p.loadable:
        assert p.biased_bits == 33 and p.magnitude_bits == 32
        return
    assert p.magnitude_bits == max(1, -min(biased), max(biased)).bit_length()
    for values, bits in ((reached, p.accumulator_bits), (biased, p.biased_bits)):
        assert -(1 << bits - 1) <= min(values) and max(values) < 1 << bits - 1
        assert min(values) < -(1 << bits - 2) or max(values) >= 1 << bits - 2 or bits == 1


@pytest.mark.parametrize("bias, bits", ((0, 8), (-1, 9)))
def test_the_magnitude_of_the_lowest_sum(bias, bits):
    """-256 fits 9 bits, and so does its magnitude, though every larger sum takes a bit less."""
    p = make_program(transposed(1, 1, 1, 1, 0), tensors={
        "weight": np.full((1, 1, 1, 1), -1), "bias": np.array([bias])})
    assert (p.biased_bits, p.magnitude_bits) == (9, bits)


def test_loadable_accumulators_hold_any_weights():
    p = program("loadable")
    rng = np.random.default_rng(0)
    for _ in range(20):
        weight = rng.choice([-128, 127], p.layer.weight_shape)
        other = Program(**{**vars_of(p), "tensors": {**p.tensors, "weight": weight},
                           "loadable": False})
        assert other.accumulator_bits <= p.accumulator_bits


def vars_of(program):
    names = ("layer", "quantisation", "tensors", "height", "width", "folding", "skip_zeros",
             "loadable")
    return {name: getattr(program, name) for name in names}


@pytest.mark.parametrize("loadable", (False, True))
@pytest.mark.parametrize("bits, formats", (
    (33, {"requant": "tflite-reference"}), (49, {"dtype": "uint16", "weight_bits": 16})))
def test_wide_sums(bits, formats, loadable):
    """The engine takes 48 bits, and TFLite int32."""
    layer = convolution(258, 1, 16, 0)
    most = 1 << formats.get("weight_bits", 8) - 1
    weight = np.full(layer.weight_shape, most - 1 if loadable else -most)
    with pytest.raises(ValueError, match=rf"^weight must keep every sum in {bits - 1} bits, but "
                                         r"with kernel_size \(16, 16\) and 258 input channels it "
                                         rf"may need {bits} bits$"):
        make_program(layer, size=(16, 16), tensors={"weight": weight}, loadable=loadable,
                     quantisation=formats)
    formats = {**formats, "requant": "onnxruntime"}
    less = convolution(256, 1, 16, 0)
    program = make_program(less if bits == 49 else layer, size=(16, 16), loadable=True,
                           quantisation=formats)
    assert program.accumulator_bits == min(bits, 48)


@pytest.mark.parametrize("options, message", (
    ({"lut_products": True, "quantisation": {"weight_bits": 9}},
     "weight_bits must be at most 8 where lut_products is set, not 9"),
    ({"pack": True, "quantisation": {"weight_bits": 9}},
     "weight_bits must be at most 8 where two products share a multiplier, not 9"),
    ({"pack": True, "quantisation": {"dtype": "int10", "input_zero_point": 7}},
     ("dtype and input_zero_point must make operands of at most 9 bits where two products share "
      "a multiplier, and int10 with 7 makes 11"))))
def test_wide_operands(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make_program(transposed(2, 2), folding={"po": 2}, **options)


def test_no_output():
    with pytest.raises(ValueError, match="^padding must leave at least one output pixel"):
        make_program(convolution(1, 1, 5, 0), size=(4, 8))


@pytest.mark.parametrize("low, high, bits", ((0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2),
                                             (-3, 1, 3), (0, 255, 9), (-256, 255, 9),
                                             (-257, 0, 10), (5, 9, 5), (-9, -5, 5)))
def test_bits(low, high, bits):
    assert bits_for(low, high) == bits


def test_packing():
    assert pack([[1, -1, 3], [0, 0, -4]], 3) == [0b011_111_001, 0b100_000_000]
    assert pack(np.ones((1, 100), int), 1) == [(1 << 100) - 1]


def test_words_of_narrow_weights():
    p = make_program(transposed(), quantisation={"weight_bits": 4})
    assert p.weight_word_bits == 4 and max(p.weight_words) < 16


def test_two_products_from_one_multiplier():
    layer, weight = transposed(2, 4), np.full((2, 4, 4, 4), -127)
    for po, two, multipliers in ((4, False, 8), (4, True, 4), (2, True, 2)):
        p = make_program(layer, tensors={"weight": weight}, folding={"pi": 2, "po": po}, pack=two)
        assert p.multipliers == multipliers
    with pytest.raises(ValueError, match="^po must give each convolution group an even number of "
                                         "lanes where two share a multiplier, not 1$"):
        make_program(layer, folding={"po": 1}, pack=True)
    weight[1, 2, 3, 0] = -128
    with pytest.raises(ValueError, match="^weight must be at least -127 where two products share "
                                         "a multiplier, not -128$"):
        make_program(layer, tensors={"weight": weight}, folding={"po": 2}, pack=True)


def test_products_of_tables():
    assert make_program(transposed(), lut_products=True).multipliers == 0
    with pytest.raises(ValueError, match="^lut_products must be False where pack is set, not "
                                         "True$"):
        make_program(transposed(1, 2), folding={"po": 2}, pack=True, lut_products=True)
