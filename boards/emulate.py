"""python -m boards.emulate: a board behind a pseudo-terminal, for `boards.host` to talk to."""

import contextlib
import os
import select
import signal
import tempfile
import tty
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hw.options import application, run
from sim.design import Design

from .emulation import Emulation
from .registry import find

__all__ = ["app", "serve", "terminal"]

CHUNK = 2000        # cycles of the reference clock between two looks at the terminal
QUIET = 100_000     # cycles in which nothing goes over the line, after which time stands still


def emulate(options, board: Annotated[str, typer.Argument(
                help="name of the board; python -m boards.list shows them")],
            output: Annotated[Path | None, typer.Option(
                "-o", "--output", help="folder for the engine, by default build/BOARD-NAME-emulated"
                )] = None,
            port: Annotated[Path | None, typer.Option(
                help="a name for the serial port: a link to the pseudo-terminal")] = None,
            baud: Annotated[int | None, typer.Option(
                help="bits a second of the serial line, by default those of the board")] = None,
            clock: Annotated[float | None, typer.Option(
                help="clock of the engine in MHz, by default twice the reference")] = None,
            waves: Annotated[Path | None, typer.Option(
                help="VCD file with everything that happens")] = None):
    """Run a board in the simulator, until Ctrl-C; `boards.host` talks to it as to a real one."""
    for number in (signal.SIGINT, signal.SIGTERM):      # of which a shell may have one ignored
        signal.signal(number, signal.default_int_handler)
    board = find(board)
    options = board.options(options)
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    design = Design.generate(options, output or Path(f"{board.folder(options)}-emulated"))
    with (contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder,
          terminal(port) as (side, name)):
        console.print("compiling the Verilog", markup=False)
        emulation = Emulation(board, design, Path(folder), waves=waves,
                              baud=board.baud if baud is None else baud,
                              clock=None if clock is None else clock * 1e6)
        console.print(f"{board.title} with {design.manifest.name} at port {port or name}, "
                      f"engine at {emulation.clock / 1e6:g} MHz", markup=False)
        serve(emulation, side)


@contextlib.contextmanager
def terminal(link):
    """A pseudo-terminal: the board's side as a file, and the name of the host's.

    `link` is a path for another name, or None.
    """
    side, host = os.openpty()
    name = os.ttyname(host)
    try:
        tty.setraw(host)        # which stays open, so that hosts may come and go
        os.set_blocking(side, False)
        if link:
            link.parent.mkdir(parents=True, exist_ok=True)
            if link.is_symlink() and link.readlink().parent == Path(name).parent:
                link.unlink()   # of an emulator that was killed
            link.symlink_to(name)
        yield side, name
    finally:
        if link and link.is_symlink() and link.readlink() == Path(name):
            link.unlink()
        os.close(side)
        os.close(host)


def serve(emulation, side, *, to_board=list, to_host=bytes, until=lambda: False):
    """Carry bytes between a board and a pseudo-terminal.

    While the line is quiet, no time passes for the board.

    Parameters
    ----------
    emulation : Emulation
    side : int
        The board's side of the terminal, from `terminal`.
    to_board, to_host : function
        What becomes of bytes on the way: from bytes to what `Emulation.run` takes, and back.
    until : function
        Whether to stop.
    """
    waiting, quiet = [], 0
    while not until():
        idle = quiet > QUIET
        if select.select([side], [], [], 0.1 if idle else 0)[0]:
            waiting += to_board(os.read(side, 1 << 16))
        elif idle:
            continue
        sent, found = emulation.run(waiting, CHUNK)
        del waiting[:sent]
        quiet = 0 if sent or waiting or found else quiet + CHUNK
        if found:
            with contextlib.suppress(BlockingIOError):      # nobody listens: it is lost
                os.write(side, to_host(found))


app = application(emulate)

if __name__ == "__main__":
    run(app)
