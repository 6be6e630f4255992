"""What is in a bitstream of an iCE40 does what its source does, and what is changed is seen."""

import os
import re
import shutil

import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Signal
from amaranth.lib import io
from unpack_bench import CYCLES, compared, routed

from boards.clocks import Clocks
from boards.flow import implement
from boards.pll import plan
from boards.registry import find
from boards.unpack import unpacked
from sim import toolchain

installed = pytest.mark.skipif(
    shutil.which("icebox_vlog") is None,
    reason="icebox_vlog is not on the PATH: Project IceStorm (Debian: fpga-icestorm) is missing")

PERIOD = """`timescale 1ps / 1ps
module bench;
    reg clk = 0;
    wire tx;
    integer n = 0;
    realtime first;
    top dut (.clk12_0__io(clk), .uart_0__rx__io(1'b0), .uart_0__tx__io(tx));
    always #41665 clk = !clk;
    always @(posedge tx) begin
        n = n + 1;
        if (n == 1) first = $realtime;
        if (n == 101) begin
            $display("%0f", ($realtime - first) / 1600);
            $finish;
        end
    end
endmodule
"""


def changed(folder, section, line, column):
    """Invert characters of the tile with the most ones: every second line from `line` on."""
    text = (folder / "found.asc").read_text()
    tiles = re.findall(rf"^\.{section} .*\n(?:[01]+\n)+", text, re.MULTILINE)
    tile = max(tiles, key=lambda tile: tile.count("1"))
    rows = [list(row) for row in tile.splitlines()]
    for row in rows[line::2]:
        row[column] = "10"[int(row[column])]
    (folder / "found.asc").write_text(
        text.replace(tile, "".join("".join(row) + "\n" for row in rows)))


@installed
@pytest.mark.parametrize("device, parts", (
    ("hx8k", ("registers", "carries", "memories")),
    ("up5k", ("registers", "carries", "memories", "multipliers", "single_ports"))))
def test_bitstream_does_what_its_source_does(device, parts, tmp_path):
    routed(parts, device, tmp_path)
    different, ones = compared(device, tmp_path)
    assert different == 0 and CYCLES / 3 < ones < 2 * CYCLES / 3
    text = (tmp_path / "found.v").read_text()
    assert text.count("SB_MAC16") == (8 if "multipliers" in parts else 0)
    assert text.count("SB_SPRAM256KA") == (4 if "single_ports" in parts else 0)
    # what the tables of one tile give for low inputs
    changed(tmp_path, "logic_tile", 1, 40)
    assert compared(device, tmp_path)[0] > 0


@installed
def test_changed_setting_of_a_multiplier_is_seen(tmp_path):
    routed(("multipliers",), "up5k", tmp_path)
    assert compared("up5k", tmp_path)[0] == 0
    text = (tmp_path / "found.v").read_text()
    assert set(re.findall(r"\.MODE_8x8\({1'b(\d)}\)", text)) == {"0", "1"}
