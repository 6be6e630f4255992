"""Number formats and requantisation constants (`hw.quantisation`)."""

import numpy as np
import pytest

from golden.quantisation import activation_table, compact_multiplier, tflite_multiplier
from hw.quantisation import LARGEST_SCALE, SMALLEST_SCALE, Quantisation


def tensors(**more):
    return {"input_scale": 0.5, "weight_scale": np.float32(0.01), "output_scale": 0.25,
            "pre_scale": 0.125, "pre_zero_point": 7, **more}


@pytest.mark.parametrize("options, message", (
    ({"dtype": "int3"}, "dtype must be one of uint4 to uint16 and int4 to int16, not 'int3'"),
    ({"dtype": "float"}, "dtype must be one of uint4 to uint16 and int4 to int16, not 'float'"),
    ({"output_dtype": "int32"}, "output_dtype must be one of uint4 to .* int16, not 'int32'"),
    ({"weight_bits": 1}, "weight_bits must be a whole number in 2..16, not 1"),
    ({"output_dtype": "uint4", "output_zero_point": 16}, "output_zero_point must be .* in 0..15"),
    ({"output_dtype": "uint9", "activation": "tanh"},
     "output_dtype must have at most 8 bits for the activation tanh, a table, not 'uint9'"),
    ({"dtype": "int16", "output_dtype": "int8", "requant": "tflite-reference"},
     "dtype must have at most 8 bits for the requant tflite-reference, not 'int16'"),
    ({"output_dtype": "int16", "requant": "tflite-reference"},
     "output_dtype must have at most 8 bits for the requant tflite-reference, not 'int16'"),
    ({"input_zero_point": 256}, "input_zero_point must be a whole number in 0..255, not 256"),
    ({"dtype": "int8", "output_zero_point": 128}, "output_zero_point must be .* in -128..127"),
    ({"requant": "float"},
     "requant must be one of onnxruntime, compact, tflite-reference, not 'float'"),
    ({"multiplier_bits": 7}, "multiplier_bits must be a whole number in 8..24, not 7"),
    ({"activation": "gelu"}, "activation must be one of none, relu, .*, hard_sigmoid, not 'gelu'"),
    ({"activation": "clamp", "activation_parameters": (1,)},
     "activation clamp takes 2 parameters, not 1"),
    ({"activation_parameters": (1,)}, "activation none takes 0 parameters, not 1"),
))
def test_refused_formats(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Quantisation(**options)


@pytest.mark.parametrize("options, values, message", (
    ({}, {"weight_scale": np.ones(2)}, "weight_scale must have 1 or 3 entries, not 2"),
    ({}, {"weight_scale": np.float32(2.0**-34)},
     "weight_scale must make input_scale .* / output_scale lie in .*, not 1.16"),
    ({"requant": "tflite-reference"}, {"weight_scale": np.float32(0.5)},
     "weight_scale must make input_scale .* / output_scale lie in .*, not 1.0"),
    ({}, {"weight_scale": np.float32(65)}, "weight_scale must make .*/ output_scale lie in .*130"),
    ({"activation": "tanh"}, {"weight_scale": np.float32(33)}, "weight_scale must .*/ pre_scale"),
    ({"activation": "clamp", "activation_parameters": (2, -2)}, {},
     r"activation clamp must have its lower bound first, not \(2.0, -2.0\)"),
))
def test_refused_tensors(options, values, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Quantisation(**options).requantisation(tensors(**values), 3)


@pytest.mark.parametrize("options, low, high", (
    ({}, 0, 255), ({"input_zero_point": 9}, -9, 246),
    ({"dtype": "int8", "input_zero_point": -128}, 0, 255),
    ({"dtype": "int8", "input_zero_point": 127}, -255, 0),
    ({"dtype": "uint12", "input_zero_point": 1}, -1, 4094),
    ({"dtype": "int4", "output_dtype": "int16"}, -8, 7)))
def test_input_range(options, low, high):
    assert Quantisation(**options).input_range == (low, high)


@pytest.mark.parametrize("options, bits", (({}, 24), ({"multiplier_bits": 9}, 24),
                                           ({"requant": "compact"}, 16),
                                           ({"requant": "compact", "multiplier_bits": 9}, 9)))
def test_constants(options, bits):
    formats = Quantisation(**options)
    scale = np.float32([0.01, 3e-7, 0.02])
    found = formats.requantisation(tensors(weight_scale=scale), 3)
    multiplier, shift = compact_multiplier(np.float32(0.5) * scale / np.float32(0.25), bits)
    assert formats.mantissa_bits == bits
    np.testing.assert_array_equal(found.multiplier, multiplier)
    np.testing.assert_array_equal(found.shift, shift)
    one = formats.requantisation(tensors(weight_scale=scale[:1]), 3)
    assert one.multiplier.tolist() == [multiplier[0]] * 3 and found.table is None


def test_tflite_constants():
    formats = Quantisation(dtype="int8", requant="tflite-reference")
    scale = np.float32([0.01, 3e-7, 0.02])
    found = formats.requantisation(tensors(weight_scale=scale), 3)
    multiplier, shift = tflite_multiplier(0.5 * scale.astype(np.float64) / 0.25)
    np.testing.assert_array_equal(found.multiplier, multiplier)
    np.testing.assert_array_equal(found.shift, shift)
    assert formats.mantissa_bits == 31 and formats.shift_range == (31, 62)
    assert found.multiplier.min() >= 2**30


@pytest.mark.parametrize("bits", (8, 11, 16, 24))
def test_shift_range_holds_every_shift(bits):
    formats = Quantisation(requant="compact", multiplier_bits=bits)
    largest, smallest = np.float32(LARGEST_SCALE), np.float32(SMALLEST_SCALE)
    scale = np.exp2(np.random.default_rng(bits).uniform(-32, 7, 500)).astype(np.float32)
    scale = np.concatenate([scale, [largest, np.nextafter(largest, np.float32(0)), smallest,
                                    np.nextafter(smallest, np.float32(1))]])
    shift = compact_multiplier(scale, bits)[1]
    assert (shift.min(), shift.max()) == formats.shift_range


@pytest.mark.parametrize("options, low, high, zero", (
    ({}, 0, 255, 0), ({"dtype": "int8"}, -128, 127, 0),
    ({"activation": "relu", "output_zero_point": 20}, 20, 255, 20),
    ({"activation": "relu", "dtype": "int8", "output_zero_point": -128}, -128, 127, -128),
    ({"activation": "clamp", "activation_parameters": (0, 6)}, 0, 24, 0),
    ({"activation": "clamp", "activation_parameters": (-1, 1e6), "output_zero_point": 30},
     26, 255, 30),
    ({"activation": "clamp", "activation_parameters": (-9e5, -8e5), "dtype": "int8"},
     -128, -128, 0),
    ({"activation": "sigmoid", "output_zero_point": 20}, 0, 255, 7),
    ({"output_dtype": "int16", "output_zero_point": -300}, -2**15, 2**15 - 1, -300),
    ({"dtype": "int16", "output_dtype": "uint4", "activation": "relu"}, 0, 15, 0)))
def test_clipping(options, low, high, zero):
    found = Quantisation(**options).requantisation(tensors(), 2)
    assert (found.low, found.high, found.zero_point) == (low, high, zero)


@pytest.mark.parametrize("activation, parameters, names", (
    ("leaky_relu", (0.1,), ("alpha",)), ("hard_sigmoid", (0.3, 0.4), ("alpha", "beta")),
    ("tanh", (), ()), ("sigmoid", (), ())))
def test_tables(activation, parameters, names):
    formats = Quantisation(dtype="int8", output_zero_point=-5, activation=activation,
                           activation_parameters=parameters)
    expected = activation_table(activation, pre_scale=0.125, pre_zero_point=7, output_scale=0.25,
                                output_zero_point=-5, dtype="int8", **dict(zip(names, parameters)))
    np.testing.assert_array_equal(formats.requantisation(tensors(), 2).table, [expected])


def test_table_of_each_channel():
    slope = np.float32([0.25, -1, 0])
    found = Quantisation(activation="prelu").requantisation(tensors(slope=slope), 3).table
    assert found.shape == (3, 256)
    for row, alpha in zip(found, slope):
        assert row[100] == round(93 * 0.125 / 0.25)
        assert row[1] == np.clip(round(-6 * 0.125 * float(alpha) / 0.25), 0, 255)


def test_description_is_plain():
    formats = Quantisation(activation="clamp", activation_parameters=(0, np.float32(6)))
    assert formats.describe() == {
        "dtype": "uint8", "output_dtype": "uint8", "weight_bits": 8, "input_zero_point": 0,
        "output_zero_point": 0, "requant": "onnxruntime", "multiplier_bits": 16,
        "activation": "clamp",
        "activation_parameters": [0.0, 6.0]}
