"""Verilog and a harness in C++ as a shared library, and the lint of generated Verilog."""

import ctypes
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .toolchain import compile_cpp, digest, once, runtime, verilator, version

__all__ = ["library", "lint", "load"]

VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
            "--quiet-stats", "-Wno-fatal", "--prefix", "Vmodel")
COMMON = ("-O1", "-fPIC", "-fvisibility=hidden", "-pthread", "-w",
          "-DVL_TIME_CONTEXT", "-DVL_USER_FATAL", "-DVM_COVERAGE=0", "-DVM_SC=0",
          "-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0", "-DVM_TRACE_VCD=0")
COMPILE = ("-std=c++17", "-DVM_TIMING=0", *COMMON)
COMPILE_TIMED = ("-std=c++20", "-fcoroutines", "-DVM_TIMING=1", *COMMON)

# A generated file above this many bytes is compiled on its own, beside the others.
LARGE = 1 << 18


def lint(verilog: Path, waiver: Path | None = None) -> str:
    """The warnings of ``verilator --lint-only -Wall``, empty if there are none.

    ``waiver`` is a ``.vlt`` file. Raises ``RuntimeError`` if the Verilog is not accepted at all.
    """
    waivers = [] if waiver is None else [waiver]
    return verilator("--lint-only", "-Wall", "-Wno-fatal", "--quiet-stats", *waivers, verilog)


def library(verilog: Path, *, top: str, harness: Path, define: Callable[[dict[str, int]], dict],
            timed: bool = False, waves: bool, cache: Path) -> Path:
    """The shared library of one top module and a harness, built if ``cache`` lacks it.

    Processes may build the same library at once: each works in a folder of its own, and the
    finished file is moved into place.

    Parameters
    ----------
    verilog : the file; modules that it lacks lie beside it
    harness : C++ to be included after the generated classes
    define : gives the macros for the harness, from the width of each port of the top module
    timed : whether delays count
    waves : whether the macro HAS_WAVES is 1 and the class can write a VCD
    """
    sources = [file.read_bytes() for file in sorted(verilog.parent.glob("*.v"))]
    key = digest(version(), Path(__file__).read_bytes(), harness.read_bytes(), verilog.name, top,
                 timed, waves, *sources)
    cache.mkdir(parents=True, exist_ok=True)
    flags = COMPILE_TIMED if timed else COMPILE

    def build(target: Path):
        folder = target.with_name("generated")
        options = ["--timing" if timed else "--no-timing", *(["--trace-vcd"] if waves else [])]
        verilator(*VERILATE, *options, "--top-module", top, "--Mdir", folder, verilog)
        ports = {name: int(high) - int(low) + 1 for name, high, low in re.findall(
            r"VL_(?:IN|OUT)\w*\(&(\w+),(\d+),(\d+)", (folder / "Vmodel.h").read_text())}
        units = _units(folder, harness, define(ports) | {"HAS_WAVES": int(waves)})
        header, *others = runtime(
            cache, flags, '#include "verilated.h"\n',
            ("verilated", "verilated_threads", *(["verilated_timing"] if timed else []),
             *(["verilated_vcd_c"] if waves else [])))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(
                lambda unit: compile_cpp(flags, "-include", header, f"-I{folder}",
                                         "-c", unit, output=unit.with_suffix(".o")), units))
        compile_cpp(flags, "-shared", "-s", *objects, *others, output=target)

    return once(cache / f"{top}-{key}.so", build)


def load(path: Path, functions: dict[str, tuple]) -> ctypes.CDLL:
    """A library, with (type of the result, types of the arguments) of each of its functions.

    Those that every harness has are known: ``create``, ``destroy``, ``message`` and ``cycle``.
    """
    loaded = ctypes.CDLL(str(path), mode=os.RTLD_LOCAL | os.RTLD_NOW)
    pointer = ctypes.c_void_p
    common = {"create": (pointer, [ctypes.c_char_p]), "destroy": (None, [pointer]),
              "message": (ctypes.c_char_p, [pointer]), "cycle": (ctypes.c_int64, [pointer])}
    for name, (result, arguments) in (common | functions).items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _units(folder: Path, harness: Path, defines: dict) -> list[Path]:
    """The files to compile: one that includes nearly everything, and the large generated ones."""
    generated = sorted(folder.glob("*.cpp"))
    slow = [file for file in generated if "Slow" in file.stem]
    fast = [file for file in generated if file not in slow]
    large = [file for file in fast if file.stat().st_size > LARGE]
    lines = [f"#define {name} {value}" for name, value in defines.items()]
    lines += [f'#include "{file}"' for file in [*fast, harness] if file not in large]
    # The rest runs once, at the start, and is most of the text.
    lines += ['#pragma GCC optimize("O0")', *(f'#include "{file}"' for file in slow)]
    unit = folder / "unit.cc"
    unit.write_text("\n".join(lines) + "\n")
    return [unit, *large]
