"""Boards: what the registry says of them, and a design for each."""

import pytest
from tiny import Tiny

from boards.link.uart import divisor
from boards.list import app
from boards.pll import plan
from boards.registry import BOARDS, find


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_elaborates(board):
    """Clock and line are at pins, and the PLL is in the netlist."""
    clock = plan(board.target, board.reference, 50e6)
    platform = board.platform()
    files = platform.build(Tiny(board, clock), do_build=False).files
    assert f"cell \\{board.pll} " in files["top.il"]
    constraints = files["top.lpf" if board.ecp5 else "top.pcf"]
    for pin in (f"{platform.default_clk}_0__io", "uart_0__rx__io", "uart_0__tx__io"):
        assert pin in constraints


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_baud(board):
    """The default rate is exact."""
    assert board.reference == board.baud * divisor(board.reference, board.baud)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_only_a_pad_has_a_pad_pll(board):
    """The clock of an iCEBreaker is on the pin that its PLL would make useless as an input."""
    clock = board.platform().lookup(board.platform().default_clk).ios[0].names
    pad = board.model.device == "iCE40UP5K" and clock == ["35"]
    assert (board.pll == "SB_PLL40_2_PAD") == pad


def test_unknown():
    with pytest.raises(ValueError, match="^board must be one of ulx3s-12f, .*, not 'arty'$"):
        find("arty")


def test_list(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    app([], standalone_mode=False)
    text = capsys.readouterr().out
    for board in BOARDS.values():
        line, = (line for line in text.splitlines() if line.split()[:1] == [board.name])
        for part in (board.device, f"{board.reference // 1_000_000} MHz", board.link):
            assert part in line
