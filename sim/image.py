"""python -m sim.image: a whole picture through the compiled Verilog, every pixel checked."""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from hw.gen import table
from hw.options import application, run

from .compiled import CompiledModel
from .design import Design
from .picture import (
    beside,
    check_fit,
    compare,
    frames_of,
    picture_of,
    read_picture,
    write_picture,
)

__all__ = ["app", "upscale"]

UNGROUPED = ("resize2d", "separable_conv_transpose2d")  # layers that are given no groups


def image(options, photo: Annotated[str, typer.Argument(
        help="picture file, or the name of a picture of scikit-image, as astronaut")],
          output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write")] = Path(
              "big.png"),
          side_by_side: Annotated[Path | None, typer.Option(
              help="PNG file with the enlarged input beside the output")] = None):
    """Send a picture through the compiled Verilog of a layer, and compare each pixel with golden.

    Without channel options the layer works on each channel of the picture by itself. A layer of
    one channel takes the channels of a picture one after the other, as frames.
    """
    pixels = read_picture(photo)
    size = {"height": pixels.shape[1], "width": pixels.shape[2]}
    given = options.model_fields_set
    if not given & {"cin", "cout", "groups"}:
        own = () if options.op in UNGROUPED else ("groups",)
        size |= dict.fromkeys(("cin", "cout", *own), len(pixels))
    options = options.model_copy(update={k: v for k, v in size.items() if k not in given})
    check_fit(options, pixels)
    console = Console(highlight=False, emoji=False)
    with tempfile.TemporaryDirectory() as directory, Progress(console=console) as progress:
        task = progress.add_task("generating the Verilog", total=None)
        design = Design.generate(options, directory)
        result, report = upscale(design, pixels, lambda text, done=None, total=None:
                                 progress.update(task, description=text, completed=done,
                                                 total=total))
        progress.update(task, description="done", completed=1, total=1)
    write_picture(output, result)
    console.print(table(design.manifest))
    console.print(f"{photo}: {report}", soft_wrap=True, markup=False)
    if side_by_side is not None:
        write_picture(side_by_side, beside(pixels, result))
    for path in filter(None, (output, side_by_side)):
        console.print(str(path), soft_wrap=True, markup=False)


def upscale(design, pixels, tell):
    """Run a picture through the compiled engine.

    Parameters
    ----------
    design : Design
    pixels : numpy.ndarray
        uint8 (channels, height, width).
    tell : callable
        Called with a text and, while frames run, with beats done and to do.

    Returns
    -------
    (uint8 (channels, rows, columns), one line that says what was checked)

    Raises
    ------
    RuntimeError
        If a pixel differs from golden.
    """
    height, width = pixels.shape[1:]
    frames = frames_of(design, pixels)

    tell("compiling the Verilog")
    model = CompiledModel(design.verilog, top=design.manifest.name,
                          weights=design.manifest.weights is not None)
    if design.manifest.weights is not None:
        model.load(design.weight_beats())
    registers = design.addresses
    model.write(registers["height"], height)
    model.write(registers["width"], width)
    model.idle(4)
    beats = design.stream_beats(frames)
    count = design.output_beat_count(height, width)
    begin, seconds = model.cycle, time.perf_counter()
    result = model.stream(*beats, expect=count * len(frames), progress=lambda _, done: tell(
        "streaming", done, count * len(frames)))
    seconds = time.perf_counter() - seconds
    cycles = result.cycles - begin

    tell("comparing with golden")
    outputs = [design.output_codes(data, height, width)
               for data in np.split(result.data, len(frames))]
    compare(design, frames, outputs)
    output = picture_of(design, outputs)
    return output, (
        f"{width}x{height} to {output.shape[2]}x{output.shape[1]}, all {output.size:,} values "
        f"equal to golden; {cycles:,} cycles, simulated at {cycles / seconds / 1e6:.2f} million "
        "cycles a second")


app = application(image)

if __name__ == "__main__":
    run(app)
