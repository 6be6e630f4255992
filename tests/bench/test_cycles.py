"""The quick benchmark meets every target, and a target that is missed is told."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import cycles
from bench.layers import CASES, sweep
from bench.measure import Measurement, measure, predict
from bench.rows import Row, missed, summary, to_json
from hw.export import make_program


@pytest.fixture(scope="module")
def cache(model_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYPHASE_CACHE", str(model_cache))
        yield


@pytest.fixture(scope="module")
def rows(cache):
    reports = []
    rows = cycles.measure_all(quick=True, sweep_verilog=1,
                              report=lambda *values: reports.append(values))
    names = [name for name, *_ in reports]
    assert names[0] == "one multiplier"
    assert any(done == of != 0 for _, _, done, of in reports)
    return rows


def test_quick_rows_meet_their_targets(rows):
    assert missed(rows) == []
    assert {row.kind for row in rows} == {"layer", "zeros", "pruned", "sweep"}
    assert sum(row.counted == "Verilog" for row in rows if row.kind == "sweep") == 1
    assert sum(row.naive_counted == "Verilog" for row in rows) == 2
    # each tap of each output, and a pause until the first rows of the next frame are there
    assert 24_576 <= rows[0].naive_cycles <= 1.01 * 24_576
    for row in rows:
        assert 0.9 < row.frame_utilisation < row.steady_utilisation <= 1, row.name
        assert all(row.frame_cycles < peer for peer in row.peers.values()), row.name


def test_json_has_every_field(rows):
    written = json.loads(to_json(rows))
    assert len(written) == len(rows)
    assert written[0] == {
        "name": "one multiplier", "layer": "K4 S2 P1 8x8 2->3", "kind": "layer", "stride": 2,
        "multipliers": 1, "folding": [1, 1, 1], "density": 1.0, "cycles": 5400,
        "frame_cycles": rows[0].frame_cycles, "counted": "Verilog", "useful_macs": 5400,
        "naive_cycles": rows[0].naive_cycles, "naive_counted": "Verilog", "dense_cycles": None,
        "peers": {"FINN rev2d": 7_320, "MM2IM": 6_302, "FINN pixel padding": 24_576},
        "ideal_cycles": 5400, "steady_utilisation": 1.0,
        "frame_utilisation": 5400 / rows[0].frame_cycles, "ratio": None}


GOOD = Row(name="it", layer="", stride=2, multipliers=4, folding=(4, 1, 1), cycles=100,
           frame_cycles=110, useful_macs=396, naive_cycles=400, peers={"them": 101})


@pytest.mark.parametrize(("change", "message"), [
    ({}, None),
    ({"cycles": 99}, None),
    ({"useful_macs": 380}, "it: utilisation must be at least 0.97, not 0.9500"),
    ({"peers": {"them": 100}}, r"it: cycles must be below those of them (100), not 100"),
    ({"naive_cycles": 370}, "it: the naive engine must take 3.8 times the cycles, not 3.70"),
    ({"naive_cycles": 840, "stride": 3},
     "it: the naive engine must take 8.5 times the cycles, not 8.40"),
    ({"kind": "zeros", "density": 0.5, "dense_cycles": 190}, None),
    ({"kind": "zeros", "density": 0.5, "dense_cycles": 180},
     "it: cycles over density and dense cycles must be at most 1.08, not 1.111"),
    ({"kind": "pruned", "density": 0.5, "dense_cycles": 195}, None),
    ({"kind": "pruned", "density": 0.5, "dense_cycles": 190},
     "it: cycles must be at most 0.52 of the dense ones, not 0.526"),
])
def test_missed_targets(change, message):
    assert missed([replace(GOOD, **change)]) == ([message] if message else [])


def test_missed_targets_of_the_sweep():
    swept = [replace(GOOD, kind="sweep", useful_macs=useful) for useful in (396, 372, 372)]
    assert missed(swept) == ["sweep: mean must be at least 0.97, not 0.9500",
                             "sweep: least must be at least 0.94, not 0.9300"]
    assert "sweep of 3 layers, steady: mean 0.9500, least 0.9300" in summary(swept)


# useful multiplications over multipliers, as computed for the tables of the peers
@pytest.mark.parametrize(("name", "multipliers", "ideal"), [
    ("ESPCN", 12, 4_669_568), ("ESPCN wide", 96, 583_696), ("DCGAN 4x4", 256, 401_408),
    ("DCGAN 8x8", 256, 460_800), ("DCGAN 16x16", 256, 492_032), ("DCGAN 32x32", 96, 63_504),
    ("FSRCNN", 16, 4_629_664), ("FSRCNN wide", 144, 515_903), ("one multiplier", 1, 5_400),
])
def test_published_layers(name, multipliers, ideal):
    case = {case.name: case for case in CASES}[name]
    assert case.multipliers == multipliers
    assert -(-make_program(case.options).schedule.useful_macs // multipliers) == ideal


def test_sweep_keeps_all_multipliers_busy():
    found, useful = [], 0
    for case in sweep():
        program = make_program(case.options)
        assert case.multipliers == 64
        assert case.layer.output_size(*(case.options.height,) * 2) == (
            case.options.height * case.options.factor[0],) * 2
        useful += program.schedule.useful_macs
        predicted = predict(program, case.options, frames=2)
        assert predicted.cycles < min(case.peers.values()), case.text
        assert predicted.frame_cycles < min(cycles for name, cycles in case.peers.items()
                                            if not name.endswith("best folding")), case.text
        found.append(program.schedule.useful_macs / 64 / predicted.cycles)
    assert len(found) == 216
    assert useful == pytest.approx(1.7545e9, rel=1e-4), "MACs of the whole sweep as published"
    assert np.mean(found) >= 0.97
    assert min(found) >= 0.94


def test_wrong_codes_and_wrong_cycles_are_noticed(cache, generate, monkeypatch):
    design = generate(k=4, s=2, p=1, height=8, width=8, cin=2, cout=3)
    frames = [design.random_frame(np.random.default_rng(0)) for _ in range(2)]
    assert measure(design, frames).cycles == 5400
    wrong = design.expected_codes(frames[0])
    wrong[0, 0, 0] ^= 1
    with pytest.raises(RuntimeError, match="frame 0: 1 of 768 codes differ$"):
        measure(design, frames, expected=[wrong])
    timing = design.expected_timing(frames)
    timing.emitted[5] += 1
    monkeypatch.setattr(design, "expected_timing", lambda *_, **__: timing)
    with pytest.raises(RuntimeError, match="emitted beat 5 and 0 more are not at the predicted"):
        measure(design, frames)


def test_frames_that_differ_are_noticed():
    timing = SimpleNamespace(accepted=np.arange(6), emitted=np.array([9, 10, 19, 20, 31, 32]))
    assert Measurement.of(timing, 3, alike=False) == Measurement(cycles=11, frame_cycles=11)
    with pytest.raises(RuntimeError, match=r"same number of cycles, not \[10, 12\]$"):
        Measurement.of(timing, 3, alike=True)


@pytest.mark.parametrize(("cycles_of_peer", "code"), [(101, 0), (99, 1)])
def test_command(tmp_path, monkeypatch, cycles_of_peer, code):
    row = replace(GOOD, peers={"them": cycles_of_peer})
    monkeypatch.setattr(cycles, "measure_all", lambda **_: [row])
    path = tmp_path / "rows.json"
    result = CliRunner().invoke(cycles.app, ["--quick", "--seed", "3", "--json", str(path)])
    assert result.exit_code == code
    assert result.output.startswith("seed 3\n")
    assert ("missed: it: cycles must be below" in result.output) == bool(code)
    assert json.loads(path.read_text())[0]["cycles"] == 100
