"""MuseLab iCESugar."""

from amaranth_boards.icesugar import ICESugarPlatform

from .board import Board
from .devices import UP5K

__all__ = ["BOARDS"]

BOARDS = [Board(
    name="icesugar", title="MuseLab iCESugar", model=ICESugarPlatform, target="ice40",
    capacity=UP5K, pll="SB_PLL40_2_PAD", link="the USB socket of iCELink", loader=("icesprog",))]
