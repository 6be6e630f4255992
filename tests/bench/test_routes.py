"""Engines fit their devices, and take what their manifest says; limits are above their clocks."""

import pytest

from bench.devices import DEVICES, route
from bench.limits import limit
from hw.export import generate
from hw.options import Options

CASES = {
    "25F-6": {"k": 3, "cin": 6, "cout": 4, "pi": 3, "po": 2, "height": 20, "width": 24,
              "loadable": True, "activation": "tanh"},
    "UP5K": {"k": 4, "cin": 2, "cout": 2, "pi": 2, "height": 16, "width": 16, "loadable": True,
             "spram": True},
}


@pytest.mark.parametrize("device", CASES)
def test_resources_are_those_predicted_and_clocks_below_the_limit(device, tmp_path):
    chosen = DEVICES[device]
    manifest = generate(Options(**CASES[device], target=chosen.target), tmp_path)
    found = route(chosen, tmp_path, manifest.files.verilog, manifest.name, aim=30, seeds=(1,))
    predicted = manifest.figures.device
    assert found.clocks[0] > 20
    assert found.multipliers == predicted.multipliers
    assert found.block_rams == predicted.block_rams
    assert found.single_port_rams == predicted.single_port_rams
    assert limit(chosen, manifest.engines[0], found.multipliers, seeds=(1,)) > found.clocks[0]
    assert found.luts == pytest.approx(predicted.luts, rel=0.15)
