"""LambdaConcept ECPIX-5."""

from amaranth_boards import ecpix5

from .board import Board
from .devices import ECP5

__all__ = ["BOARDS"]

MODELS = {"45f": ecpix5.ECPIX545Platform, "85f": ecpix5.ECPIX585Platform}

BOARDS = [Board(
    name=f"ecpix5-{size}", title=f"LambdaConcept ECPIX-5 {size.upper()}", model=model,
    target="ecp5", capacity=ECP5[size], pll="EHXPLLL",
    link="the micro USB socket of the FT2232H, second port",
    loader=("openFPGALoader", "-b", "ecpix5")) for size, model in MODELS.items()]
