"""Colorlight 5A-75B, revision 7.0."""

from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform

from .board import Board
from .devices import ECP5

__all__ = ["BOARDS"]

# all other pins drive level shifters: only those of the LED and of the button can receive
BOARDS = [Board(
    name="colorlight-5a-75b", title="Colorlight 5A-75B R7.0", model=Colorlight_5A75B_R70Platform,
    target="ecp5", capacity=ECP5["25f"], pll="EHXPLLL",
    link="3.3 V serial adapter on J19: its TX to KEY+, its RX to DATA_LED-, GND",
    loader=("openFPGALoader", "-b", "colorlight"))]
