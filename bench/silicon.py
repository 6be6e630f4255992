"""python -m bench.silicon: what the engines need on a device, and how fast they run there.

Synthesis, placement and routing with the open tools that pip installs (extra `silicon`). An engine
is routed without pads ("out of context"), so that its clock, not the board, sets the limit. Clock
frequencies are nextpnr's estimates.
"""

import json
import re
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hw.export import generate, write_whole
from hw.options import Options, run
from sim.synthesis import synthesise

from .devices import DEVICES, report, used

__all__ = ["CASES", "Case", "Row", "app", "measure"]

SEEDS = (1, 2, 3)
DOCS = Path(__file__).parent.parent / "docs"

TEXT = """# On silicon

Measured by `python -m bench.silicon`, which writes this page and `silicon.json`: synthesis by Yosys
(`synth_ecp5 -abc9`), placement and routing by nextpnr with three seeds, both as pip installs them
(`pip install -e ".[silicon]"`). Engines are routed without pads, so that their own paths set the
clock; frequencies are nextpnr's estimates for the slow corner. Every engine has the exact float32
requantisation of ONNX Runtime, whose multipliers count in the totals.

{table}
The slowest path of the median seed, cell by cell:

{paths}

Multipliers and block memories are instances of the device's own cells with all their registers
(`hw/primitives/`), but in the row marked *inferred*, where Yosys finds them in the portable form.
"""


@dataclass(frozen=True)
class Case:
    """A layer on an engine on a device, and the clock that placement aims at, in MHz."""

    name: str
    device: str
    options: dict
    aim: int


LAYER = {"k": 4, "s": 2, "cin": 64, "cout": 16, "height": 64, "width": 64}
CASES = (
    Case("16 multipliers, loadable", "25F-6", LAYER | {"pi": 4, "po": 4, "loadable": True}, 210),
    Case("16 multipliers, built in", "25F-6", LAYER | {"pi": 4, "po": 4}, 210),
    Case("16 multipliers, loadable, inferred", "25F-6",
         LAYER | {"pi": 4, "po": 4, "loadable": True, "target": "generic"}, 210),
    Case("24 multipliers, loadable", "25F-6",
         LAYER | {"cout": 24, "pi": 4, "po": 6, "loadable": True}, 210),
    Case("24 multipliers, loadable", "25F-8",
         LAYER | {"cout": 24, "pi": 4, "po": 6, "loadable": True}, 250),
    Case("24 multipliers for 48 products, loadable", "25F-6",
         LAYER | {"cout": 24, "pi": 4, "po": 12, "loadable": True, "pack": True}, 200),
    Case("24 multipliers for 48 products, loadable", "25F-8",
         LAYER | {"cout": 24, "pi": 4, "po": 12, "loadable": True, "pack": True}, 250),
    Case("64 multipliers, loadable", "45F-6",
         LAYER | {"pi": 8, "po": 8, "loadable": True}, 180),
)


@dataclass(frozen=True)
class Row:
    """What a case came to; clocks in MHz, one for each seed, and the slowest path of the median."""

    case: str
    device: str
    clocks: list
    multipliers: int
    predicted_multipliers: int
    memories: int
    luts: int
    registers: int
    products: int
    path: list

    @property
    def median(self):
        return statistics.median(self.clocks)


def measure(case, folder, *, seeds=SEEDS, tell=lambda text: None):
    """Synthesise a case and route it with each seed.

    Raises
    ------
    RuntimeError
        With the last line of error of a tool that failed.
    """
    device = DEVICES[case.device]
    tell("generating the Verilog")
    options = Options(**{"target": device.target, "name": "engine", **case.options})
    manifest = generate(options, folder)
    tell("synthesis")
    synthesise(folder, manifest.files.verilog, manifest.name, device.target)
    reports = []
    for seed in seeds:
        tell(f"placement and routing, seed {seed}")
        reports.append(report(folder, device, "--freq", str(case.aim), "--seed", str(seed)))
    clocks = [round(max(clock["achieved"] for clock in found["fmax"].values()), 1)
              for found in reports]
    counts = used(device, reports[0])
    middle = reports[sorted(range(len(clocks)), key=clocks.__getitem__)[len(clocks) // 2]]
    figures, info = manifest.figures, manifest.engine
    return Row(case.name, device.name, clocks, counts["multipliers"],
               figures.multipliers + figures.requantiser_multipliers, counts["block_rams"],
               counts["luts"], counts["registers"], info.pi * info.po * info.px, _path(middle))


def _path(report):
    """The slowest path within the clock: its cells, in the engine's own names."""
    inside = [path for path in report["critical_paths"] if "async" not in path["from"] + path["to"]]
    cells = [step["to"]["cell"] for step in inside[0]["path"] if step["type"] != "routing"]
    names = [re.split(r"_(?:LUT4|TRELLIS|CCU2C|PFUMX|L6MUX21|DFF|SB_)", cell)[0] for cell in cells]
    return [name for n, name in enumerate(names) if n == 0 or name != names[n - 1]]


def table(rows):
    """The rows as a Markdown table."""
    names = ("engine", "device", "MHz, median", "best", "multipliers (predicted)", "block RAMs",
             "LUT4", "flip-flops", "GMAC/s")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {row.case} | {row.device} | {row.median} | {max(row.clocks)} | "
              f"{row.multipliers} ({row.predicted_multipliers}) | {row.memories} | {row.luts:,} | "
              f"{row.registers:,} | {row.products * row.median / 1000:.2f} |" for row in rows]
    return "\n".join(lines) + "\n"


def main(case: Annotated[str | None, typer.Option(
        help="only cases with this in their name or device")] = None,
         output: Annotated[Path, typer.Option(
             "-o", "--output", help="folder for silicon.json and silicon.md")] = DOCS):
    """Measure resources and clock of generated engines on devices."""
    cases = [c for c in CASES if case is None or case in f"{c.name} {c.device}"]
    if not cases:
        raise typer.BadParameter(f"must be a part of a name, not {case!r}", param_hint="--case")
    rows, console = [], Console(stderr=True)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
                  console=console, disable=not console.is_terminal) as progress:
        for chosen in cases:
            task = progress.add_task(chosen.name, total=None)

            def tell(text, task=task, name=f"{chosen.name}, {chosen.device}"):
                progress.update(task, description=f"{name}: {text}")
            with tempfile.TemporaryDirectory() as folder:
                try:
                    rows.append(measure(chosen, folder, tell=tell))
                except RuntimeError as error:
                    console.print(f"error: {chosen.name}: {error}", markup=False, soft_wrap=True)
                    raise typer.Exit(1) from None
            tell(f"{rows[-1].median} MHz")
            progress.stop_task(task)
    text = TEXT.format(table=table(rows), paths="\n".join(
        f"- {row.case}, {row.device}: `{' → '.join(row.path)}`" for row in rows))
    write_whole(output, {
        "silicon.json": (json.dumps([asdict(row) for row in rows], indent=2) + "\n").encode(),
        "silicon.md": text.encode()})
    Console(soft_wrap=True).print(table(rows), markup=False)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    run(app)
