"""The bench of resources: its fit, and its table, with measurements that are made up."""

import json
import sys

import pytest

from bench import resources
from bench.resources import FITTED, OTHERS, Row, fit
from hw.export import make_program
from hw.options import Options, run
from hw.resources import parts


def row(case, counted, **bits):
    counts = {"multipliers": 3, "block_rams": 2}
    return Row(case, bits, counts | {"luts": 0}, counts | {"luts": counted})


def test_fit():
    """Exact where it can be; nothing for a part that is absent, or that would take less than 0."""
    rows = [row("", 100 + 2 * bits - low / 10, control=1, sums=bits, low=low, absent=0)
            for bits, low in ((10, 7), (20, 3), (40, 9), (80, 1))]
    found = fit(rows)
    assert found.keys() == {"control", "sums"}
    for r in rows:
        assert r.luts(found) == pytest.approx(r.counted["luts"], rel=0.01)


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """Function that runs the command with made up counts: (exit code, output, errors)."""
    def invoke(*arguments, rams=2):
        def measured(name, family):
            options = Options(**(FITTED | OTHERS)[name], target=family)
            bits = parts(make_program(options), family)
            found = row(name, 100 + 2 * bits["sums"], **bits)
            found.counted["block_rams"] = rams
            return found
        monkeypatch.setattr(resources, "_measured", measured)
        monkeypatch.setattr(resources, "COEFFICIENTS", tmp_path / "luts.json")
        (tmp_path / "luts.json").write_text('{"ecp5": {"control": 1}, "ice40": {"control": 2}}')
        monkeypatch.setattr(sys, "argv", ["resources", *arguments])
        with pytest.raises(SystemExit) as stop:
            run(resources.app)
        return stop.value.code or 0, *capsys.readouterr()
    return invoke


def test_command(call, tmp_path):
    code, out, _ = call("--target", "ecp5", "--fit")
    assert code == 0
    assert "| one multiplier | 3 (3) | 2 (2) | 164 (164) | +0.0% |" in out
    assert "cases that are not fitted: median error 0.0%, worst 0.0%" in out
    written = json.loads((tmp_path / "luts.json").read_text())
    assert written["ecp5"]["sums"] == pytest.approx(2)
    assert written["ice40"] == {"control": 2}


def test_command_without_fit(call, tmp_path):
    before = '{"ecp5": {"control": 1}, "ice40": {"control": 2}}'
    code, out, _ = call(rams=3)
    assert code == 1        # block RAMs are not as predicted
    assert "| 164 (1) | -99.4% |" in out.replace("| 3 (2) ", "") and "| 164 (2) | -98.8% |" in out
    assert (tmp_path / "luts.json").read_text() == before


def test_unknown_target(call):
    code, out, errors = call("--target", "generic")
    assert (code, out) == (2, "")
    assert errors.count("\n") == 1
