"""Bitstreams: one built for real, the same one twice, and what is refused."""

import json
import sys

import pytest
from tiny import Tiny

from boards import build, fit
from boards.build import app
from boards.flow import LARGE, Routed, implement, router
from boards.pll import plan
from boards.registry import BOARDS, find
from hw.manifest import DeviceFigures, Manifest
from hw.options import Options, run
from sim.synthesis import tool

SMALL = ("--k", "2", "--height", "4", "--width", "4", "--requant", "compact", "--name", "enlarge")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Function that runs the command with arguments, and gives its exit code."""
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["build", *arguments, "-o", str(tmp_path / "out")])
        with pytest.raises(SystemExit) as stop:
            run(app)
        return stop.value.code
    return call


def test_build(command, tmp_path, capsys):
    """Everything is there, the clock holds as routed, and the bitstream is one."""
    assert not command("icebreaker", *SMALL)
    out = tmp_path / "out"
    manifest = Manifest.model_validate_json((out / "enlarge.json").read_text())
    found = json.loads((out / "enlarge.board.json").read_text())
    assert (found["board"], found["engine"], found["digest"]) == (
        "icebreaker", "enlarge", manifest.digest)
    assert found["clock"]["link"] == 12e6 <= found["fmax"]["link"]
    assert 16e6 <= found["clock"]["engine"] <= found["fmax"]["engine"]
    assert plan("ice40", 12_000_000, found["clock"]["engine"]).frequency == (
        found["clock"]["engine"])
    used, capacity = found["resources"], BOARDS["icebreaker"].capacity
    assert 0 < used["luts"] <= capacity.luts and used["multipliers"] == 2
    assert used["luts"] == pytest.approx(
        manifest.figures.device.luts + fit.LINK["ice40"].luts, rel=0.15)
    assert found["frames_per_second"]["link"] == 1_000_000 / 10 / (4 * 4 + 8 * 8)
    assert {"icebreaker-enlarge.bin", manifest.files.verilog, manifest.files.tensors} <= {
        file.name for file in out.iterdir()}
    tool(out, "yowasp-iceunpack", "icebreaker-enlarge.bin", "unpacked.asc")
    assert ".device 5k" in (out / "unpacked.asc").read_text()
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "icebreaker-enlarge.bin")


@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-25f"])
def test_same_bytes(name, tmp_path):
    """In another folder, too."""
    board, made, steps = BOARDS[name], [], []
    for folder in (tmp_path / "one", tmp_path / "another" / "one"):
        design = Tiny(board, plan(board.target, board.reference, 40e6))
        made.append(implement(board, design, folder, seed=1, tell=steps.append))
    assert made[0] == made[1] and len(made[0].bitstream) > 1000
    assert steps == 2 * ["synthesis", "placement and routing", "bitstream"]


@pytest.mark.parametrize("cells, options", ((LARGE, ["--tmg-ripup"]),
                                           (LARGE + 1, ["--router", "router2"])))
def test_router_follows_the_size_of_the_netlist(cells, options, tmp_path):
    netlist = tmp_path / "top.json"
    luts = {str(n): {"type": "LUT4"} for n in range(cells)}
    modules = {"top": {"cells": luts}, "LUT4": {"cells": {}}}
    netlist.write_text(json.dumps({"modules": modules}))
    assert router(netlist) == options


@pytest.mark.parametrize("arguments, message", [
    (("arty",), "board must be one of ulx3s-12f, "),
    (("icebreaker", "--target", "ecp5"), "target must be ice40 for icebreaker, not 'ecp5'"),
    (("icebreaker", "--baud", "5000000"), "baud must be from 1 to 3000000, "),
    (("icebreaker", "--pi", "2"), "pi must be "),
    (("icebreaker", "--name", "top"), "name must not be that of the board's own module, 'top'"),
    (("ulx3s-25f", "--cin", "64", "--cout", "64", "--pi", "8", "--po", "8"),
     "must fit Radiona ULX3S 25F beside the link, which lacks multipliers (40): --po 2 fits"),
    (("hx8k-breakout",), "lacks multipliers (3): --serial-requant --lut-products fits"),
    (("icebreaker", "--cin", "128", "--cout", "128", "--loadable"),
     "): no folding fits, a smaller layer is needed"),
    ((), "Missing argument 'board'")])
def test_refused(arguments, message, command, tmp_path, capsys):
    assert command(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_to_the_last_one():
    board, link = find("icebreaker"), fit.LINK["ice40"]
    figures = board.capacity.model_copy(update={
        name: getattr(board.capacity, name) - getattr(link, name) for name in fit.LABELS})
    options = Options(target="ice40")
    fit.check(board, options, figures)
    with pytest.raises(ValueError, match=r"which lacks LUTs \(1\): "):
        fit.check(board, options, figures.model_copy(update={"luts": figures.luts + 1}))


def test_loader_is_missing(command, monkeypatch, tmp_path, capsys):
    """Before anything is built."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("icebreaker", *SMALL, "--program") == 1
    assert "iceprog must be installed to program 1BitSquared iCEBreaker" in capsys.readouterr().err


@pytest.mark.parametrize("engine, link, message", [
    (100e6, 24.9e6, "100.0 MHz, and 24.9 of 25 MHz for the link; another --seed may do"),
    (10e6, 50e6, "as routed it reaches 10.0 MHz")])
def test_no_clock_holds(engine, link, message, monkeypatch):
    """Routings that never reach what they aim at."""
    found = Routed(engine, link, DeviceFigures(luts=1, multipliers=0, block_rams=0,
                                               single_port_rams=0), b"")
    monkeypatch.setattr(build, "implement", lambda *arguments, **options: found)
    monkeypatch.setattr(build, "BoardTop", lambda *arguments: None)
    with pytest.raises(RuntimeError, match=message):
        build._implement(find("ulx3s-25f"), None, "", 1_000_000, None, 1, lambda text: None)
