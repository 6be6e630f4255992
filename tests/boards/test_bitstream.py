"""What is in a board's bitstream does on its line what its source does; what is damaged is seen.

Of the ECP5, it is what nextpnr has routed.
"""

import re

import numpy as np
import pytest
from emulated import Port, board, check_frame

from boards.emulation import Simulation
from boards.flow import implement
from boards.pll import plan
from boards.registry import find
from boards.restore import restore
from boards.session import Session
from boards.top import BoardTop

SIDE = 4
LAYER = {"k": (2,), "s": (2,), "cout": 2, "po": 2, "pack": True, "requant": "compact",
         "multiplier_bits": 8, "dtype": "int8", "activation": "leaky_relu:0.1",
         "height": SIDE, "width": SIDE}
BOARDS = {  # baud, clock of the engine in Hz, cells
    "icebreaker": (3_000_000, 17e6, {"SB_MAC16 #": 3, "SB_PLL40_2_PAD #": 1}),
    "ulx3s-25f": (5_000_000, 25e6, {"MULT18X18D #": 3, "EHXPLLL #": 1}),
}


class Recorded(Port):
    """Keeps in `line` all that the board says."""

    line = b""

    def read(self, size):
        found = super().read(size)
        self.line += found
        return found


@pytest.fixture(scope="module", params=BOARDS)
def built(request, tmp_path_factory, model_cache):
    """(name, `Design`, `Emulation` of the source, Verilog of the bitstream)."""
    name, folder = request.param, tmp_path_factory.mktemp("board")
    baud, clock, _ = BOARDS[name]
    known = find(name)
    if not known.ecp5:
        request.getfixturevalue("icebox")
    design, emulation = board(name, folder, model_cache, baud=baud, clock=clock, **LAYER)
    top = BoardTop(known, design.manifest, design.verilog.read_text(),
                   plan(known.target, known.reference, clock), baud)
    implement(known, top, folder / "built", seed=1, tell=lambda text: None)
    return name, design, emulation, restore(known, folder / "built")


@pytest.fixture(autouse=True)
def same_numbers(monkeypatch):
    """Of the packets of all sessions."""
    monkeypatch.setattr("time.time_ns", lambda: 0)


def restored(name, verilog, cache):
    return Simulation(find(name), verilog, baud=BOARDS[name][0], cache=cache)


def conversation(design, simulation):
    """All bytes of the board while frames go through it, each of which must be that of golden."""
    port, rng = Recorded(simulation), np.random.default_rng(1)
    session = Session(port)
    for _ in range(3):
        check_frame(session, design, rng)
    assert not any(session.troubles.values())
    return port.line


def test_bitstream_does_what_its_source_does(built, model_cache):
    name, design, emulation, verilog = built
    text, cells = verilog.read_text(), BOARDS[name][2]
    assert {cell: text.count(cell) for cell in cells} == cells
    line = conversation(design, restored(name, verilog, model_cache))
    assert line == conversation(design, emulation)


@pytest.mark.parametrize("built", ["icebreaker"], indirect=True)
def test_damaged_bitstream_is_seen(built, model_cache):
    """One setting of a multiplier: that it makes two products."""
    name, design, _, verilog = built
    found = re.subn(r"(?<=\.MODE_8x8\(\{1'b)1", "0", verilog.read_text())
    assert found[1] == 1
    (verilog.parent / "damaged.v").write_text(found[0])
    simulation = restored(name, verilog.parent / "damaged.v", model_cache)
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        conversation(design, simulation)
