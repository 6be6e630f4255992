"""Engines fit their devices, and take what their manifest says."""

import pytest

from bench.devices import DEVICES, report, used
from hw.export import generate
from hw.options import Options
from sim.synthesis import synthesise

CASES = {
    "25F-6": {"k": 3, "cin": 6, "cout": 4, "pi": 3, "po": 2, "height": 20, "width": 24,
              "loadable": True, "activation": "tanh"},
    "UP5K": {"k": 4, "cin": 2, "cout": 2, "pi": 2, "height": 16, "width": 16, "loadable": True},
}


@pytest.mark.parametrize("device", CASES)
def test_resources_are_those_predicted(device, tmp_path):
    place = DEVICES[device]
    manifest = generate(Options(**CASES[device], target=place.target), tmp_path)
    synthesise(tmp_path, manifest.files.verilog, manifest.name, place.target)
    found = report(tmp_path, place, "--freq", "30", "--seed", "1")
    counts, predicted = used(place, found), manifest.figures.device
    assert found["fmax"]        # it was routed
    assert counts["multipliers"] == predicted.multipliers
    assert counts["block_rams"] == predicted.block_rams
    assert counts["luts"] == pytest.approx(predicted.luts, rel=0.15)
