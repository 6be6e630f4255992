"""Every board that Polyphase knows."""

from . import (
    colorlight,
    ecpix5,
    hx8k_breakout,
    icebreaker,
    icesugar,
    icesugar_pro,
    orangecrab,
    tinyfpga_bx,
    ulx3s,
    upduino,
)

__all__ = ["BOARDS", "find"]

BOARDS = {board.name: board for family in (
    ulx3s, orangecrab, ecpix5, icesugar_pro, colorlight, icebreaker, icesugar, upduino,
    hx8k_breakout, tinyfpga_bx) for board in family.BOARDS}


def find(name):
    """The `Board` of a name; `ValueError`, with all names, if there is none."""
    if name not in BOARDS:
        raise ValueError(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
