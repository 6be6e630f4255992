"""python -m boards.build: a bitstream with an engine for a board."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hw.export import generate, make_program, write_whole
from hw.options import application, run
from hw.resources import device_figures
from sim.progress import telling

from . import fit
from .flow import implement
from .link.uart import BITS, divisor
from .pll import plan
from .registry import find
from .top import BoardTop

__all__ = ["app"]

AIM = {"ecp5": 240e6, "ice40": 130e6}       # no engine reaches it, in Hz
MARGIN = 0.95       # of the clock of one routing, for the next: results scatter
ATTEMPTS = 5
SUFFIX = {"ecp5": ".bit", "ice40": ".bin"}


def build(options, board: Annotated[str, typer.Argument(
              help="name of the board; python -m boards.list shows them")],
          output: Annotated[Path | None, typer.Option(
              "-o", "--output", help="folder for the files, by default build/BOARD-NAME")] = None,
          baud: Annotated[int | None, typer.Option(
              help="bits a second of the serial line, by default those of the board")] = None,
          program: Annotated[bool, typer.Option(
              "--program", help="program the board afterwards")] = False,
          seed: Annotated[int, typer.Option(help="seed of placement")] = 1):
    """Make the bitstream of one layer's engine for a development board."""
    board = find(board)
    options = board.options(options)
    baud = board.baud if baud is None else baud
    divisor(board.reference, baud)      # refuses what the clock can't make
    if program:
        _loader(board)
    fit.check(board, options, device_figures(make_program(options), board.target))
    directory = output or board.folder(options)
    console = Console(highlight=False, emoji=False)
    with tempfile.TemporaryDirectory() as scratch, telling("engine") as tell:
        engine, tools = Path(scratch) / "engine", Path(scratch) / "tools"
        manifest = generate(options, engine)
        verilog = (engine / manifest.files.verilog).read_text()
        clock, routed = _implement(board, manifest, verilog, baud, tools, seed, tell)
        bitstream = board.folder(options).name + SUFFIX[board.target]
        summary = _summary(board, manifest, bitstream, baud, clock, routed, seed)
        write_whole(directory, {
            **{file.name: file.read_bytes() for file in engine.iterdir()},
            bitstream: routed.bitstream,
            f"{manifest.name}.board.json": (json.dumps(summary, indent=1) + "\n").encode()})
    console.print(_table(board, manifest, summary))
    console.print(f"{directory / bitstream}", soft_wrap=True, markup=False)
    if program:
        _program(board, directory / bitstream)


def _implement(board, manifest, verilog, baud, folder, seed, tell):
    """(plan of the PLL, what was routed): the fastest clock that holds as routed.

    The first routing aims too high, and tells what the next ones may aim at.
    """
    limit = AIM[board.target]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            clock = plan(board.target, board.reference, limit)
        except ValueError:
            raise RuntimeError(f"the engine must reach a clock that the PLL makes, and as routed "
                               f"it reaches {limit / MARGIN / 1e6:.1f} MHz: a smaller engine may "
                               "do") from None
        label = f"routing {attempt}, {float(clock.frequency) / 1e6:.1f} MHz"
        top = BoardTop(board, manifest, verilog, clock, baud)
        routed = implement(board, top, folder, seed=seed,
                           tell=lambda text, label=label: tell(f"{label}: {text}"))
        if routed.engine >= clock.frequency and routed.link >= board.reference:
            return clock, routed
        limit = MARGIN * min(routed.engine, float(clock.frequency))
    raise RuntimeError(
        f"no clock holds after {ATTEMPTS} routings: the last one reaches "
        f"{routed.engine / 1e6:.1f} MHz, and {routed.link / 1e6:.1f} of "
        f"{board.reference / 1e6:g} MHz for the link; another --seed may do")


def _summary(board, manifest, bitstream, baud, clock, routed, seed):
    """What tools want to know of the bitstream."""
    frequency = float(clock.frequency)
    return {
        "format": 1, "board": board.name, "engine": manifest.name, "digest": manifest.digest,
        "generator": manifest.generator, "bitstream": bitstream, "baud": baud, "seed": seed,
        "clock": {"engine": frequency, "link": board.reference},
        "fmax": {"engine": round(routed.engine), "link": round(routed.link)},
        "frames_per_second": {
            "engine": frequency / manifest.figures.cycles_per_frame,
            "link": baud / BITS / _frame_bytes(manifest)},
        "resources": routed.resources.model_dump()}


def _frame_bytes(manifest):
    """Bytes of the largest frame and of its output: the link carries one after the other."""
    frame, streams = manifest.frame, (manifest.input, manifest.output)
    sizes = ((frame.height, frame.width), (frame.out_height, frame.out_width))
    return sum(height * -(-width // stream.pixels) * len(stream.channels) * stream.bits // 8
               for stream, (height, width) in zip(streams, sizes))


def _table(board, manifest, summary):
    """The summary, for people."""
    clock, fmax, rates = summary["clock"], summary["fmax"], summary["frames_per_second"]
    rows = Table(title=f"{manifest.name} on {board.title}", show_header=False,
                 title_justify="left")
    rows.add_column()
    rows.add_column(justify="right")
    for name in ("engine", "link"):
        rows.add_row(f"clock of the {name}, MHz", f"{clock[name] / 1e6:.3f}")
        rows.add_row("    as routed, at most", f"{fmax[name] / 1e6:.3f}")
    for name, label in fit.LABELS.items():
        if capacity := getattr(board.capacity, name):
            used = summary["resources"][name]
            rows.add_row(label, f"{used:,} of {capacity:,}, {used / capacity:.0%}")
    rows.add_row("baud", f"{summary['baud']:,}")
    slower = min(rates, key=rates.get)
    rows.add_row("frames per second, at most", f"{rates[slower]:,.2f}")
    rows.add_row("    limited by the", slower)
    return rows


def _loader(board):
    """Path of the program that programs the board."""
    path = shutil.which(board.loader[0])
    if path is None:
        raise RuntimeError(f"{board.loader[0]} must be installed to program {board.title}")
    return path


def _program(board, bitstream):
    _, *arguments = board.loader
    if subprocess.run([_loader(board), *arguments, bitstream]).returncode:
        raise RuntimeError(f"{board.loader[0]} failed: {board.title} is not programmed")


app = application(build)

if __name__ == "__main__":
    run(app)
