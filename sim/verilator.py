"""A generated engine as a shared library that `sim.compiled` loads, and the lint of its Verilog."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .toolchain import compile_cpp, digest, once, runtime, verilator, version

__all__ = ["library", "lint"]

HARNESS = Path(__file__).with_name("harness.cpp")

VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--no-timing",
            "--quiet-stats", "-Wno-fatal", "--prefix", "Vmodel")
COMPILE = ("-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-pthread", "-w",
           "-DVL_TIME_CONTEXT", "-DVL_USER_FATAL", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0",
           "-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0", "-DVM_TRACE_VCD=0")

# A generated file above this many bytes is compiled on its own, beside the others.
LARGE = 1 << 18

PORT_WIDTHS = {
    "aclk": 1, "aresetn": 1, "s_axi_wdata": 32, "s_axi_wstrb": 4, "s_axi_bresp": 2,
    "s_axi_rdata": 32, "s_axi_rresp": 2, "s_axi_awaddr": None, "s_axi_araddr": None,
    **{f"s_axi_{channel}{end}": 1 for channel in ("aw", "w", "b", "ar", "r")
       for end in ("valid", "ready")},
    **{f"{stream}_axis_{name}": 1 for stream in "sm"
       for name in ("tvalid", "tready", "tlast", "tuser")},
}
WEIGHT_WIDTHS = {f"s_axis_weights_{name}": 1 for name in ("tvalid", "tready", "tlast")}


def lint(verilog: Path, waiver: Path | None = None) -> str:
    """The warnings of ``verilator --lint-only -Wall``, empty if there are none.

    ``waiver`` is a ``.vlt`` file. Raises ``RuntimeError`` if the Verilog is not accepted at all.
    """
    waivers = [] if waiver is None else [waiver]
    return verilator("--lint-only", "-Wall", "-Wno-fatal", "--quiet-stats", *waivers, verilog)


def library(verilog: Path, *, top: str, weights: bool, waves: bool, cache: Path) -> Path:
    """The shared library of one top module and the harness, built if ``cache`` lacks it.

    Processes may build the same library at once: each works in a folder of its own, and the
    finished file is moved into place.
    """
    source = verilog.read_bytes()
    key = digest(version(), Path(__file__).read_bytes(), HARNESS.read_bytes(), top, weights, waves,
               source)
    cache.mkdir(parents=True, exist_ok=True)

    def build(target: Path):
        folder = target.with_name("generated")
        trace = ["--trace-vcd"] if waves else []
        verilator(*VERILATE, *trace, "--top-module", top, "--Mdir", folder, verilog)
        ports = {name: int(high) - int(low) + 1 for name, high, low in re.findall(
            r"VL_(?:IN|OUT)\w*\(&(\w+),(\d+),(\d+)", (folder / "Vmodel.h").read_text())}
        defines = _defines(ports, top=top, weights=weights) | {"HAS_WAVES": int(waves)}
        units = _units(folder, defines)
        header, *others = runtime(
            cache, COMPILE, '#include "verilated.h"\n',
            ("verilated", "verilated_threads", *(["verilated_vcd_c"] if waves else [])))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(
                lambda unit: compile_cpp(COMPILE, "-include", header, f"-I{folder}", "-c", unit,
                                         output=unit.with_suffix(".o")), units))
        compile_cpp(COMPILE, "-shared", "-s", *objects, *others, output=target)

    return once(cache / f"{top}-{key}.so", build)


def _defines(ports: dict[str, int], *, top: str, weights: bool) -> dict[str, int]:
    if weights != any(name in ports for name in WEIGHT_WIDTHS):
        raise ValueError(f"weights must tell whether {top} has ports s_axis_weights_*, "
                         f"not {weights!r}")
    streams = ["s_axis", "m_axis", *(["s_axis_weights"] if weights else [])]
    expected = {**PORT_WIDTHS, **(WEIGHT_WIDTHS if weights else {}),
                **{f"{stream}_tdata": None for stream in streams}}
    for name, width in expected.items():
        if name not in ports:
            raise ValueError(f"{top} must have a port {name}")
        if width is not None and ports[name] != width:
            raise ValueError(f"{name} must be {width} bits wide, not {ports[name]}")
    for stream in streams:
        if ports[f"{stream}_tdata"] % 8:
            raise ValueError(f"{stream}_tdata must be a multiple of 8 bits wide, "
                             f"not {ports[f'{stream}_tdata']}")
    return {"INPUT_BYTES": ports["s_axis_tdata"] // 8, "OUTPUT_BYTES": ports["m_axis_tdata"] // 8,
            "WEIGHT_BYTES": ports["s_axis_weights_tdata"] // 8 if weights else 0,
            "ADDRESS_BITS": ports["s_axi_awaddr"], "HAS_WEIGHTS": int(weights)}


def _units(folder: Path, defines: dict[str, int]) -> list[Path]:
    """The files to compile: one that includes nearly everything, and the large generated ones."""
    generated = sorted(folder.glob("*.cpp"))
    slow = [file for file in generated if "Slow" in file.stem]
    fast = [file for file in generated if file not in slow]
    large = [file for file in fast if file.stat().st_size > LARGE]
    lines = [f"#define {name} {value}" for name, value in defines.items()]
    lines += [f'#include "{file}"' for file in [*fast, HARNESS] if file not in large]
    # The rest runs once, at the start, and is most of the text.
    lines += ['#pragma GCC optimize("O0")', *(f'#include "{file}"' for file in slow)]
    unit = folder / "unit.cc"
    unit.write_text("\n".join(lines) + "\n")
    return [unit, *large]
