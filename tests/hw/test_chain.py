"""Chains of layers: their options, programs and ports, and one line for each that is wrong."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from bench_helpers import exported_ports

from hw.export import describe, generate, make_program, restore_program
from hw.layers import Conv2d, ConvTranspose2d, Resize2d
from hw.options import Options
from hw.resources import device_figures, memory_bits
from hw.top import Top
from sim.verilator import lint

SCHEMA = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
SEPARABLE = {"op": "separable_conv_transpose2d", "cin": 4, "cout": 6, "height": 5, "width": 7}
BILINEAR = {"op": "bilinear_conv2d", "cin": 4, "cout": 6, "height": 5, "width": 7}


def test_layers():
    first, second = Options(**SEPARABLE, k="5,3", s="3,2", p="1,2", dilation=2).layer().stages
    assert first == ConvTranspose2d(
        in_channels=4, out_channels=4, groups=4, kernel_size=(5, 3), stride=(3, 2), padding=(1, 2),
        dilation=2)
    assert second == Conv2d(in_channels=4, out_channels=6, kernel_size=1)
    first, second = Options(**BILINEAR, s="3,2", p="1,2,0,0", groups=2, dilation=2,
                            coordinates="asymmetric").layer().stages
    assert first == Resize2d(in_channels=4, out_channels=4, scale_factor=(3, 2), mode="bilinear",
                             coordinates="asymmetric")
    assert second == Conv2d(in_channels=4, out_channels=6, kernel_size=3, groups=2, dilation=2,
                            padding=((1, 2), (0, 0)))


@pytest.mark.parametrize("op", ("separable_conv_transpose2d", "bilinear_conv2d"))
def test_by_default_the_output_is_the_factor_times_the_input(op):
    for k in range(1, 8):
        for s in range(1, 4):
            assert Options(op=op, k=k, s=s).layer().output_size(7, 9) == (7 * s, 9 * s)


@pytest.mark.parametrize("options, foldings", [
    (SEPARABLE | {"pi": 3, "po": 2, "pack": True}, [(1, 3), (3, 2)]),
    (BILINEAR | {"pi": 4, "po": 6}, [(1, 4), (4, 6)]),
    (BILINEAR | {"groups": 2, "po": 6, "pi": 2}, [(1, 4), (2, 6)]),
])
def test_folding(options, foldings):
    program = make_program(Options(**options))
    assert [(p.folding.pi, p.folding.po) for p in program.stages] == foldings
    assert [p.pack for p in program.stages] == [False, options.get("pack", False)]


@pytest.mark.parametrize("options, message", [
    (SEPARABLE | {"groups": 2},
     "groups must not be given for separable_conv_transpose2d, not 2"),
    (SEPARABLE | {"px": 2}, "px must be 1 for separable_conv_transpose2d, not 2"),
    (BILINEAR | {"loadable": True}, "loadable must be False for bilinear_conv2d, not True"),
    (BILINEAR | {"op_pad": 1}, r"op_pad must not be given for bilinear_conv2d, not \(1,\)"),
    (BILINEAR | {"pi": 5}, r"pi must be at most in_channels/groups \(4\), not 5"),
    (BILINEAR | {"cin": 6, "groups": 2, "pi": 2},
     r"pi must divide in_channels/groups \(3\) for bilinear_conv2d, not 2"),
    (SEPARABLE | {"cin": 0}, "in_channels must be a whole number at least 1, not 0"),
    (BILINEAR | {"groups": 0}, "groups must be a whole number at least 1, not 0"),
    (SEPARABLE | {"height": 0}, "height must be at least 1, not 0"),
    (BILINEAR | {"height": 1, "k": 4, "p": 0}, "padding must leave at least one output pixel"),
    (SEPARABLE | {"weights": "bilinear"}, "weights must be random or a file unless op is"),
])
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        make_program(Options(**options))


def weights(**changes):
    rng = np.random.default_rng(3)
    values = {"0.weight": rng.integers(-9, 9, (4, 1, 4, 4)), "0.weight_scale": 0.01,
              "0.input_scale": 0.5, "0.output_scale": 0.25, "0.output_zero_point": 7,
              "1.weight": rng.integers(-9, 9, (6, 4, 1, 1)), "1.weight_scale": 0.01,
              "1.input_scale": 0.25, "1.input_zero_point": 7, "1.output_scale": 0.5}
    return {name: value for name, value in (values | changes).items() if value is not None}


@pytest.mark.parametrize("changes, message", [
    ({"1.input_scale": 0.5},
     r"1.input_scale must be that of the codes of stage 0 \(0.25\), not 0.5"),
    ({"1.input_zero_point": 8},
     r"1.input_zero_point must be that of the codes of stage 0 \(7\), not 8"),
    ({"1.weight": None}, "weights must hold 1.weight, but"),
    ({"weight": 3}, "weights must hold only 0.weight, .*, not weight"),
    ({"2.weight": 3}, "weights must hold only 0.weight, .*, not 2.weight"),
    ({"1.colour": 3}, "weights must hold only 1.weight, .*, not 1.colour"),
])
def test_wrong_weights(changes, message, tmp_path):
    np.savez(tmp_path / "w.npz", **weights(**changes))
    with pytest.raises(ValueError, match=message):
        make_program(Options(**SEPARABLE, weights=str(tmp_path / "w.npz")))


def test_a_layer_takes_no_weights_of_stages(tmp_path):
    np.savez(tmp_path / "w.npz", **weights())
    with pytest.raises(ValueError, match="weights must hold weight, but"):
        make_program(Options(weights=str(tmp_path / "w.npz")))


def test_files(tmp_path):
    np.savez(tmp_path / "w.npz", **weights())
    options = Options(**SEPARABLE, weights=str(tmp_path / "w.npz"), name="chain", target="ecp5")
    manifest = generate(options, tmp_path / "made")
    content = json.loads((tmp_path / "made" / "chain.json").read_text())
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    assert lint(tmp_path / "made" / "chain.v", tmp_path / "made" / "chain.vlt") == ""
    assert [layer["op"] for layer in manifest.layer["stages"]] == ["conv_transpose2d", "conv2d"]
    with np.load(tmp_path / "made" / "chain.npz") as tensors:
        restored = restore_program(manifest, dict(tensors))
    assert restored.spec == manifest.layer
    assert describe(restored, options) == manifest


def test_figures_are_sums():
    program = make_program(Options(**SEPARABLE, pi=2, po=3, target="ecp5"))
    for figure in (memory_bits, lambda p: device_figures(p, "ecp5").luts,
                   lambda p: device_figures(p, "ecp5").multipliers):
        assert figure(program) == sum(map(figure, program.stages))


def test_ports():
    ports = exported_ports(Top(make_program(Options(**SEPARABLE, pi=2, po=3)), version=(0, 1, 0),
                               digest=7))
    assert ports["s_axis_tdata"] == ("input", 16)
    assert ports["m_axis_tdata"] == ("output", 24)
    assert sum(name.endswith("tdata") for name in ports) == 2
