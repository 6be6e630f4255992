"""Verilog of what is in a bitstream of an iCE40, by Project IceStorm's `icebox_vlog`.

`icebox_vlog` knows tables, registers, carries, block RAMs, pads and PLLs, but not the blocks at the
sides of an UltraPlus. These are added here, from the same databases.
"""

import contextlib
import io
import itertools
import re
import runpy
import shutil
import sys
import warnings
from pathlib import Path

from sim.synthesis import tool

__all__ = ["unpacked"]

IDLE = {"CE": "1'b1"}       # levels of inputs without a net; of the others, 0


def unpacked(folder, bitstream, constraints, *, package, top):
    """The design in a bitstream as Verilog, for models of the vendor's cells.

    Parameters
    ----------
    folder : Path
        Of the files; gets `unpacked.asc`.
    bitstream : str
        File for an iCE40.
    constraints : str
        File that names the pins (`set_io NAME PIN`): the ports of the module.
    package : str
        As nextpnr names it: sg48, ct256.
    top : str
        Name of the module.

    Returns
    -------
    str

    Raises
    ------
    RuntimeError
        If a tool is missing or fails.
    """
    tool(folder, "yowasp-iceunpack", bitstream, "unpacked.asc")
    text, state = _icebox_vlog("-s", "-n", top, "-d", package, "-p", folder / constraints,
                               folder / "unpacked.asc")
    chip, nets, icebox = state["ic"], state["seg2net"], state["icebox"]
    for (x, y), tile in itertools.chain(*(tiles.items() for tiles in (
            chip.ipcon_tiles, *chip.dsp_tiles))):
        if icebox.get_negclk_bit(tile) == "1":
            raise RuntimeError(f"the block at {x}, {y} must not be clocked by falling edges, for "
                               "lack of a model")
    blocks = [_instance("SB_MAC16", place, chip.get_dsp_nets_db(*place), {"O": 32, "CO": 1}, nets,
                        _settings(icebox, chip, chip.get_dsp_config_db(*place)))
              for place in chip.dsp_tiles[0]]
    for place, entries in icebox.spram_db.get(chip.device, {}).items():
        ports = {name: entry for name, entry in entries.items() if name != "SPRAM_EN"}
        blocks.append(_instance("SB_SPRAM256KA", place, ports, {"DATAOUT": 16}, nets, {}))
    text = re.sub(r"(?<=PACKAGEPIN\()\w+", _pad(state, package), text)
    # of the blocks, icebox_vlog has assignments to undeclared wires
    text = re.sub(r"^/\* DSP.*\n", "", text, flags=re.MULTILINE)
    # it declares ports again as wires or registers, which only old-style ports allow
    text = re.sub(r"^module (.*?) \((.*)\);$", _old_style, text, flags=re.MULTILINE)
    head, end, tail = text.rpartition("endmodule")
    return "".join([head, *blocks, end, tail])


def _icebox_vlog(*arguments):
    """(what it prints, its variables): it is a program without functions."""
    program = shutil.which("icebox_vlog")
    if program is None:
        raise RuntimeError("icebox_vlog is not on the PATH: install Project IceStorm with the "
                           "system's package manager (Debian: apt install fpga-icestorm)")
    program = Path(program).resolve()
    before, printed = (sys.argv, sys.path), io.StringIO()
    sys.argv, sys.path = [program.name, *map(str, arguments)], [str(program.parent), *sys.path]
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")     # of its syntax
            state = runpy.run_path(str(program))
    finally:
        sys.argv, sys.path = before
    return printed.getvalue(), state


def _pad(state, package):
    """Name of the port on the pad that a PLL takes for itself, which `icebox_vlog` leaves open."""
    chip, icebox = state["ic"], state["icebox"]
    pads = {icebox.pllinfo_db[pll]["PLLOUT_A"] for pll in chip.pll_list()}
    pins = [pin for pin, *place in chip.pinloc_db(package) if tuple(place) in pads]
    return next((state["pcf_data"][pin,] for pin in pins if (pin,) in state["pcf_data"]), "1'b0")


def _old_style(header):
    """The first lines of a module whose ports are declared in its header."""
    ports = header[2].split(", ")
    names = ", ".join(port.partition(" ")[2] for port in ports)
    return "\n".join([f"module {header[1]} ({names});", *(f"{port};" for port in ports)])


def _instance(cell, place, ports, outputs, nets, parameters):
    """An instance with its connections, or nothing if no output is in use."""
    name = "_".join([cell.lower(), *map(str, place)])
    inputs, lines = {}, []
    for port, segment in ports.items():
        vector, number = _place(port)
        if vector not in outputs:
            inputs[port] = nets.get(segment, IDLE.get(port, "1'b0"))
        elif segment in nets:
            lines.append(f"assign {nets[segment]} = {name}_{vector}[{number}];")
    if not lines:
        return ""
    values = ", ".join(f".{key}({value})" for key, value in _vectors(parameters).items())
    connections = [f".{key}({value})" for key, value in _vectors(inputs).items()]
    connections += [f".{key}({name}_{key})" for key in outputs]
    wires = [f"wire [{bits - 1}:0] {name}_{key};" for key, bits in outputs.items()]
    return "\n".join([*wires, f"{cell} #({values}) {name} ({', '.join(connections)});", *lines, ""])


def _place(name):
    """(vector, number) of a bit that is named VECTOR_NUMBER, or (name, 0)."""
    found = re.fullmatch(r"(.+)_(\d+)", name)
    return (found[1], int(found[2])) if found else (name, 0)


def _vectors(bits):
    """{vector: its bits as Verilog concatenates them}."""
    found = {}
    for name, value in sorted(bits.items(), key=lambda bit: _place(bit[0]), reverse=True):
        found.setdefault(_place(name)[0], []).append(value)
    return {vector: f"{{{', '.join(values)}}}" for vector, values in found.items()}


def _settings(icebox, chip, places):
    """{parameter's bit: value} of the places of settings."""
    found = {}
    for name, (x, y, setting) in places.items():
        pattern, = (entry[0] for entry in chip.tile_db(x, y) if entry[1:] == ["IpConfig", setting])
        found[name] = f"1'b{int(icebox.tileconfig(chip.tile(x, y)).match(pattern))}"
    return found
