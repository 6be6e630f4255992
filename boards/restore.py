"""What is in a bitstream for a board as Verilog again, to be simulated."""

from pathlib import Path

from hw.primitives.devices import DEVICES
from sim.routed import restored
from sim.synthesis import models

from .unpack import unpacked

__all__ = ["restore"]

MODELS = Path(__file__).with_name("models")


def restore(board, folder):
    """Write `restored.v`, with the module `top`, and a model of each cell beside it.

    On the iCE40 it is what is in the bitstream, on the ECP5 what nextpnr has routed. The ports have
    the names of the board's pins, as `clk12_0__io`; the models of the PLLs have delays.

    Parameters
    ----------
    board : Board
    folder : Path
        Where `boards.flow.implement` has left its files.

    Returns
    -------
    Path

    Raises
    ------
    RuntimeError
        If a tool is missing or fails, or there is a cell whose meaning is not known.
    """
    if board.ecp5:
        cells = {model.name: model.read_text() for model in DEVICES[board.target].models}
    else:
        (folder / "restored.v").write_text(unpacked(
            folder, "top.bin", "top.pcf", package=board.model.package.lower(), top="top"))
        cells = {f"{cell}.v": text for cell, text in models(board.target).items()}
    # of the PLLs, Yosys has but the ports
    cells |= {model.name: model.read_text() for model in MODELS.glob("*.v")}
    for name, text in cells.items():
        (folder / name).write_text(text)
    if board.ecp5:  # registers, once placed, have other ports and another model
        restored(folder, "routed.json", "restored.v", "top")
    return folder / "restored.v"
