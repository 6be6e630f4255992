"""What the generator says of devices, beside counts of nextpnr's that were written down."""

import pytest

from hw.export import describe, make_program
from hw.gen import table
from hw.options import Options
from hw.primitives.memory import BlockMemory

LARGE = {"cin": 64, "cout": 16, "pi": 4, "po": 4}
SMALL = {"cin": 4, "cout": 4, "pi": 2, "po": 2, "height": 6, "width": 5, "loadable": True}
WIDE = {"cin": 16, "cout": 8, "height": 32, "width": 32}
COUNTS = (  # options, multipliers and block RAMs
    ({"target": "ecp5"}, 3, 2),
    (LARGE | {"target": "ecp5"}, 20, 17),
    (LARGE | {"loadable": True, "target": "ecp5"}, 20, 24),
    (SMALL | {"target": "ecp5"}, 8, 3),
    (SMALL | {"target": "ice40"}, 8, 16),
    ({"cin": 16, "cout": 8, "height": 32, "width": 32, "pi": 4, "po": 8, "pack": True,
      "loadable": True, "target": "ecp5"}, 24, 11),
    (SMALL | {"target": "ice40", "po": 1, "spram": True}, 6, 13),
    (WIDE | {"pi": 4, "po": 4, "dtype": "int16", "weight_bits": 16, "loadable": True,
             "target": "ecp5"}, 20, 12),
    (WIDE | {"pi": 2, "po": 2, "dtype": "int12", "output_dtype": "uint4", "requant": "compact",
             "target": "ice40"}, 6, 22),
    (WIDE | {"pi": 2, "po": 2, "dtype": "int8", "requant": "tflite-reference",
             "serial_requant": True, "loadable": True, "target": "ice40"}, 4, 27),
    (SMALL | {"dtype": "uint16", "lut_products": True, "serial_requant": True,
              "target": "ice40"}, 0, 18),
)


def manifest(options):
    options = Options(**options)
    return describe(make_program(options), options)


@pytest.mark.parametrize("options, multipliers, block_rams", COUNTS)
def test_multipliers_and_block_rams(options, multipliers, block_rams):
    device = manifest(options).figures.device
    assert (device.multipliers, device.block_rams) == (multipliers, block_rams)


def test_no_device():
    assert manifest({}).figures.device is None
    assert BlockMemory.blocks("generic", 18, 1024) is None


@pytest.mark.parametrize("target, rows", (("generic", 8), ("ecp5", 11), ("ice40", 11)))
def test_table(target, rows):
    assert table(manifest({"target": target})).row_count == rows


@pytest.mark.parametrize("target", ("ecp5", "ice40"))
@pytest.mark.parametrize("more", ({"pi": 2, "cin": 2}, {"po": 2, "cout": 2}, {"loadable": True},
                                  {"px": 2}, {"skip_zeros": True}, {"requant": "onnxruntime"}))
def test_more_hardware_takes_more_luts(target, more):
    least = manifest({"requant": "compact", "target": target}).figures.device.luts
    assert manifest({"requant": "compact", "target": target, **more}).figures.device.luts > least
