"""Lattice iCE40-HX8K breakout board."""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from .board import Board
from .devices import HX8K

__all__ = ["BOARDS"]

BOARDS = [Board(
    name="hx8k-breakout", title="Lattice iCE40-HX8K breakout", model=ICE40HX8KBEVNPlatform,
    target="ice40", capacity=HX8K, pll="SB_PLL40_CORE",
    link="the USB socket of the FT2232H, second port",
    loader=("iceprog", "-S"))]
