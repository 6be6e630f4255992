"""What is in a bitstream of an iCE40 does what its source does, and what is changed is seen."""

import re

import pytest
from unpack_bench import CYCLES, compared, routed

from boards import unpack

HX8K = ("registers", "carries", "memories")
UP5K = (*HX8K, "multipliers", "single_ports")


def changed(folder, section, line, column):
    """Invert a column of the tile with the most ones, in every second line from `line` on."""
    text = (folder / "found.asc").read_text()
    tiles = re.findall(rf"^\.{section} .*\n(?:[01]+\n)+", text, re.MULTILINE)
    head, *rows = max(tiles, key=lambda tile: tile.count("1")).splitlines()
    after = [head, *rows]
    for n in range(1 + line, len(after), 2):
        bit = "10"[int(after[n][column])]
        after[n] = after[n][:column] + bit + after[n][column + 1:]
    (folder / "found.asc").write_text(text.replace("\n".join([head, *rows]), "\n".join(after)))


@pytest.mark.usefixtures("icarus", "icebox")
@pytest.mark.parametrize("device, parts, change", (
    ("hx8k", HX8K, ("logic_tile", 0, 40)),      # of tables: what they give for low inputs
    ("up5k", UP5K, ("dsp0_tile", 1, 7))))       # of a multiplier: which registers are in use
def test_bitstream_does_what_its_source_does(device, parts, change, tmp_path):
    routed(parts, device, tmp_path)
    different, ones = compared(device, tmp_path)
    assert different == 0 and CYCLES / 3 < ones < 2 * CYCLES / 3
    text = (tmp_path / "found.v").read_text()
    assert text.count("SB_MAC16 #") == (8 if "multipliers" in parts else 0)
    assert text.count("SB_SPRAM256KA #") == (4 if "single_ports" in parts else 0)
    changed(tmp_path, *change)
    assert compared(device, tmp_path)[0] > 0


def test_missing_icebox(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "tool", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="icebox_vlog is not on the PATH: install Project Ice"):
        unpack.unpacked(tmp_path, "top.bin", "top.pcf", package="sg48", top="top")
