"""python -m bench.resources: what engines take of a device, beside what the generator predicts.

Synthesis by Yosys and packing by nextpnr, as pip installs them (extra `silicon`); placement and
routing do not change the counts. With `--fit`, the tables per bit that the prediction of look-up
tables rests on are first fitted to some of the cases, and written to `hw/luts.json`. The errors in
the last line are those of the other cases.
"""

import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from hw.export import generate, make_program, write_whole
from hw.options import Options, run
from hw.resources import COEFFICIENTS, parts, tables

from .devices import DEVICES, packed

__all__ = ["FITTED", "OTHERS", "Row", "app", "fit", "measure"]

PACKED = {"ecp5": DEVICES["85F-6"], "ice40": DEVICES["UP5K"]}   # packing wants no room
LAYER = {"cin": 16, "cout": 8, "height": 32, "width": 32}
LARGE = {"cin": 64, "cout": 16, "height": 64, "width": 64}

FITTED = {
    "one multiplier": {},
    "k5, one multiplier, loadable": {"k": 5, "cin": 2, "cout": 2, "height": 48, "loadable": True},
    "2x2, tiny frame, loadable": {"cin": 4, "cout": 4, "pi": 2, "po": 2, "height": 6, "width": 5,
                                  "loadable": True},
    "4x4": LARGE | {"pi": 4, "po": 4},
    "4x4, loadable": LARGE | {"pi": 4, "po": 4, "loadable": True},
    "8x8, loadable": LARGE | {"pi": 8, "po": 8, "loadable": True},
    "4x8, packed, loadable": LAYER | {"pi": 4, "po": 8, "pack": True, "loadable": True},
    "2x2, packed, four bits": LAYER | {"pi": 2, "po": 2, "pack": True, "weight_bits": 4},
    "4x2, products of tables": LAYER | {"pi": 4, "po": 2, "lut_products": True},
    "4x4, packed, requantised bit by bit": LAYER | {
        "cin": 64, "cout": 4, "height": 16, "width": 16, "pi": 4, "po": 4, "pack": True,
        "serial_requant": True},
    "2x2, requantised bit by bit": LAYER | {"pi": 2, "po": 2, "serial_requant": True},
    "2x4, zeros skipped": LAYER | {"pi": 2, "po": 4, "skip_zeros": True},
    "k5, s3, three pixels": {"k": 5, "s": 3, "cin": 4, "cout": 2, "pi": 4, "po": 2, "px": 3,
                             "height": 24, "width": 40},
    "2x8, two pixels": LAYER | {"pi": 2, "po": 8, "px": 2},
    "2x4, tanh, loadable": LAYER | {"pi": 2, "po": 4, "activation": "tanh", "loadable": True},
    "2x2, compact": LAYER | {"pi": 2, "po": 2, "requant": "compact"},
    "convolution": LAYER | {"op": "conv2d", "k": 3, "cin": 8, "pi": 4, "po": 4,
                            "activation": "relu"},
    "convolution of one pixel": {"op": "conv2d", "k": 1, "cin": 8, "cout": 16, "pi": 8, "po": 16,
                                 "height": 16, "width": 16, "dtype": "int8"},
    "k9, s4": {"k": 9, "s": 4, "cin": 16, "pi": 16, "height": 96, "width": 160},
    "depthwise": LAYER | {"cin": 8, "groups": 8, "po": 8},
}
OTHERS = {
    "2x2": LAYER | {"pi": 2, "po": 2},
    "4x6, loadable": LARGE | {"cout": 24, "pi": 4, "po": 6, "loadable": True},
    "8x4, packed": LAYER | {"cout": 12, "pi": 8, "po": 4, "pack": True},
    "2x4, requantised bit by bit, loadable": LAYER | {
        "cin": 32, "pi": 2, "po": 4, "serial_requant": True, "loadable": True},
    "2x2, products of tables, four bits, loadable": LAYER | {
        "pi": 2, "po": 2, "lut_products": True, "weight_bits": 4, "loadable": True},
    "4x2, two pixels, zeros skipped, loadable": LAYER | {
        "cout": 2, "pi": 4, "po": 2, "px": 2, "skip_zeros": True, "loadable": True},
    "4x2, table, int8": LAYER | {"pi": 4, "po": 2, "activation": "leaky_relu:0.1",
                                 "dtype": "int8"},
    "4x4, compact, loadable": LAYER | {"pi": 4, "po": 4, "requant": "compact", "loadable": True,
                                       "multiplier_bits": 12},
    "sub-pixel, loadable": LAYER | {"op": "sub_pixel_conv2d", "k": 3, "cin": 8, "cout": 2, "pi": 4,
                                    "po": 2, "loadable": True},
    "8x3 (DCGAN)": LAYER | {"cin": 128, "cout": 3, "pi": 8, "po": 3},
    "k6, 4x3, loadable (ESPCN)": {"k": 6, "cin": 32, "cout": 3, "pi": 4, "po": 3, "height": 128,
                                  "width": 128, "loadable": True},
    "k3, dilated, four bits, loadable": {
        "k": 3, "dilation": 2, "cin": 8, "cout": 12, "pi": 8, "po": 4, "height": 20, "width": 20,
        "weight_bits": 4, "loadable": True},
}


