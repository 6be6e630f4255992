"""OrangeCrab r0.2."""

from amaranth.build import Attrs
from amaranth_boards import orangecrab_r0_2
from amaranth_boards.resources import UARTResource

from .board import Board
from .devices import ECP5

__all__ = ["BOARDS"]

MODELS = {"25f": orangecrab_r0_2.OrangeCrabR0_2_25FPlatform,
          "85f": orangecrab_r0_2.OrangeCrabR0_2_85FPlatform}
# of the two pins that a Feather board has for it
UART = UARTResource(0, rx="0", tx="1", conn=("io", 0),
                    attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"))

BOARDS = [Board(
    name=f"orangecrab-{size}", title=f"OrangeCrab r0.2 {size.upper()}", model=model,
    target="ecp5", capacity=ECP5[size], pll="EHXPLLL",
    link="3.3 V serial adapter: its TX to pin 0 (RX), its RX to pin 1 (TX), GND",
    loader=("dfu-util", "-d", "1209:5af0", "-a", "0", "-D"),
    resources=(UART,)) for size, model in MODELS.items()]
