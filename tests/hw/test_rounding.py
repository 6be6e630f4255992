"""The rounding unit against `golden.quantisation.requantise`, ties and near ties above all."""

import random
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from bench_helpers import clocked
from sample_programs import convolution, make_program

from golden.quantisation import dtype_range, requantise
from hw.engine.rounding import Rounding
from hw.quantisation import LARGEST_SCALE, SMALLEST_SCALE


def make(*, bias, scale, shifted=False, weight=1, **quantisation):
    """A program of 1x1 convolutions with these biases and scales, one for each channel."""
    channels = len(bias)
    layer = convolution(1, channels, 1, 0)
    return make_program(layer, size=(2, 2), loadable=shifted, quantisation=quantisation, tensors={
        "weight": np.full(layer.weight_shape, weight), "bias": np.array(bias),
        "weight_scale": np.float32(scale), "input_scale": np.float32(1),
        "output_scale": np.float32(1)})


def values_near_ties(scale, limit, rng, count, codes):
    """Integers v with |v| <= limit, most of them with v * scale next to a tie between two codes.

    The largest ties are a little beyond `codes`.
    """
    exact, found = Fraction(float(scale)), [0, 1, -1, limit, -limit]
    while len(found) < count:
        kind = rng.random()
        if kind < 0.2:
            value = rng.randint(-limit, limit)
        elif kind < 0.3:
            value = rng.randint(-min(limit, 1 << 10), min(limit, 1 << 10))
        else:
            top = min(codes + codes // 5, floor(limit * exact))
            tie = Fraction(2 * rng.randint(-top - 1, top) + 1, 2)
            value = round(tie / exact) + rng.choice((0, 0, 0, 0, -1, 1, 2))
        found.append(max(-limit, min(limit, value)))
    return found


def check(program, scales, count, seed=0):
    """All channels in turns, one value each cycle."""
    rng, dut = random.Random(seed), Rounding(program)
    constants = program.requantisation
    limit = (1 << program.biased_bits - 1) - 1
    span = 1 << program.accumulator_bits - 1
    formats = program.quantisation
    if formats.requant == "tflite-reference":
        limit = min(limit, 2**31 - 1)
    inputs, channels, values = [], [], []
    for channel, scale in enumerate(scales):
        for value in values_near_ties(scale, limit, rng, count, 1 << formats.output_bits):
            accumulator = rng.randrange(-span, span)
            accumulator = max(value - (1 << 31) + 1, min(value + (1 << 31), accumulator))
            if not -span <= accumulator < span:
                continue
            inputs.append({
                "accumulator": accumulator, "bias": value - accumulator,
                "multiplier": int(constants.multiplier[channel]),
                "shift": int(constants.shift[channel]) - program.shift_range[0]})
            channels.append(channel)
            values.append(value)
    order = list(range(len(inputs)))
    rng.shuffle(order)
    latency = Rounding.latency(program)
    seen = clocked(dut, [inputs[n] for n in order] + [{}] * latency, ("code",))
    codes = np.empty(len(inputs), int)
    codes[order] = [code for code, in seen[latency:]]
    expected = requantise(np.array(values), np.float32(scales)[channels], constants.zero_point,
                          constants.low, constants.high, scheme=formats.requant,
                          bits=formats.multiplier_bits) & (1 << formats.output_bits) - 1
    wrong = [(values[n], scales[channels[n]], codes[n], expected[n])
             for n in np.flatnonzero(codes != expected)]
    assert not wrong, f"{len(wrong)} of {len(values)}: (value, scale, code, expected) {wrong[:5]}"


SCHEMES = {"float": {"requant": "onnxruntime"},
           "compact 8": {"requant": "compact", "multiplier_bits": 8},
           "compact 16": {"requant": "compact", "multiplier_bits": 16},
           "compact 24": {"requant": "compact", "multiplier_bits": 24},
           "tflite": {"requant": "tflite-reference"}}


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("bits", (10, 18, 25, 26, 29, 32))
def test_scales_of_a_layer(scheme, bits):
    """Widths from far below a float32 mantissa to the widest, with scales that use the codes."""
    rng = np.random.default_rng(bits)
    scales = np.exp2(rng.uniform(7.5, 8.5, 12) - bits).astype(np.float32)
    scales[:3] = 2.0 ** (8 - bits), 3 * 2.0 ** (6 - bits), 2.0 ** (7 - bits)
    scales = np.maximum(scales, np.float32(SMALLEST_SCALE))
    bias = [(1 << bits - 1) - 300] + [-9] * 11
    program = make(bias=bias, scale=scales, dtype="int8", output_zero_point=-3, **scheme)
    assert program.biased_bits == bits
    assert Rounding.excess(program) == max(0, bits - 25) * (scheme["requant"] == "onnxruntime")
    check(program, scales, 100, seed=bits)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_every_shift(scheme):
    """Loadable constants: all 40 scales of two, and others, in one unit for int32."""
    largest = 2.0**-1 if scheme["requant"] == "tflite-reference" else LARGEST_SCALE
    scales = np.exp2(np.arange(-32, np.log2(largest) + 1)).astype(np.float32)
    noise = np.random.default_rng(5).uniform(1, 2, len(scales)).astype(np.float32)
    noise[-1] = 1
    scales = np.concatenate([scales, scales * noise])
    program = make(bias=[0] * len(scales), scale=scales, shifted=True, output_zero_point=100,
                   **scheme)
    shifts = program.requantisation.shift
    assert (shifts.min(), shifts.max()) == program.shift_range and program.biased_bits == 33
    check(program, scales, 40)


@pytest.mark.parametrize("scale", (2.0**7, 100.0, 1.0, 0.75, 2.0**-9, 2.0**-25))
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_one_shift(scheme, scale):
    """All channels with the same shift."""
    if scheme["requant"] == "tflite-reference":
        scale = min(scale, 0.9999)
    scales = np.float32([scale] * 2)
    program = make(bias=[1000, -1000], scale=scales, dtype="uint8", activation="relu",
                   output_zero_point=20, **scheme)
    assert len(set(program.shift_range)) == 1
    check(program, scales, 100)


@pytest.mark.parametrize("dtype, activation, parameters", (
    ("uint8", "clamp", (-3.0, 9.0)), ("int8", "clamp", (-100.0, -3.0)), ("int8", "relu", ()),
    ("int8", "none", ())))
def test_clipping(dtype, activation, parameters):
    scales = np.float32([0.3, 0.7, 0.5])
    program = make(bias=[300, 0, -300], scale=scales, dtype=dtype, activation=activation,
                   activation_parameters=parameters, output_zero_point=5)
    check(program, scales, 200)


@pytest.mark.parametrize("scheme", ({"requant": "onnxruntime"}, {"requant": "compact"}),
                         ids=("float", "compact"))
@pytest.mark.parametrize("dtype", ("uint4", "int6", "int9", "uint12", "int16", "uint16"))
@pytest.mark.parametrize("width", (20, 36, 40, 44, 48))
def test_codes_and_magnitudes_of_other_widths(width, dtype, scheme):
    """Sums of up to 48 bits: those of 12 bits beyond a mantissa and more take longer ways."""
    low, high = dtype_range(dtype)
    rng = np.random.default_rng(width)
    octaves = (high - low).bit_length() - width
    scales = np.exp2(rng.uniform(octaves - 1, octaves + 1, 6)).astype(np.float32)
    scales[:2] = 2.0**octaves, 3 * 2.0**(octaves - 1)
    scales = np.maximum(scales, np.float32(SMALLEST_SCALE))
    weight = max(1, 2**(width - 18))
    program = make(bias=[9] * 6, scale=scales, weight=weight, dtype="uint16", output_dtype=dtype,
                   output_zero_point=low + 3, **scheme)
    assert program.accumulator_bits == max(width, 18) - 1 or width == 20
    check(program, scales, 60, seed=width)


def test_tflite_rounds_twice():
    """Values for which the two roundings, and their different ways with ties, matter."""
    scales = np.float32([0.5, 0.25, 0.125, 0.75])
    program = make(bias=[0] * 4, scale=scales, shifted=True, dtype="int8",
                   requant="tflite-reference")
    check(program, scales, 200)


def test_lowest_sum_that_its_width_holds():
    """The lowest sum, -2**8, has a magnitude of one bit more than every other sum."""
    scales = np.float32([1 / 16])
    program = make(bias=[-1], weight=-1, scale=scales, dtype="uint8", output_zero_point=200)
    assert program.biased_bits == 9
    latency = Rounding.latency(program)
    seen = clocked(Rounding(program), [{
        "accumulator": -255, "bias": -1, "multiplier": int(program.requantisation.multiplier[0])}]
        * (latency + 1), ("code",))
    assert seen[-1] == [200 - 16]
