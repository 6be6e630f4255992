"""python -m conformance: golden and the generated Verilog beside the answers of others."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hw.export import write_whole
from hw.options import exit_codes, run

from .cases import Case, cases_of
from .report import COLUMNS, failures, summary, write
from .run import check

__all__ = ["app"]

PAGE = Path(__file__).parent.parent / "docs" / "conformance.md"
SOURCES = ("torch_samples", "onnx_nodes", "tflite_vectors", "litert", "onnx_runtime")


def main(
    quick: Annotated[bool, typer.Option("--quick", help=(
        "only a layer of each kind through the Verilog; writes nothing"))] = False,
):
    """Compare golden and the generated Verilog with others' answers; write docs/conformance.md.

    Ends with exit code 1 if anything differs.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or workers would outlive it
    console = Console(highlight=False, emoji=False)
    with exit_codes():
        results = _results(quick)
        if not quick:
            write_whole(PAGE.parent, {PAGE.name: write(results).encode()})
    _print(console, results)
    if lines := failures(results):
        for line in lines:
            console.print(f"wrong: {line}", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def _results(quick):
    """An `Outcome` or an `Excluded` for each case."""
    bars = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                    TimeElapsedColumn(), console=Console(stderr=True), transient=True)
    # Ctrl-C is for this process, which ends its workers.
    with bars, ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"),
                                   initializer=signal.signal,
                                   initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        try:
            found = [case for cases in bars.track(pool.map(cases_of, SOURCES), total=len(SOURCES),
                                                  description="cases") for case in cases]
            cases = [case for case in found if isinstance(case, Case)]
            checked = _check(bars, pool, cases, [case.verilog and not quick for case in cases])
            if quick:
                chosen = _one_of_each(checked)
                again = _check(bars, pool, [cases[n] for n in chosen], [True] * len(chosen))
                for n, outcome in zip(chosen, again):
                    checked[n] = outcome
        except BaseException:
            for worker in active_children():
                worker.terminate()
            raise
    outcomes = iter(checked)
    return [next(outcomes) if isinstance(case, Case) else case for case in found]


def _check(bars, pool, cases, verilog):
    """Outcomes of all cases, in their order; `verilog` says which go through the Verilog."""
    through = "golden and Verilog" if any(verilog) else "golden"
    return list(bars.track(pool.map(check, cases, verilog), total=len(cases),
                           description=through))


def _one_of_each(outcomes):
    """Numbers of the last that is not refused of each kind of layer and of rounding."""
    kinds = {}
    for number, outcome in enumerate(outcomes):
        spec, tensors = outcome.case.spec, outcome.case.tensors
        # With powers of two results can lie right between two codes.
        binary = all(np.all(np.frexp(value)[0] == 0.5) for name, value in tensors.items()
                     if name.endswith("_scale"))
        if outcome.refused is None and outcome.failure is None:
            kinds[spec["op"], spec.get("mode"), spec.get("requant"), "output_dtype" in spec,
                  binary] = number
    return list(kinds.values())


def _print(console, results):
    table = Table(*COLUMNS, box=SIMPLE_HEAD)
    for row in summary(results):
        table.add_row(*row)
    console.width = max(console.width, 150)
    console.print(table)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    run(app)
