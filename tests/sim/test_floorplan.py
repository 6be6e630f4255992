"""Places of multipliers, as nextpnr knows them."""

import json
import re

import pytest

from sim.floorplan import place_multipliers
from sim.synthesis import out_of_context, tool


def write_netlist(path, multipliers, *others):
    """A netlist of bare blocks; `multipliers` are (stage, pixel, output, input lane) of each."""
    names = [f"engine.stage_{stage}.mac_array.multiplier_{pixel}_{output}_{lane}.block"
             for stage, pixel, output, lane in multipliers]
    cells = {name: {"type": "MULT18X18D", "parameters": {}, "attributes": {},
                    "port_directions": {"P0": "output"}, "connections": {"P0": [100 + n]}}
             for n, name in enumerate([*names, *others])}
    path.write_text(json.dumps({"modules": {"top": {
        "attributes": {"top": "1"}, "ports": {}, "netnames": {}, "cells": cells}}}))


def places(path):
    """{multiplier: (x, y)} of those that have a place."""
    found = {}
    for name, cell in json.loads(path.read_text())["modules"]["top"]["cells"].items():
        if "BEL" in cell["attributes"]:
            numbers = tuple(map(int, re.findall(r"_(\d+)", name.replace("mac_array", ""))))
            x, y = re.fullmatch(r"X(\d+)/Y(\d+)/MULT18_\d", cell["attributes"]["BEL"]).groups()
            found[numbers] = int(x), int(y)
    return found


@pytest.mark.parametrize("size, rows, lanes", ((45, 2, 36), (85, 3, 52)))
def test_nextpnr_has_all_places(size, rows, lanes, tmp_path):
    """As many as the device has."""
    netlist = tmp_path / "netlist.json"
    write_netlist(netlist, [(0, 0, n, lane) for n in range(rows) for lane in range(lanes)])
    place_multipliers(netlist, f"LFE5U-{size}F-6")
    wanted = places(netlist)
    assert len(set(wanted.values())) == lanes * rows
    tool(tmp_path, *out_of_context(size, 6), "--json", "netlist.json", "--no-route",
         "--report", "report.json", "-q")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["utilization"]["MULT18X18D"]["available"] == lanes * rows


def test_sums_have_a_row_each_and_lanes_a_column(tmp_path):
    netlist = tmp_path / "netlist.json"
    outputs, lanes = range(0, 16, 2), range(16)
    write_netlist(netlist, [(0, 0, o, i) for o in outputs for i in lanes])
    place_multipliers(netlist, "LFE5UM5G-85F")
    found = places(netlist)
    assert len(set(found.values())) == 128
    for o in outputs:
        row = [found[0, 0, o, i] for i in lanes]
        assert len({y for _, y in row}) == 1
        assert [x for x, _ in row] == sorted(x for x, _ in row)
    for i in lanes:
        columns = [found[0, 0, o, i][0] for o in outputs]
        assert max(columns) - min(columns) < 20
    middle = [x for x, y in found.values() if y == 34]
    assert not any(50 < x < 75 for x in middle)


def test_what_has_no_room_is_left_to_nextpnr(tmp_path):
    netlist = tmp_path / "netlist.json"
    write_netlist(netlist, [(0, 0, 0, i) for i in range(37)])
    before = netlist.read_text()
    place_multipliers(netlist, "LFE5U-45F")
    assert netlist.read_text() == before
    write_netlist(netlist, [(stage, pixel, 0, i)
                            for stage in (0, 1) for pixel in (0, 1) for i in range(6)],
                  "engine.requantiser.rounding_0.product.block_00.block")
    before = netlist.read_text()
    place_multipliers(netlist, "LFE5U-25F")     # it has one row
    assert netlist.read_text() == before
    place_multipliers(netlist, "LFE5U-45F")
    assert len(places(netlist)) == 24
