"""The group walker against the walk model: groups, their order and their cycles."""

import numpy as np
import pytest
from bench_helpers import STALLS, through
from sample_programs import PROGRAMS, program
from walk_model import assert_matches, follow, walks

from hw.engine.groups import GroupWalker

LATENCY = 8


def check(p, frames, stall="none"):
    lines = [line for walk in frames for line in walk.lines]
    expected = [group.payload() for line in lines for group in line.groups]
    received, taken, emitted = through(GroupWalker(p), [line.payload() for line in lines],
                                       len(expected), stall=stall)
    if p.folding.px > 1:  # from here on all taps are inside
        for group in received:
            group["left"] = min(group["left"], max(1, p.folding.px - p.reach[1][0]))
    assert_matches(received, expected)
    return lines, taken, emitted


@pytest.mark.parametrize("name", PROGRAMS)
def test_groups(name):
    p = program(name)
    frames = walks(p, np.random.default_rng(len(name)))
    lines, taken, emitted = check(p, frames)
    assert emitted == list(range(LATENCY, LATENCY + len(emitted))), "no gap anywhere"
    # a line is taken with the last group of the one before
    sizes = [len(line.groups) for line in lines]
    assert taken == [sum(sizes[:n]) for n in range(len(sizes))]


@pytest.mark.parametrize("stall", STALLS[1:])
@pytest.mark.parametrize("name", ("plain", "folded", "cropped pixels", "pruned", "skip pixels",
                                  "loadable"))
def test_stalls(name, stall):
    p = program(name)
    small = [max(3, p.smallest(axis)) for axis in (0, 1)]
    check(p, follow(p, [small, (p.smallest(0), p.width), small]), stall)
