"""Engines agree with golden as netlists of a device's cells, by value and by cycle."""

import pytest

from sim.run import run_testbench
from sim.synthesis import netlist

LAYER = {"k": (4,), "s": (2,), "cin": 4, "cout": 4, "pi": 2, "po": 2, "height": 6, "width": 5,
         "loadable": True, "name": "enlarge"}


@pytest.mark.parametrize("target, table", (("ecp5", "LUT4"), ("ice40", "SB_LUT4")))
def test_netlist_agrees_with_golden(target, table, generate, model_cache, tmp_path):
    (tmp_path / "netlist").mkdir()
    design = netlist(generate(**LAYER, target=target), tmp_path / "netlist")
    assert f"  {table} #(" in design.verilog.read_text()
    result = run_testbench(design, cache=model_cache)
    assert result["handshakes"] == 3 * (6 * 5 * 2 + 12 * 10 * 2)
