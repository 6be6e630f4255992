"""python -m bench.cycles: how many cycles the generated engines take, and everyone else.

Cycles are counted on the generated Verilog, compiled by `sim.compiled`; every handshake must come
at the cycle that `golden.timing` predicts, and the first frame must have the right values. Of the
sweep, a random part is counted on the Verilog and the rest by `golden.timing`.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hw.export import make_program
from hw.options import run
from sim.design import Design

from .layers import CASES, sweep
from .measure import frame_count, measure, predict
from .naive import naive_cycles, naive_options, stuff, write_weights
from .rows import Row, missed, summary, table, to_json
from .sparse import pruned_rows, zero_rows

__all__ = ["app", "measure_all"]

# multiplications of a naive frame, inserted zeros and all; beyond, its closed form must do
NAIVE_LIMIT, QUICK_NAIVE_LIMIT = 600_000_000, 5_000_000
WIDTH = 140       # columns of the table, at least
QUICK_SWEEP = 28  # every so many of the layers of the sweep


def measure_all(*, quick=False, sweep_verilog=24, seed=0, report=None):
    """All rows.

    Parameters
    ----------
    quick : bool
        Only some of them, in less than a minute.
    sweep_verilog : int
        Layers of the sweep, drawn at random, that are counted on the Verilog.
    seed : int
        Of that draw and of the frames.
    report : callable, optional
        Called with (what, of which, how far, of how much).

    Returns
    -------
    list of Row
    """
    rng = np.random.default_rng(seed)
    cases = [case for case in CASES if case.quick or not quick]
    swept = list(sweep())[::QUICK_SWEEP if quick else 1]
    drawn = set(rng.permutation(len(swept))[:sweep_verilog].tolist())
    limit = QUICK_NAIVE_LIMIT if quick else NAIVE_LIMIT
    jobs = [(case.name, lambda *rest, case=case: case_rows(case, limit, *rest)) for case in cases]
    jobs += [("zero activations", lambda folder, rng, progress: zero_rows(
        folder, rng, quick=quick, progress=progress)),
             ("pruned weights", lambda folder, rng, progress: pruned_rows(
                 folder, rng, quick=quick, progress=progress))]
    jobs += [(case.name, lambda *rest, case=case, n=n: sweep_rows(case, n in drawn, *rest))
             for n, case in enumerate(swept)]
    rows = []
    for number, (name, job) in enumerate(jobs):
        def progress(done, of, at=(name, (number, len(jobs)))):
            if report is not None:
                report(*at, done, of)

        progress(0, None)
        with tempfile.TemporaryDirectory() as folder:
            rows += job(Path(folder), np.random.default_rng((seed, number)), progress)
    return rows


def case_rows(case, naive_limit, folder, rng, progress):
    """The row of a layer, the naive engine beside it."""
    design = Design.generate(case.options, folder)
    figures = design.manifest.figures
    frames = [design.random_frame(rng) for _ in range(frame_count(figures.cycles_per_frame))]
    expected = [design.expected_codes(frames[0])]
    counted = measure(design, frames, expected=expected, progress=progress)
    naive, source = naive_cycles(case.options), "closed form"
    if naive * case.multipliers <= naive_limit:
        weights = write_weights(design, folder / "naive_weights.npz")
        engine = Design.generate(naive_options(case.options, weights), folder)
        zero_point = design.spec["input_zero_point"]
        stuffed = [stuff(case.layer, frame, zero_point) for frame in frames[:frame_count(naive)]]
        naive = measure(engine, stuffed, expected=expected, progress=progress).cycles
        source = "Verilog"
    return [_row(case, counted, naive, source, useful_macs=figures.useful_macs)]


def sweep_rows(case, on_verilog, folder, rng, progress):
    """The row of a layer of the sweep."""
    options = case.options
    program = make_program(options)
    counted, source = predict(program, options), "timing model"
    if on_verilog:
        design = Design.generate(options, folder)
        frames = [design.random_frame(rng) for _ in range(3)]
        counted, source = measure(design, frames, progress=progress), "Verilog"
    return [_row(case, counted, naive_cycles(options), "closed form", kind="sweep",
                 counted=source, useful_macs=program.schedule.useful_macs)]


def _row(case, measured, naive, naive_counted, **values):
    options = case.options
    return Row(name=case.name, layer=case.text, stride=options.factor[0],
               multipliers=case.multipliers,
               folding=(options.pi, options.po, options.px), cycles=measured.cycles,
               frame_cycles=measured.frame_cycles, naive_cycles=naive, naive_counted=naive_counted,
               peers=case.peers, **values)


def main(
    path: Annotated[Path | None, typer.Option("--json", help="write the rows to this file")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="only a part, under a minute")] = False,
    sweep_verilog: Annotated[int | None, typer.Option(
        min=0, help="layers of the sweep to count on the Verilog  [default: 24, quick 1]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the frames and of that draw")] = 0,
):
    """Count the cycles of generated engines, and compare them."""
    console = Console(highlight=False)
    if sweep_verilog is None:
        sweep_verilog = 1 if quick else 24
    console.print(f"seed {seed}")
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                  TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bars:
        whole, part = bars.add_task("", total=None), bars.add_task("output beats", total=None)

        def report(name, place, done, of):
            bars.update(whole, description=name, completed=place[0], total=place[1])
            bars.update(part, completed=done, total=of)

        rows = measure_all(quick=quick, sweep_verilog=sweep_verilog, seed=seed, report=report)
    console.width = max(console.width, WIDTH)
    console.print(table(rows))
    for line in summary(rows):
        console.print(line)
    if path is not None:
        path.write_text(to_json(rows))
    if lines := missed(rows):
        for line in lines:
            console.print(f"missed: {line}", markup=False)
        raise typer.Exit(1)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    run(app)
