"""Line buffer addresses by the definition of the line buffer."""

import random

import numpy as np
import pytest
from bench_helpers import clocked
from sample_programs import PROGRAMS, program
from walk_model import assert_matches, walks

from hw.engine.addresses import Addresses


@pytest.mark.parametrize("name", PROGRAMS)
def test_places(name):
    """One each cycle, `latency` cycles after the visit."""
    p = program(name)
    frames = sorted(walks(p, np.random.default_rng(3), 6), key=lambda walk: len(walk.visits()))
    visits = [visit for walk in frames[:3] for visit in walk.visits()]
    latency = Addresses.latency(p)
    idle = [visits[-1]] * latency
    seen = clocked(Addresses(p), [{"i": visit, "i_valid": 1} for visit in visits + idle], ("o",))
    assert_matches([place for place, in seen[latency:]], [visit["_place"] for visit in visits])


@pytest.mark.parametrize("name", ("folded", "two pixels", "skip and pruned"))
def test_pauses(name):
    """What is there between two visits is nothing to it."""
    p, rng = program(name), random.Random(1)
    visits = walks(p, np.random.default_rng(3), 2)[-1].visits()
    other = {field: value for field, value in visits[-1].items() if field[0] != "_"}
    given = [visit for visit in visits for visit in [None] * rng.randrange(3) + [visit]]
    latency = Addresses.latency(p)
    seen = clocked(Addresses(p), [{"i": visit or other, "i_valid": int(visit is not None)}
                                  for visit in given + [None] * latency], ("o",))
    assert_matches([place for (place,), visit in zip(seen[latency:], given) if visit],
                   [visit["_place"] for visit in visits])
