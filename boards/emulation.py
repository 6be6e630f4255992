"""The complete top of a board in the compiled simulator: its pins, its PLL and its line."""

import ctypes
import os
import weakref
from pathlib import Path

import numpy as np

from sim.toolchain import cache_folder
from sim.verilator import library, load

from .link.uart import divisor
from .pll import plan
from .top import BoardTop

__all__ = ["BROKEN", "Emulation", "Simulation"]

HARNESS = Path(__file__).with_name("emulator.cpp")
MODELS = Path(__file__).with_name("models")
BROKEN = 1 << 8         # marks a byte without stop bit
PICOSECONDS = 10**12
MULTIPLE = 2            # of the engine's clock to the reference, by default
ROOM = 1 << 16          # bytes of one call
_POINTER, _INTEGER = ctypes.c_void_p, ctypes.c_int64
FUNCTIONS = {"run": (ctypes.c_int, [_POINTER, _INTEGER, _POINTER, _INTEGER, _POINTER, _INTEGER,
                                    _POINTER, _POINTER])}


class Simulation:
    """A board, from the Verilog of its top, as fast as the computer allows.

    Parameters
    ----------
    board : Board
    verilog : pathlib.Path
        With the module `top`; what it lacks lies beside it, such as models of the device's cells.
    baud : int
        Bits a second of the line.
    cache : pathlib.Path
        As in `sim.compiled.CompiledModel`.
    waves : pathlib.Path
        File for a VCD of everything, or None.

    Raises
    ------
    RuntimeError
        If the simulator is missing, or a cell is in a mode that its model does not have.
    """

    def __init__(self, board, verilog, *, baud, cache=None, waves=None):
        path = library(
            verilog, top="top", harness=HARNESS, timed=True, waves=waves is not None,
            cache=cache_folder(cache), define=lambda ports: _pins(ports) | {
                "HALF_PERIOD": round(PICOSECONDS / board.reference / 2),
                "DIVISOR": divisor(board.reference, baud)})
        self._library = load(path, FUNCTIONS)
        self._simulation = self._library.create(os.fsencode(waves or ""))
        # also at the end of the process, or the waves would lack their end
        self.close = weakref.finalize(self, self._library.destroy, self._simulation)
        self._check(0)
        self._found = np.empty(ROOM, np.uint16)

    @property
    def cycle(self):
        """Cycles of the reference clock that have passed."""
        return self._library.cycle(self._simulation)

    def run(self, line, cycles):
        """Run for a while.

        Parameters
        ----------
        line : sequence of int
            Bytes for the board, as many as there is time for; with `BROKEN` added, without their
            stop bit.
        cycles : int
            Of the reference clock.

        Returns
        -------
        (int, list of int)
            How many of the bytes went, and the board's own.
        """
        out, found = np.ascontiguousarray(line, np.uint16), self._found
        sent, received = ctypes.c_int64(), ctypes.c_int64()
        self._check(self._library.run(
            self._simulation, cycles, out.ctypes.data, len(out), found.ctypes.data, ROOM,
            ctypes.byref(sent), ctypes.byref(received)))
        return sent.value, found[:received.value].tolist()

    def _check(self, status):
        complaint = self._library.message(self._simulation).decode()
        if status or complaint:
            self.close()
            raise RuntimeError(complaint)


class Emulation(Simulation):
    """A board with an engine, from its source.

    What runs is the Verilog that the tools make a bitstream of, with models of the device's cells.

    Parameters
    ----------
    board : Board
    design : sim.design.Design
        For the board's device family.
    folder : pathlib.Path
        For the Verilog.
    baud : int
        Bits a second of the line.
    clock : float
        Clock of the engine, in Hz: that of the PLL is the fastest not above it; None for twice the
        reference.
    options
        Those of `Simulation`: `cache` and `waves`.

    Raises
    ------
    ValueError
        If the board can't make that rate or that clock.
    RuntimeError
        As `Simulation`.
    """

    def __init__(self, board, design, folder, *, baud, clock=None, **options):
        clock = MULTIPLE * board.reference if clock is None else clock
        clocks = plan(board.target, board.reference, clock)
        top = BoardTop(board, design.manifest, design.verilog.read_text(), clocks, baud)
        self.clock = float(clocks.frequency)
        super().__init__(board, _write(board, design, top, folder), baud=baud, **options)


def _write(board, design, top, folder):
    """All Verilog of a board, in a folder; returns the file with the top."""
    plan = board.platform().build(top, do_build=False, emit_src=False, debug_verilog=True)
    verilog = folder / "top.v"
    verilog.write_text(plan.files["top.debug.v"])
    for source in (design.verilog, *(design.path.parent / name
                                     for name in design.manifest.files.models),
                   *MODELS.glob("*.v")):
        (folder / source.name).write_bytes(source.read_bytes())
    return verilog


def _pins(ports):
    """The macros that name the pins."""
    found = {}
    for macro, part in (("CLOCK", "clk"), ("RX", "rx"), ("TX", "tx")):
        [found[macro]] = [name for name in ports if part in name]
    return found
