"""1BitSquared iCEBreaker."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from .board import Board
from .devices import UP5K

__all__ = ["BOARDS"]

BOARDS = [Board(
    name="icebreaker", title="1BitSquared iCEBreaker", model=ICEBreakerPlatform, target="ice40",
    capacity=UP5K, pll="SB_PLL40_2_PAD", link="the USB socket of the FT2232H, second port",
    loader=("iceprog",))]
