"""From a design to a bitstream, with the open tools as pip installs them (extra `silicon`)."""

import json
import re
from dataclasses import dataclass

from hw.manifest import DeviceFigures
from sim.floorplan import place_multipliers
from sim.synthesis import ABC9, cell_types, tool, used

__all__ = ["Routed", "implement", "router"]

PATIENCE = 1800     # seconds for placement and routing: the router may take for ever
MAPPING = {"synth_opts": "-abc9 -run :map_luts",
           "script_after_synth": f"{ABC9}; synth_ecp5 -abc9 -top top -run map_cells:"}
SERIES = {"iCE40UP5K": "u", "iCE40HX8K": "hx", "iCE40LP8K": "lp"}   # as Yosys calls them
LARGE = 20_000      # cells of a netlist for which the first router may take half an hour
STEPS = {"yosys": "synthesis", "nextpnr-ecp5": "placement and routing",
         "nextpnr-ice40": "placement and routing", "ecppack": "bitstream", "icepack": "bitstream"}


@dataclass(frozen=True)
class Routed:
    """What a design came to.

    Attributes
    ----------
    engine, link : float
        Fastest clock of each domain, in Hz, as routed.
    resources : DeviceFigures
        Cells in use.
    bitstream : bytes
    """

    engine: float
    link: float
    resources: DeviceFigures
    bitstream: bytes


def implement(board, top, folder, *, seed, tell):
    """Synthesise, place, route and pack a design.

    Parameters
    ----------
    board : Board
    top : Elaboratable
        With the domains that `boards.clocks.Clocks` makes.
    folder : pathlib.Path
        For the files of the tools; what is there of an earlier call is overwritten.
    seed : int
        Of placement.
    tell : function
        Called with what is going on.

    Returns
    -------
    Routed

    Raises
    ------
    RuntimeError
        If a tool is missing or fails; in one line.
    TimeoutError
        If it takes too long.
    """
    # without `emit_src` no paths get into the netlist: the same call gives the same bytes
    plan = board.platform().build(top, do_build=False, emit_src=False, **_overrides(board, seed))
    plan.extract(str(folder))
    for program, *arguments in json.loads((folder / "build_top.json").read_text())["commands"]:
        if program in STEPS:
            tell(STEPS[program])
            more = router(folder / "top.json") if program == "nextpnr-ecp5" else []
            _run(board, folder, program, arguments + more)
        if program == "yosys" and board.ecp5:
            place_multipliers(folder / "top.json", board.device)
    report = json.loads((folder / "report.json").read_text())
    suffix = "bit" if board.ecp5 else "bin"
    resources = DeviceFigures(**used(report, board.target, DeviceFigures.model_fields))
    return Routed(*_clocks(report), resources, (folder / f"top.{suffix}").read_bytes())


def _overrides(board, seed):
    """Options of Amaranth's build."""
    place = ["--seed", str(seed), "--report", "report.json", "--timing-allow-fail"]
    if not board.ecp5:
        # registers that share a tile share their enable: few of them had better have none
        synthesis = f"-abc9 -dffe_min_ce_use 4 -device {SERIES[board.model.device]}"
        return {"synth_opts": synthesis, "nextpnr_opts": place}
    return {**MAPPING, "nextpnr_opts": [*place, "--write", "routed.json"]}


def router(netlist):
    """nextpnr's options for a netlist of an ECP5: the first router if it is not too large.

    That one gives the higher clock, by a quarter for a small engine on a large device.
    """
    large = len(cell_types(netlist)) > LARGE
    return ["--router", "router2"] if large else ["--tmg-ripup"]


def _run(board, folder, program, arguments):
    try:
        tool(folder, f"yowasp-{program}", *arguments, patience=PATIENCE)
    except RuntimeError as error:
        if re.search(r"BELs remaining|[Uu]nable to (find|place)|placement", str(error)):
            raise RuntimeError(f"the engine does not fit {board.title}: a smaller folding (pi, "
                               f"po, px) is needed; {error}") from None
        raise


def _clocks(report):
    """The fastest clocks of engine and link, in Hz."""
    found = {True: [], False: []}
    for name, clock in report["fmax"].items():
        found["engine_clk" in name].append(1e6 * clock["achieved"])
    if not all(found.values()):
        raise RuntimeError(f"nextpnr must report the clocks of engine and link, not only "
                           f"{', '.join(report['fmax'])}")
    return min(found[True]), min(found[False])