@dataclass(frozen=True)
class Row:
    """A case on a device family: the parts of its program, what is predicted, what was counted."""

    case: str
    parts: dict
    predicted: dict
    counted: dict

    def luts(self, coefficients):
        """Look-up tables that the coefficients predict."""
        return tables(coefficients, self.parts)


def measure(case, options, target, folder):
    """The `Row` of a case, synthesised and packed in a folder."""
    options = Options(**options, target=target)
    manifest = generate(options, folder)
    return Row(case, parts(make_program(options), target), manifest.figures.device.model_dump(),
               packed(PACKED[target], folder, manifest.files.verilog, manifest.name))


def fit(rows):
    """{part: tables per bit}, of least squares of the relative errors; no part has less than none.

    A part that would have less, or that is in no row, is left out.
    """
    names = [part for part in rows[0].parts if any(row.parts[part] for row in rows)]
    while True:
        shares = np.array([[row.parts[name] / row.counted["luts"] for name in names]
                           for row in rows])
        found = np.linalg.lstsq(shares, np.ones(len(rows)))[0]
        if found.min() >= 0:
            return {name: round(float(value), 3) for name, value in zip(names, found)}
        names.pop(int(np.argmin(found * shares.max(axis=0))))


def main(fitted: Annotated[bool, typer.Option(
             "--fit", help="write the tables per bit of these engines to hw/luts.json")] = False,
         target: Annotated[str | None, typer.Option(help="ecp5 or ice40; by default both")] = None):
    """Compare the resources of generated engines with those that are predicted."""
    if target not in (None, *PACKED):
        raise typer.BadParameter(f"must be one of {', '.join(PACKED)}, not {target!r}",
                                 param_hint="--target")
    console, wrong = Console(soft_wrap=True, highlight=False), False
    coefficients = json.loads(COEFFICIENTS.read_text())
    for family in [target] if target else PACKED:
        try:
            rows = [_measured(name, family) for name in track(
                [*FITTED, *OTHERS], family, console=Console(stderr=True), transient=True)]
        except RuntimeError as error:
            Console(stderr=True).print(f"error: {error}", markup=False, soft_wrap=True)
            raise typer.Exit(1) from None
        if fitted:
            coefficients[family] = fit(rows[:len(FITTED)])
        wrong |= _show(console, family, rows, coefficients[family])
    if fitted:
        write_whole(COEFFICIENTS.parent, {
            COEFFICIENTS.name: (json.dumps(coefficients, indent=1) + "\n").encode()})
    raise typer.Exit(int(wrong))


def _measured(name, family):
    with tempfile.TemporaryDirectory() as folder:
        return measure(name, (FITTED | OTHERS)[name], family, Path(folder))


def _show(console, family, rows, coefficients):
    """Print a table; returns whether a number that must be exact is not."""
    console.print(f"\n| {family} | multipliers (predicted) | block RAMs | LUTs | error |\n"
                  + "|---" * 5 + "|", markup=False)
    errors, wrong = {}, False
    for row in rows:
        luts, counted = round(row.luts(coefficients)), row.counted
        errors[row.case] = luts / counted["luts"] - 1
        pairs = [(counted[name], row.predicted[name]) for name in ("multipliers", "block_rams")]
        wrong |= any(found != predicted for found, predicted in pairs)
        cells = [f"{found:,} ({predicted:,})" for found, predicted in
                 (*pairs, (counted["luts"], luts))]
        console.print(f"| {row.case} | {' | '.join(cells)} | {errors[row.case]:+.1%} |",
                      markup=False)
    others = [abs(errors[name]) for name in OTHERS]
    console.print(f"\n{len(others)} cases that are not fitted: median error "
                  f"{statistics.median(others):.1%}, worst {max(others):.1%}", markup=False)
    return wrong


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    run(app)
