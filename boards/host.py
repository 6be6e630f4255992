"""python -m boards.host: a picture through the engine on a board."""

import contextlib
import os
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import serial
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from serial.tools import list_ports

from hw.engine.registers import FIRST_ERROR, REGISTERS
from hw.manifest import Manifest
from hw.options import Options, exit_codes, run
from sim.design import Design
from sim.picture import (
    check_fit,
    compare,
    frames_of,
    picture_of,
    read_picture,
    write_picture,
)

from .session import Session

__all__ = ["app", "upscale"]

BUILD = Path("build")
LONGEST_TIMEOUT = 3600  # seconds


def main(photo: Annotated[str, typer.Argument(
             help="picture file, or the name of a picture of scikit-image, as astronaut")],
         port: Annotated[str, typer.Option(help="serial port, as /dev/ttyUSB0")],
         output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write")] = Path(
             "big.png"),
         manifest: Annotated[Path | None, typer.Option(
             help="manifest of the engine, by default that below build/ with the board's digest"
             )] = None,
         baud: Annotated[int, typer.Option(help="bits a second, as built")] = 1_000_000,
         timeout: Annotated[float, typer.Option(
             help="seconds of silence after which a request is sent again")] = 1.0,
         check: Annotated[bool, typer.Option(
             "--check", help="compare each pixel with golden")] = False):
    """Send a picture to a board, and write what its engine makes of it."""
    with exit_codes():
        pixels = read_picture(photo)
        if not 0 < timeout <= LONGEST_TIMEOUT:
            raise ValueError(f"timeout must be positive, and at most {LONGEST_TIMEOUT} s, "
                             f"not {timeout:g}")
        design = Design(manifest) if manifest else None
        console, errors = Console(highlight=False, emoji=False), Console(stderr=True)
        with _open(port, baud, timeout) as line, Progress(
                TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
                TransferSpeedColumn(), console=errors, transient=True,
                disable=not errors.is_terminal) as bar:
            task = bar.add_task("looking for the board", total=None)

            def tell(text, done=None, total=None):
                bar.update(task, description=text, completed=done, total=total)
            session = Session(line)
            design = _identify(session, design)
            check_fit(Options(**design.manifest.options), pixels)
            result, report = upscale(session, design, pixels, tell, check=check)
        write_picture(output, result)
        for text in (f"{photo}: {report}", str(output)):
            console.print(text, soft_wrap=True, markup=False)


def _open(name, baud, timeout):
    """The serial port."""
    try:
        return serial.Serial(name, baud, timeout=timeout, write_timeout=timeout, exclusive=True)
    except (ValueError, OverflowError):
        raise ValueError(f"baud must be a rate of {name}, not {baud}") from None
    except serial.SerialException:
        path = Path(name)
        if not path.exists():
            known = ", ".join(port.device for port in list_ports.comports()) or "none"
            raise ValueError(f"port must be one that exists ({known}), not {name!r}") from None
        if not os.access(path, os.R_OK | os.W_OK):
            group = path.stat().st_gid
            with contextlib.suppress(KeyError):     # not every group has a name
                group = path.group()
            raise ValueError(f"port must be one that you may use, and {name} is for the group "
                             f"{group}: sudo usermod -aG {group} $USER, then log in again"
                             ) from None
        raise ValueError(f"port must be a serial port that no other program uses, not {name!r}"
                         ) from None


def _identify(session, design):
    """The `Design` on the board: that one, or one below `BUILD`."""
    address, *_ = REGISTERS["digest"]
    digest = f"{session.read(address):08x}"
    if design:
        if design.manifest.digest[:8] != digest:
            raise ValueError(f"manifest must be that of the engine on the board (digest {digest}), "
                             f"not that of {design.manifest.digest[:8]}")
        return design
    for path in sorted(BUILD.rglob("*.json")):
        try:
            manifest = Manifest.model_validate_json(path.read_text())
        except (OSError, ValueError):       # another JSON file
            continue
        if manifest.digest[:8] == digest:
            return Design(path)
    raise ValueError(f"manifest must be given: none below {BUILD}/ has the digest of the engine on "
                     f"the board, {digest}")


def upscale(session, design, pixels, tell=lambda *_: None, *, check=False):
    """A picture through the engine on a board.

    Parameters
    ----------
    session : Session
        Just opened.
    design : Design
        What is on the board.
    pixels : numpy.ndarray
        uint8 (channels, height, width).
    tell : function
        Called with a text and, while frames go, with bytes done and to do.
    check : bool
        Whether to compare with golden.

    Returns
    -------
    (uint8 (channels, rows, columns), a line that says what was done)

    Raises
    ------
    RuntimeError
        If the board falls silent or has seen an error, or if a pixel differs from golden.
    """
    manifest, (height, width) = design.manifest, pixels.shape[1:]
    registers = design.addresses
    frames = frames_of(design, pixels)
    if manifest.weights:
        tell("loading weights")
        session.load(design.weight_beats())
    session.write(registers["height"], height)
    session.write(registers["width"], width)
    beats = design.stream_beats(frames)
    size = design.output_beat_count(height, width) * manifest.output.bits // 8
    total, begin = size * len(frames), time.perf_counter()
    data = session.stream(*beats, total, progress=lambda done: tell("streaming", done, total))
    seconds = time.perf_counter() - begin

    status = session.read(registers["status"])
    errors = [name for n, name in enumerate(manifest.errors) if status >> FIRST_ERROR + n & 1]
    done = session.read(registers["frames"])
    if errors or done != len(frames):
        raise RuntimeError(f"the engine must have made {len(frames)} frames without an error, not "
                           f"{done}, with {', '.join(errors) or 'none'}")
    cycles = session.read(registers["cycles"])
    outputs = [design.output_codes(part, height, width)
               for part in np.split(np.frombuffer(data, np.uint8), len(frames))]
    if check:
        tell("comparing with golden")
        compare(design, frames, outputs)
    result = picture_of(design, outputs)
    return result, _report(manifest, pixels, result, seconds, total + beats[0].size, cycles,
                           session.troubles, check)


def _report(manifest, pixels, result, seconds, count, cycles, troubles, check):
    """What was done, in a line."""
    mended = ", ".join(f"{n} {name}" for name, n in troubles.items() if n)
    return (f"{pixels.shape[2]}x{pixels.shape[1]} to {result.shape[2]}x{result.shape[1]} by "
            f"{manifest.name}{f', all {result.size:,} values equal to golden' * check}; "
            f"{count:,} bytes in {seconds:.2f} s, {count / seconds / 1000:.1f} kB/s; "
            f"{cycles:,} cycles of the engine for the last frame"
            f"{f'; mended: {mended}' * bool(mended)}")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(main)

if __name__ == "__main__":
    run(app)
