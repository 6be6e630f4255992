"""Engines agree with golden as nextpnr has routed them, by value and by cycle."""

import json
import os

import pytest

from sim import toolchain
from sim.design import Design
from sim.routed import MODELS, restored, routed
from sim.run import Difference, run_testbench

LAYER = {"k": (2,), "s": (2,), "cout": 2, "po": 2, "pack": True, "requant": "compact",
         "multiplier_bits": 8, "height": 3, "width": 3, "name": "enlarge", "target": "ecp5"}
CELL = """module bench;
    reg clk = 0;
    {cell} dut (.{clock}(clk));
    initial begin
        #1 clk = 1;
        #1 $finish;
    end
endmodule
"""


def test_routed_engine_agrees_with_golden(generate, model_cache, tmp_path):
    (folder := tmp_path / "routed").mkdir()
    design = routed(generate(**LAYER), folder)
    text = design.verilog.read_text()
    assert all(f"  {cell} " in text for cell in (
        "TRELLIS_COMB", "TRELLIS_FF", "TRELLIS_RAMW", "DP16KD", "MULT18X18D"))
    result = run_testbench(design, cache=model_cache)
    assert result["handshakes"] == 3 * (3 * 3 + 6 * 6)
    netlist = json.loads((folder / "routed.json").read_text())
    cells, ports = (netlist["modules"]["top"][key] for key in ("cells", "ports"))
    # two outputs that are always the same
    assert ports["s_axi_awready"] == ports["s_axi_wready"]
    assert any(ports["s_axi_wready"]["bits"] in cell["connections"].values()
               for cell in cells.values())
    # one bit of one table: what an adder gives where both of its bits are 1
    table = cells[min(name for name in cells if "accumulator_0_0" in name and "COMB0" in name)]
    bits = table["parameters"]["INITVAL"]
    table["parameters"]["INITVAL"] = "10"[int(bits[0])] + bits[1:]
    (folder / "routed.json").write_text(json.dumps(netlist))
    restored(folder, "routed.json", design.verilog.name, "enlarge")
    with pytest.raises(Difference):
        run_testbench(Design(design.path), cache=model_cache, waves=tmp_path / "waves.vcd")


def test_target(generate, tmp_path):
    with pytest.raises(ValueError, match="target must be ecp5 for a routed netlist, not 'ice40'"):
        routed(generate(**LAYER | {"target": "ice40"}), tmp_path)


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("cell, clock, parameters", (
    ("TRELLIS_COMB", "WCK", 'MODE="RAMW"'), ("TRELLIS_COMB", "WCK", 'CCU2_INJECT1="x"'),
    ("TRELLIS_COMB", "WCK", 'WREMUX="INV"'), ("TRELLIS_COMB", "WCK", 'MUX="FXA"'),
    ("TRELLIS_FF", "CLK", 'GSR="ENABLED"'), ("TRELLIS_FF", "CLK", 'LSRMODE="PRLD"'),
    ("TRELLIS_FF", "CLK", 'SRMODE="CE_OVER_LSR"'), ("TRELLIS_FF", "CLK", 'CEMUX="x"'),
    ("DCCA", "CE(1'b0), .CLKI", "")))
def test_a_mode_without_a_model_ends_the_simulation(cell, clock, parameters, tmp_path):
    name, _, value = parameters.partition("=")
    (tmp_path / "bench.v").write_text(CELL.format(
        cell=f"{cell} #(.{name}({value}))" if name else cell, clock=clock))
    toolchain.run(["iverilog", "-y", MODELS, "-s", "bench", "-o", tmp_path / "bench",
                   tmp_path / "bench.v"], os.environ, "rejected")
    with pytest.raises(RuntimeError, match=f"{cell}: a mode without a model"):
        toolchain.run(["vvp", "-n", tmp_path / "bench"], os.environ, "error")


def test_inverted_block_is_refused(tmp_path):
    block = {"type": "DP16KD", "parameters": {"WEAMUX": "INV"}, "attributes": {},
             "port_directions": {"WEA": "input"}, "connections": {"WEA": [2]}}
    (tmp_path / "routed.json").write_text(json.dumps({"modules": {"top": {
        "attributes": {}, "ports": {}, "netnames": {}, "cells": {"block": block}}}}))
    with pytest.raises(RuntimeError, match="WEA of block must not be inverted, for lack of a mo"):
        restored(tmp_path, "routed.json", "restored.v", "top")
