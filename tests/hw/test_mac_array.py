"""The MAC array against sums of products in NumPy."""

import numpy as np
import pytest
from bench_helpers import clocked
from sample_programs import program

from hw.engine.layouts import Layouts
from hw.engine.mac_array import MacArray


def pack(values, bits):
    return sum((int(v) & (1 << bits) - 1) << bits * n for n, v in enumerate(values))


@pytest.mark.parametrize("pauses", (False, True), ids=("none", "input"))
@pytest.mark.parametrize("name", ("plain", "folded", "ragged", "three pixels", "two pixels",
                                  "dense pixels", "depthwise", "parallel groups", "convolution",
                                  "int8", "lut products", "lut products of 4 bits"))
def test_sums(name, pauses):
    p = program(name)
    rng, latency = np.random.default_rng(len(name)), MacArray.latency(p)
    pi, po, px = p.folding.pi, p.folding.po, p.folding.px
    low, high = p.quantisation.input_range
    most = 1 << p.quantisation.weight_bits - 1
    side = po // p.layout.parallel_groups
    limit = (1 << p.accumulator_bits - 1) // (most * max(-low, high) * pi)
    inputs, sums, tags, total = [], {}, {}, None
    layouts = Layouts(p)
    for _ in range(40):
        steps = int(rng.integers(1, min(limit, 6) + 1))
        tag = {name: int(rng.integers(1 << field.width)) for name, field in layouts.tag}
        for step in range(steps):
            while pauses and rng.random() < 0.4:  # whatever is there, it is not a step
                inputs.append({"i_valid": 0, "weights": int(rng.integers(1 << 8)), "i": {
                    "first": int(rng.integers(2)), "last": int(rng.integers(2)), "lanes": 1}})
            pixels = rng.choice([low, high, low + 1, 0], (px, p.layout.input_lanes))
            pixels = np.where(rng.random(pixels.shape) < 0.7, rng.integers(low, high + 1,
                                                                          pixels.shape), pixels)
            weights = rng.integers(-most, most, (po, pi))
            rotate, lanes = int(rng.integers(px)), rng.integers(0, 2, px)
            lines = [0] * px
            for x in range(px):
                lines[(x + rotate) % px] = pack(pixels[x], p.activation_bits)
            products = np.einsum("oi,xoi->xo", weights, np.stack([
                pixels[:, o // side * pi:o // side * pi + pi] for o in range(po)], axis=1))
            products *= lanes[:, None]
            total = products if step == 0 else total + products
            inputs.append({"i_valid": 1, "lines": lines,
                           "weights": pack(weights.T.ravel(), p.quantisation.weight_bits),
                           "i": {"tag": tag, "rotate": rotate, "lanes": pack(lanes, 1),
                                 "first": int(step == 0), "last": int(step == steps - 1)}})
        sums[len(inputs) - 1 + latency] = total.ravel().tolist()
        tags[len(inputs) - 1 + latency] = tag
    inputs += [{"i_valid": 0}] * latency + [{}]
    seen = clocked(MacArray(p), inputs, ("o_valid", "sums", "tag"))
    assert [cycle for cycle, (valid, _, _) in enumerate(seen) if valid] == list(sums)
    for cycle, expected in sums.items():
        assert seen[cycle][1:] == [expected, tags[cycle]]


def test_latency():
    assert [MacArray.latency(program(name)) for name in (
        "plain", "folded", "convolution", "three pixels")] == [7, 8, 9, 8]
