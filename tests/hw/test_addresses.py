"""Line buffer addresses by the definition of the line buffer."""

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
    seen = clocked(Addresses(p), [{"i": visit} for visit in visits + idle], ("o",))
    assert_matches([place for place, in seen[latency:]], [visit["_place"] for visit in visits])
