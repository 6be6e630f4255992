"""Builds a generated engine for cocotb, with Verilator or Icarus Verilog, and runs a test module.

The build that cocotb has for Verilator takes a minute for each engine: Verilator's makefile
compiles its runtime anew, and every signal is public. Here the runtime is compiled once per
machine and only ports are public, which takes a few seconds. What is built is kept, by its content.
"""

import contextlib
import importlib.metadata
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

from cocotb_tools import config
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from . import toolchain

__all__ = ["SIMULATORS", "build", "simulate"]

SIMULATORS = {"verilator": ".vcd", "icarus": ".fst"}    # and the waves that each writes

VERILATE = ("--cc", "--vpi", "-O3", "--x-assign", "unique", "--x-initial", "unique", "--noassert",
            "--no-timing", "--quiet-stats", "-Wno-fatal", "--timescale", "1ns/1ns",
            "--prefix", "Vtop")
COMPILE = ("-std=c++17", "-O0", "-pthread", "-w", "-DVM_COVERAGE=0", "-DVM_SC=0",
           "-DVM_TIMING=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0")
RUNTIME = ("verilated", "verilated_threads", "verilated_vpi", "verilated_vcd_c")
HEADER = "".join(f'#include "{name}.h"\n' for name in (*RUNTIME, "verilated_syms"))
PUBLIC = """`verilator_config
public_flat_rw -module "{top}" -var "a*"
public_flat_rw -module "{top}" -var "*_ax*"
"""
DUMP = """module dump;
    reg [8 * 4096 - 1:0] path;
    initial if ($value$plusargs("waves=%s", path)) begin
        $dumpfile(path);
        $dumpvars(0, {top});
    end
endmodule
"""


def build(simulator, source, top, *, waves=False, cache=None):
    """The folder with the simulation of a Verilog file, built if `cache` lacks it.

    Raises
    ------
    RuntimeError
        If the simulator or one of its tools is missing, or does not accept the Verilog.
    """
    make, version, name = {"verilator": (_verilate, _verilator_version, top),
                           "icarus": (_build_icarus, _icarus_version, "sim.vvp")}[simulator]
    key = toolchain.digest(version(), Path(__file__).read_bytes(), top, waves,
                           source.read_bytes())
    cache = toolchain.cache_folder(cache)
    target = cache / f"{simulator}-{top}-{key}" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    toolchain.once(target, lambda path: make(path, source, top, waves, cache))
    return target.parent


def simulate(simulator, folder, top, *, module, environment, directory, waves=None):
    """Run the cocotb tests of a module; returns None, or (type, message) of the first failure.

    Parameters
    ----------
    folder : Path
        From `build`, with waves if `waves` is a file.
    environment : dict
        Variables for the test module.
    directory : Path
        Working folder, also for the log.

    Raises
    ------
    RuntimeError
        If the simulator breaks off.
    """
    log, results = directory / "simulation.log", directory / "results.xml"
    options = {"verilator": {"test_args": ["--trace-file", str(waves)]},
               "icarus": {"plusargs": [f"+waves={waves}"]}}[simulator] if waves else {}
    runner = get_runner(simulator)
    runner.log.disabled = True
    try:
        # under pytest, the runner ends the process if a test fails
        with contextlib.suppress(SystemExit):
            runner.test(
                test_module=module, hdl_toplevel=top, hdl_toplevel_lang="verilog",
                build_dir=folder, test_dir=directory, waves=waves is not None, log_file=log,
                # rewriting assertions would compile every module anew, and treble the start-up
                extra_env={"COCOTB_REWRITE_ASSERTION_FILES": "", **environment},
                results_xml=str(results), **options)
        get_results(results)
    except RuntimeError as error:
        last = [line.strip() for line in log.read_text().splitlines() if line.strip()][-1:]
        raise RuntimeError(f"{simulator} broke off: {''.join(last) or error}") from error
    failure = ElementTree.parse(results).find(".//failure")
    return None if failure is None else (failure.get("type"), failure.get("message"))


def _verilator_version():
    return toolchain.version(), importlib.metadata.version("cocotb"), config.libs_dir


def _verilate(target, source, top, waves, cache):
    """The executable of one engine."""
    folder = target.with_name("generated")
    public = target.with_name("public.vlt")
    public.write_text(PUBLIC.format(top=top))
    trace = ["--trace-vcd"] if waves else []
    toolchain.verilator(*VERILATE, *trace, "--top-module", top, "--Mdir", folder, public, source)
    unit = target.with_name("unit.cc")
    files = [*sorted(folder.glob("*.cpp")), config.share_dir / "lib/verilator/verilator.cpp"]
    unit.write_text(f"#define VM_TRACE {int(waves)}\n"
                    + "".join(f'#include "{file}"\n' for file in files))
    header, *others = toolchain.runtime(cache, COMPILE, HEADER, RUNTIME if waves else RUNTIME[:-1])
    compiled = toolchain.compile_cpp(COMPILE, "-include", header, f"-I{folder}", "-c", unit,
                                     output=unit.with_suffix(".o"))
    toolchain.compile_cpp(COMPILE, "-s", compiled, *others, f"-L{config.libs_dir}",
                          f"-Wl,-rpath,{config.libs_dir}", "-lcocotbvpi_verilator", output=target)


def _icarus_version():
    if shutil.which("iverilog") is None:
        raise RuntimeError("iverilog is not on the PATH: install Icarus Verilog with the system's "
                           "package manager (Debian: apt install iverilog)")
    return toolchain.run(["iverilog", "-V"], os.environ, "iverilog does not run").splitlines()[0]


def _build_icarus(target, source, top, waves, cache):
    """The program of one engine; the waves' own module is plain Verilog too, unlike cocotb's."""
    log, dump = target.with_name("build.log"), target.with_name("dump.v")
    dump.write_text(DUMP.format(top=top))
    runner = get_runner("icarus")
    runner.log.disabled = True
    try:
        runner.build(sources=[source, *([dump] if waves else [])], hdl_toplevel=top,
                     build_dir=target.parent, timescale=("1ns", "1ns"), log_file=log,
                     build_args=["-y", str(source.parent), *(["-s", "dump"] if waves else [])])
    except RuntimeError as error:
        raise RuntimeError(f"Icarus Verilog rejects {source}: {log.read_text().splitlines()[0]}"
                           ) from error
