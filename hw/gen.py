"""python -m hw.gen: Verilog for a layer."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .checkerboard import checkerboard_notes
from .export import generate
from .options import application, run
from .picture import check_suffix, write_picture

__all__ = ["app"]


def gen(options, output: Annotated[Path | None, typer.Option(
        "-o", "--output", help="folder for the files, by default build/NAME")] = None,
        picture: Annotated[Path | None, typer.Option(
            help="FILE.svg for a picture of the (first) layer's phases")] = None):
    """Generate the Verilog of a layer, with its manifest, tensors, FuseSoC core and waivers."""
    directory = output or Path("build") / options.module_name()
    if picture:
        check_suffix(picture)
    manifest = generate(options, directory)
    layer = options.stages()[0].layer()
    if picture:
        write_picture(layer, picture)
    for note in checkerboard_notes(layer):
        Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(
            f"note: {note}", markup=False)
    console = Console(highlight=False, emoji=False)
    given = ", ".join(f"{name.replace('_', '-')} = {value}" for name, value in
                      options.model_dump(mode="json").items() if value is not None)
    console.print(f"options: {given}", soft_wrap=True, markup=False)
    console.print(table(manifest))
    console.print(f"{directory / manifest.files.verilog}", soft_wrap=True, markup=False)


def table(manifest):
    """The figures of an engine as a table."""
    frame, figures = manifest.frame, manifest.figures
    rows = Table(title=manifest.name, show_header=False, title_justify="left")
    rows.add_column()
    rows.add_column(justify="right")
    for label, value in (
            ("frame", f"{frame.height}x{frame.width} to {frame.out_height}x{frame.out_width}"),
            ("cycles per frame", f"{figures.cycles_per_frame:,}"),
            ("latency, cycles", f"{figures.latency:,}"),
            ("MACs with inserted zeros", f"{figures.macs:,}"),
            ("useful MACs", f"{figures.useful_macs:,}"),
            ("multipliers",
             f"{figures.multipliers:,} + {figures.requantiser_multipliers:,} to requantise"),
            ("useful share of the products", f"{figures.utilisation:.4f}"),
            ("memory bits", f"{figures.memory_bits:,}"),
            *_device(figures.device)):
        rows.add_row(label, value)
    return rows


def _device(figures):
    """The rows of the table about the device, if there is one."""
    if figures is None:
        return
    yield "multipliers of the device", f"{figures.multipliers:,}"
    yield "block RAMs of the device", f"{figures.block_rams:,}"
    if figures.single_port_rams:
        yield "single-port RAMs of the device", f"{figures.single_port_rams:,}"
    yield "LUT4s of the device, estimated", f"{figures.luts:,}"


app = application(gen)

if __name__ == "__main__":
    run(app)
