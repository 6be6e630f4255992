"""TinyFPGA BX."""

from amaranth.build import Attrs
from amaranth_boards.resources import UARTResource
from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform

from .board import Board
from .devices import HX8K

__all__ = ["BOARDS"]

UART = UARTResource(0, rx="1", tx="2", conn=("gpio", 0),
                    attrs=Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1))

BOARDS = [Board(
    name="tinyfpga-bx", title="TinyFPGA BX", model=TinyFPGABXPlatform, target="ice40",
    capacity=HX8K, pll="SB_PLL40_CORE",
    link="3.3 V serial adapter: its TX to pin 1, its RX to pin 2, GND",
    loader=("tinyprog", "-p"), resources=(UART,))]
