"""A thousand damages on the line of a whole board: all are seen, and no result is wrong."""

import numpy as np
import pytest
from emulated import Faults, Port, board, check_frame

from boards.session import Session

SIZE = 4
WANTED = 1000


@pytest.fixture(scope="module")
def emulated(tmp_path_factory, model_cache):
    """(`Design`, `Emulation`) of a small layer."""
    return board("icebreaker", tmp_path_factory.mktemp("board"), model_cache, baud=3_000_000,
                 k="4", s="2", height=SIZE, width=SIZE)


def test_no_damage_goes_unseen(emulated):
    """Each damage costs the host an attempt, and each frame is that of golden."""
    design, emulation = emulated
    faults, rng = Faults(seed=1), np.random.default_rng(2)
    session = Session(Port(emulation, faults))
    while faults.injected < WANTED:
        check_frame(session, design, rng)
    seen = session.troubles["silence"] + session.troubles["damaged replies"]
    assert faults.injected >= WANTED
    assert faults.repeated > 20
    assert seen >= faults.injected
    print(f"{faults.injected} injected, {seen} seen, {dict(session.troubles)}, "
          f"{faults.repeated} repeated")
