"""The raster walk against the walk model: groups, their order and their cycles."""

import numpy as np
import pytest
from bench_helpers import STALLS, through
from sample_programs import PROGRAMS, program
from walk_model import Walk, assert_matches, walks

from hw.engine.raster import Raster


def edges(p, walk):
    """What the lanes are told of the distances to the edges, up to where it no longer matters."""
    px, (low, high) = p.folding.px, p.reach[1]
    found = []
    for group in walk.groups:
        left, limit = group.j + px - 1, px - min(low, 0)
        right = min(max(walk.width - 1 - group.j, low), high + px) - low
        found.append((left, limit, right))
    return found


def check(p, frames, received):
    expected = [group.payload() for walk in frames for group in walk.groups]
    assert_matches(received, expected)
    if p.folding.px == 1:
        return
    for seen, (left, limit, right) in zip(received, sum((edges(p, w) for w in frames), [])):
        assert seen["right"] == right
        assert seen["left"] == left if left < limit else seen["left"] >= limit


@pytest.mark.parametrize("name", PROGRAMS)
def test_groups(name):
    p = program(name)
    frames = walks(p, np.random.default_rng(len(name)))
    groups = [group for walk in frames for group in walk.groups]
    received, taken, emitted = through(Raster(p), [w.frame for w in frames], len(groups))
    check(p, frames, received)
    assert taken[0] == 0 and emitted == list(range(2, len(groups) + 2)), "no gap anywhere"


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("name", ("folded", "cropped pixels", "pruned", "loadable"))
def test_stalls(name, stall):
    p = program(name)
    frames = walks(p, np.random.default_rng(4), 5)[1:]
    frames = [Walk(p, *[min(n, 3) for n in (w.height, w.width)], w.slot, w.bank) for w in frames]
    groups = sum(len(walk.groups) for walk in frames)
    received, _, _ = through(Raster(p), [w.frame for w in frames], groups, stall=stall)
    check(p, frames, received)
