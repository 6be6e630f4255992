"""tinyVision UPduino, version 3."""

from amaranth.build import Attrs
from amaranth_boards.resources import UARTResource
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from .board import Board
from .devices import UP5K

__all__ = ["BOARDS"]

UART = UARTResource(0, rx="28", tx="38", attrs=Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1))

# the oscillator in the device is 10 % off, too far for a serial line
BOARDS = [Board(
    name="upduino", title="tinyVision UPduino v3", model=UpduinoV3Platform, target="ice40",
    capacity=UP5K, pll="SB_PLL40_CORE", clock="clk12",
    link="close the jumper OSC; 3.3 V serial adapter: its TX to pin 28, its RX to pin 38, GND",
    loader=("iceprog",), resources=(UART,))]
