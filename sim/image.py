"""python -m sim.image: a whole picture through the compiled Verilog, every pixel checked."""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import Progress

from hw.gen import table
from hw.options import application, run

from .compiled import CompiledModel
from .design import Design

__all__ = ["app", "upscale"]

LARGEST_SIDE = 8192


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
        size |= dict.fromkeys(("cin", "cout", "groups"), len(pixels))
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


def check_fit(options, pixels):
    """Raise `ValueError` if the picture does not fit the layer."""
    channels, height, width = pixels.shape
    if height > options.height or width > options.width:
        raise ValueError(f"picture must be at most {options.width}x{options.height}, "
                         f"not {width}x{height}")
    if options.cin not in (1, channels):
        raise ValueError(f"cin must be 1 or the channels of the picture ({channels}), "
                         f"not {options.cin}")
    results = options.cout * (channels if options.cin == 1 else 1)
    if results not in (1, 3):
        raise ValueError(f"cout must be 1 or 3 to make a picture, not {results}")


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
    spec = design.spec
    channels, height, width = pixels.shape
    offset = 128 if spec["dtype"] == "int8" else 0
    codes = pixels.astype(np.int64) - offset
    frames = [codes] if channels == spec["in_channels"] else [plane[None] for plane in codes]

    tell("compiling the Verilog")
    model = CompiledModel(design.verilog, top=design.manifest.name,
                          weights=design.manifest.weights is not None)
    if design.manifest.weights is not None:
        model.load(design.weight_beats())
    registers = {r.name: r.address for r in design.manifest.registers}
    model.write(registers["height"], height)
    model.write(registers["width"], width)
    model.idle(4)
    beats = [np.concatenate(part) for part in zip(*map(design.input_beats, frames))]
    count = design.output_beat_count(height, width)
    begin, seconds = model.cycle, time.perf_counter()
    result = model.stream(*beats, expect=count * len(frames), progress=lambda _, done: tell(
        "streaming", done, count * len(frames)))
    seconds = time.perf_counter() - seconds
    cycles = result.cycles - begin

    tell("comparing with golden")
    outputs = []
    for number, codes in enumerate(frames):
        got = design.output_codes(result.data[number * count:(number + 1) * count], height, width)
        different = np.argwhere(got != design.expected_codes(codes))
        if len(different):
            channel, row, column = different[0]
            raise RuntimeError(f"{len(different)} of {got.size} pixels differ from golden, the "
                               f"first in frame {number}, channel {channel}, row {row}, "
                               f"column {column}")
        outputs.append(got)
    output = np.concatenate(outputs)
    return (output + offset).astype(np.uint8), (
        f"{width}x{height} to {output.shape[2]}x{output.shape[1]}, all {output.size:,} values "
        f"equal to golden; {cycles:,} cycles, simulated at {cycles / seconds / 1e6:.2f} million "
        "cycles a second")


def read_picture(name):
    """uint8 (channels, height, width) of a picture file, or of a picture of scikit-image."""
    try:
        if not Path(name).exists() and "." not in Path(name).name:
            from skimage import data  # an extra that only the demonstration needs
            if name in ("astronaut", "camera", "coffee", "chelsea"):
                picture = Image.fromarray(getattr(data, name)())
            else:
                raise FileNotFoundError
        else:
            with Image.open(name) as picture:
                picture.load()
    except (FileNotFoundError, IsADirectoryError, ImportError):
        raise ValueError(f"photo must be a file that exists, not {name!r}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError(f"photo must be a picture that Pillow can read, not {name!r}") from None
    if max(picture.size) > LARGEST_SIDE:
        raise ValueError(f"photo must be at most {LARGEST_SIDE} pixels a side, not "
                         f"{picture.width}x{picture.height}")
    pixels = np.asarray(picture.convert("L" if picture.mode in ("1", "L", "I;16") else "RGB"))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def write_picture(path, pixels):
    """Write uint8 (1 or 3 channels, height, width) as a PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy())
    scratch = path.with_name(f".{path.name}.part")
    picture.save(scratch, format="PNG")
    scratch.replace(path)


def beside(pixels, result):
    """The input, its pixels repeated up to the size of the output, beside the output."""
    rows, columns = result.shape[1:]
    repeated = pixels[:, np.arange(rows) * pixels.shape[1] // rows]
    repeated = repeated[:, :, np.arange(columns) * pixels.shape[2] // columns]
    gap = np.full((len(result), rows, max(4, columns // 64)), 255, dtype=np.uint8)
    return np.concatenate([np.broadcast_to(repeated, (len(result), rows, columns)), gap, result],
                          axis=2)


app = application(image)

if __name__ == "__main__":
    run(app)
