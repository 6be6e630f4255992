"""python -m sim.run: the Verilog of a layer in a simulator, every value and every cycle checked."""

import dataclasses
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from hw.options import application, run

from .design import Design
from .progress import telling
from .routed import routed
from .simulators import SIMULATORS, build, simulate
from .stalls import STALLS
from .streams import Failure
from .synthesis import netlist
from .testbench import VARIABLE, Job

__all__ = ["app", "Difference", "run_testbench"]


class Difference(AssertionError):
    """The engine is not what golden wants; names the first difference and the file with waves."""


def run_testbench(design, *, frames=3, size=None, stalls="both", seed=0, simulator="verilator",
                  waves=None, cache=None, tell=lambda text: None):
    """Run the testbench on the Verilog of an engine.

    Parameters
    ----------
    design : Design
    frames : int
        Frames, back to back.
    size : tuple of int, optional
        Rows and columns of a frame; by default the largest.
    stalls : str
        none, in, out or both.
    simulator : str
        verilator or icarus.
    waves : Path, optional
        File for waves: VCD from Verilator, FST from Icarus Verilog. Without it, waves are written
        only where there is a difference, into the folder `build`.
    cache : Path, optional
        Folder for what is built, as in `sim.compiled.CompiledModel`.
    tell : callable
        Called with what is done next.

    Returns
    -------
    dict
        What was checked: `values`, `handshakes` (whose cycle numbers were compared) and `cycles`;
        the stalls that occurred, `stalls_in`, `stalls_out` and `longest`; and `seconds`.

    Raises
    ------
    Difference
        If anything is not as golden wants it.
    RuntimeError
        If the simulator is missing or breaks off.
    ValueError
        If a parameter is not possible.
    """
    manifest, frame = design.manifest, design.manifest.frame
    size = size or (frame.height, frame.width)
    smallest, largest = (frame.smallest_height, frame.smallest_width), (frame.height, frame.width)
    for name, value, known in (("stalls", stalls, STALLS), ("simulator", simulator, SIMULATORS)):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    suffix = SIMULATORS[simulator]
    if frames < 1:
        raise ValueError(f"frames must be at least 1, not {frames}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, not {seed}")
    if not all(low <= n <= high for low, n, high in zip(smallest, size, largest)):
        raise ValueError(f"size must be from {_by(smallest)} to {_by(largest)}, not {_by(size)}")
    if waves is not None and waves.suffix != suffix:
        raise ValueError(f"waves of {simulator} must be a {suffix} file, not {str(waves)!r}")
    begin = time.perf_counter()
    job = {"manifest": str(design.path.resolve()), "frames": frames, "size": size,
           "stalls": stalls, "seed": seed}
    failure, report = _once(design, job, simulator, waves, cache, tell)
    if failure:
        if waves is None:
            waves = Path("build") / f"{manifest.name}-{stalls}-{seed}{suffix}"
            _once(design, job, simulator, waves, cache, tell)
        raise Difference(f"{failure}; waves: {waves}")
    return report | {"seconds": time.perf_counter() - begin}


def _once(design, job, simulator, waves, cache, tell):
    """Build and run; returns the first difference, or None, and the report of the testbench."""
    if waves is not None:
        waves = waves.resolve()
        waves.parent.mkdir(parents=True, exist_ok=True)
    top = design.manifest.name
    tell("compiling the Verilog")
    folder = build(simulator, design.verilog, top, waves=waves is not None, cache=cache)
    tell("simulating, with waves" if waves else "simulating")
    with tempfile.TemporaryDirectory() as directory:
        report, file = Path(directory) / "report.json", Path(directory) / "job.json"
        file.write_text(json.dumps(dataclasses.asdict(Job(**job, report=str(report)))))
        failure = simulate(simulator, folder, top, module="sim.testbench", waves=waves,
                           environment={VARIABLE: str(file)}, directory=Path(directory))
        if failure is None:
            return None, json.loads(report.read_text())
    kind, message = failure
    if kind != Failure.__name__:
        raise RuntimeError(f"the testbench broke off in {simulator}: {kind}: {message}")
    return message, None


def sim(options, manifest: Annotated[Path | None, typer.Option(
            help="manifest of an engine that hw.gen wrote, instead of layer options")] = None,
        synthesised: Annotated[bool, typer.Option(
            "--netlist", help="simulate what Yosys makes of the Verilog: the device's cells"
            )] = False,
        placed: Annotated[bool, typer.Option(
            "--routed", help="simulate what nextpnr makes of it on an ECP5: cells as routed"
            )] = False,
        stalls: Annotated[Literal["none", "in", "out", "both"], typer.Option(
            help="where the streams stall")] = "both",
        seed: Annotated[int, typer.Option(help="of frames and stalls")] = 0,
        frames: Annotated[int, typer.Option(help="frames, back to back")] = 3,
        size: Annotated[str | None, typer.Option(
            help="HEIGHTxWIDTH of the frames, by default the largest")] = None,
        simulator: Annotated[Literal["verilator", "icarus"], typer.Option(
            help="Verilator or Icarus Verilog")] = "verilator",
        waves: Annotated[Path | None, typer.Option(
            help="file for waves: .vcd from Verilator, .fst from Icarus Verilog")] = None):
    """Simulate the Verilog of a layer; compare every value and every cycle number with golden."""
    if manifest and options.model_fields_set:
        given = ", ".join(sorted(options.model_fields_set)).replace("_", "-")
        raise ValueError(f"layer options must not be given beside a manifest, not {given}")
    if synthesised and placed:
        raise ValueError("netlist must not be given beside routed")
    if size and not re.fullmatch(r"\d+x\d+", size):
        raise ValueError(f"size must be HEIGHTxWIDTH, not {size!r}")
    size = tuple(map(int, size.split("x"))) if size else None
    with tempfile.TemporaryDirectory() as directory, telling("generating the Verilog") as tell:
        design = Design(manifest) if manifest else Design.generate(options, directory)
        try:
            if synthesised or placed:
                tell("synthesis, placement and routing" if placed else "synthesis")
                (folder := Path(directory) / "netlist").mkdir()
                design = (routed if placed else netlist)(design, folder)
            result = run_testbench(
                design, frames=frames, size=size, stalls=stalls, seed=seed, simulator=simulator,
                waves=waves, tell=tell)
        except RuntimeError as error:
            raise OSError(str(error)) from error    # not a check that failed: there is no result
    frame = design.manifest.frame
    kind = ", routed" if placed else ", netlist" if synthesised else ""
    Console(soft_wrap=True, highlight=False).print(
        f"{design.manifest.name}{kind}: {frames} frames of "
        f"{_by(size or (frame.height, frame.width))}, "
        f"{result['values']:,} values and {result['handshakes']:,} cycle numbers equal to golden "
        f"in {result['cycles']:,} cycles; stalled {result['stalls_in']:,} cycles in, "
        f"{result['stalls_out']:,} out, at most {result['longest']:,} on end; seed {seed}, "
        f"{simulator}, {result['seconds']:.1f} s", markup=False)


def _by(size):
    return "x".join(map(str, size))


app = application(sim)

if __name__ == "__main__":
    run(app)
