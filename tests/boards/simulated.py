"""Runs a testbench in Verilog on the models of the boards' cells."""

import subprocess
from pathlib import Path

import boards
from sim.toolchain import compile_cpp, runtime, verilator

__all__ = ["MODELS", "in_icarus", "in_verilator"]

MODELS = Path(boards.__file__).with_name("models")
COMPILE = ("-std=c++20", "-fcoroutines", "-O1", "-pthread", "-w", "-DVM_COVERAGE=0", "-DVM_SC=0",
           "-DVM_TIMING=1", "-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0",
           "-DVM_TRACE_VCD=0")


def in_icarus(folder, files, cache):
    """What the module `bench` prints; `CalledProcessError` where it stops with an error."""
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-y", MODELS, "-o", folder / "bench.vvp",
                    *files], check=True, capture_output=True, text=True)
    return _run(["vvp", folder / "bench.vvp"])


def in_verilator(folder, files, cache):
    """Likewise."""
    verilator("--cc", "--exe", "--main", "--timing", "--no-sched-zero-delay", "-O3",
              "--quiet-stats", "-Wno-fatal", "--timescale", "1ps/1ps", "--prefix", "Vbench",
              "--top-module", "bench", "--Mdir", folder / "generated", "-y", MODELS, *files)
    header, *objects = runtime(cache, COMPILE, '#include "verilated.h"\n',
                               ("verilated", "verilated_threads", "verilated_timing"))
    unit = folder / "unit.cc"
    unit.write_text("".join(f'#include "{file}"\n'
                            for file in sorted((folder / "generated").glob("*.cpp"))))
    program = compile_cpp(COMPILE, "-include", header, f"-I{folder / 'generated'}", unit, *objects,
                          output=folder / "bench")
    return _run([program])


def _run(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
