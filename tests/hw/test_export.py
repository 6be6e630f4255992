"""The generated files: whole, the same every time, without lint warnings, and well described."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import hw.export
from hw.export import describe, generate, make_program, write_whole
from hw.manifest import Manifest
from hw.options import Options
from hw.resources import memories, memory_bits
from sim.verilator import lint

SCHEMA = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
LAYERS = {
    "default": {},
    "wide": {"cin": 4, "cout": 2, "pi": 4, "po": 2, "px": 3, "k": 5, "s": 3},
    "depthwise": {"cin": 6, "cout": 6, "groups": 6, "po": 3},
    "sparse": {"cin": 20, "cout": 2, "k": "3,1", "skip_zeros": True, "dtype": "int8"},
    "loadable": {"cin": 3, "cout": 5, "po": 2, "loadable": True, "activation": "tanh"},
    "sub_pixel": {"op": "sub_pixel_conv2d", "k": 3, "s": 2, "cin": 3, "pi": 3,
                  "requant": "compact", "activation": "leaky_relu:0.1"},
    "conv": {"op": "conv2d", "k": 3, "cin": 2, "cout": 2, "weight_bits": 4, "target": "ecp5"},
    "tiny": {"k": 1, "s": 1, "height": 1, "width": 1, "target": "ice40"},
    "crop": {"k": 3, "s": 2, "p": "5,4"},
}


def files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("layer", LAYERS)
def test_files(layer, tmp_path):
    options = Options(**{"height": 9, "width": 10, **LAYERS[layer]}, name="engine")
    manifest = generate(options, tmp_path / "a")
    generate(options, tmp_path / "b")
    written = files(tmp_path / "a")
    assert written == files(tmp_path / "b")
    models = {"ecp5": {"CCU2C.v", "TRELLIS_FF.v", "DP16KD.v", "MULT18X18D.v"},
              "ice40": {"SB_MAC16.v", "SB_RAM40_4K.v", "SB_SPRAM256KA.v"}}
    assert set(written) == models.get(options.target, set()) | {
        f"engine.{end}" for end in ("v", "json", "npz", "core", "vlt")}
    content = json.loads(written["engine.json"])
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    assert Manifest.model_validate(content) == manifest
    assert lint(tmp_path / "a" / "engine.v", tmp_path / "a" / "engine.vlt") == ""

    assert b"[-1:0]" not in written["engine.v"]
    core = written["engine.core"].decode()
    assert core.startswith("CAPI=2:\n")
    tool = {"ecp5": "trellis", "ice40": "icestorm"}.get(options.target)
    assert (f"default_tool: {tool}" in core) == (tool is not None)


def test_memories_are_those_of_the_verilog(tmp_path):
    for number, layer in enumerate(LAYERS.values()):
        options = Options(**{"height": 9, "width": 10, **layer, "target": "generic"},
                          name="engine")
        manifest = generate(options, tmp_path / str(number))
        verilog = (tmp_path / str(number) / "engine.v").read_text()
        arrays = re.findall(r"reg \[(\d+):0\] \S+ \[(\d+):0\];", verilog)
        sizes = sorted((int(words) + 1, int(bits) + 1) for bits, words in arrays)
        program = make_program(options)
        counted = sorted((depth, width) for count, width, depth in memories(program).values()
                         for _ in range(count))
        assert counted == sizes
        assert manifest.figures.memory_bits == memory_bits(program)


@pytest.mark.parametrize("choice, multipliers", (({}, 2), ({"pack": True}, 1),
                                                 ({"lut_products": True}, 0)))
def test_utilisation_is_a_share_of_the_products(choice, multipliers):
    options = Options(cout=2, po=2, height=3, width=3, **choice)
    figures = describe(make_program(options), options).figures
    assert (figures.multipliers, figures.utilisation) == (multipliers, 1)


def test_schema_is_up_to_date():
    assert json.loads(SCHEMA.read_text()) == Manifest.model_json_schema()


def test_digest_follows_the_weights(tmp_path):
    digests = set()
    for seed in range(3):
        np.savez(tmp_path / "w.npz", weight=np.full((1, 1, 4, 4), seed), weight_scale=0.01,
                 input_scale=1.0, output_scale=1.0)
        manifest = generate(Options(weights=str(tmp_path / "w.npz")), tmp_path)
        digests.add(manifest.digest)
    assert len(digests) == 3


def test_nothing_is_left_when_writing_fails(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"before")

    class Full(Exception):
        pass

    def no_space(self, content):
        raise Full
    with monkeypatch.context() as patch:
        patch.setattr(hw.export.Path, "write_bytes", no_space)
        with pytest.raises(Full):
            write_whole(tmp_path, {"a": b"1", "b": b"2"})
    assert files(tmp_path) == {"a": b"before"}


@pytest.mark.parametrize("change, message", [
    ({"weight": np.ones((1, 1, 4, 4))}, "weight must be integers, not float64"),
    ({"weight": np.ones((1, 1, 3, 3), int)}, r"weight must have the shape \(1, 1, 4, 4\)"),
    ({"weight": np.full((1, 1, 4, 4), 200)}, r"weight must be in -128..127, not 200"),
    ({"bias": np.array([2**31])}, "bias must be in -2147483648..2147483647"),
    ({"bias": np.zeros(2, int)}, r"bias must have the shape \(1,\)"),
    ({"weight_scale": np.ones(3)}, "weight_scale must have 1 or 1 entries, not 3"),
    ({"weight_scale": -1.0}, "weight_scale must be positive finite numbers"),
    ({"weight_scale": 1e6}, "weight_scale must make input_scale"),
    ({"input_scale": np.nan}, "input_scale must be positive finite numbers"),
    ({"output_scale": [1.0, 2.0]}, "output_scale must be one number, not 2"),
    ({"input_zero_point": 300}, "input_zero_point must be in 0..255, not 300"),
    ({"output_zero_point": 1.5}, "output_zero_point must be integers, not float64"),
    ({"output_zero_point": [1, 2]}, r"output_zero_point must have the shape \(\), not \(2,\)"),
    ({"colour": 1}, "weights must hold only"),
    ({"weight": None}, "weights must hold weight"),
])
def test_wrong_weights(change, message, tmp_path):
    good = {"weight": np.ones((1, 1, 4, 4), int), "weight_scale": 0.01, "input_scale": 1.0,
            "output_scale": 1.0}
    values = {k: v for k, v in {**good, **change}.items() if v is not None}
    np.savez(tmp_path / "w.npz", **values)
    with pytest.raises(ValueError, match=message):
        make_program(Options(weights=str(tmp_path / "w.npz")))


def test_weights_that_are_no_npz(tmp_path):
    (tmp_path / "w.npz").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ValueError, match="npz format"):
        make_program(Options(weights=str(tmp_path / "w.npz")))


@pytest.mark.parametrize("slope, message", [
    ([0.1, 0.2], r"slope must be 1 finite numbers"), ([np.inf], "slope must be 1 finite numbers")])
def test_wrong_slopes(slope, message, tmp_path):
    np.savez(tmp_path / "w.npz", weight=np.ones((1, 1, 4, 4), int), weight_scale=0.01,
             input_scale=1.0, output_scale=1.0, slope=slope)
    with pytest.raises(ValueError, match=message):
        make_program(Options(weights=str(tmp_path / "w.npz"), activation="prelu"))
