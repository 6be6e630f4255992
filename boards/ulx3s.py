"""Radiona ULX3S."""

from amaranth_boards import ulx3s

from .board import Board
from .devices import ECP5

__all__ = ["BOARDS"]

MODELS = {"12f": ulx3s.ULX3S_12F_Platform, "25f": ulx3s.ULX3S_25F_Platform,
          "45f": ulx3s.ULX3S_45F_Platform, "85f": ulx3s.ULX3S_85F_Platform}

BOARDS = [Board(
    name=f"ulx3s-{size}", title=f"Radiona ULX3S {size.upper()}", model=model, target="ecp5",
    capacity=ECP5[size], pll="EHXPLLL", link="US1, the USB socket of the FT231X",
    loader=("openFPGALoader", "-b", "ulx3s")) for size, model in MODELS.items()]
