"""MuseLab iCESugar-pro."""

from amaranth_boards.icesugar_pro import ICESugarProPlatform

from .board import Board
from .devices import ECP5

__all__ = ["BOARDS"]

BOARDS = [Board(
    name="icesugar-pro", title="MuseLab iCESugar-pro", model=ICESugarProPlatform, target="ecp5",
    capacity=ECP5["25f"], pll="EHXPLLL", link="the USB socket of iCELink",
    loader=("icesprog",))]
