"""A generated engine at compiled speed: whole frames in one call, and every handshake's cycle."""

import ctypes
import os
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from pathlib import Path

import numpy as np

from .toolchain import cache_folder
from .verilator import library, load

__all__ = ["CompiledModel", "Result"]

MORE, DONE, TIMED_OUT = range(3)

# A chunk is as many cycles as take about this long, so that Ctrl-C and progress are prompt.
CHUNK_SECONDS = 0.2

HARNESS = Path(__file__).with_name("harness.cpp")
PORT_WIDTHS = {
    "aclk": 1, "aresetn": 1, "s_axi_wdata": 32, "s_axi_wstrb": 4, "s_axi_bresp": 2,
    "s_axi_rdata": 32, "s_axi_rresp": 2, "s_axi_awaddr": None, "s_axi_araddr": None,
    **{f"s_axi_{channel}{end}": 1 for channel in ("aw", "w", "b", "ar", "r")
       for end in ("valid", "ready")},
    **{f"{stream}_axis_{name}": 1 for stream in "sm"
       for name in ("tvalid", "tready", "tlast", "tuser")},
}
WEIGHT_WIDTHS = {f"s_axis_weights_{name}": 1 for name in ("tvalid", "tready", "tlast")}


class _Source(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("data", "first", "last", "gaps", "accepted")]
    _fields_ += [(name, ctypes.c_int64) for name in ("count", "sent", "wait", "offered")]


class _Sink(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("data", "first", "last", "ready", "emitted")]
    _fields_ += [(name, ctypes.c_int64) for name in ("count", "received", "period", "phase")]


class _Job(ctypes.Structure):
    _fields_ = [("pixels", _Source), ("weights", _Source), ("sink", _Sink),
                ("timeout", ctypes.c_int64), ("silence", ctypes.c_int64)]


_POINTER, _WORD = ctypes.c_void_p, ctypes.c_uint32
FUNCTIONS = {
    "stalled": (ctypes.c_int, [_POINTER]),
    "reset": (ctypes.c_int, [_POINTER, ctypes.c_int64]),
    "idle": (ctypes.c_int, [_POINTER, ctypes.c_int64]),
    "stream": (ctypes.c_int, [_POINTER, ctypes.POINTER(_Job), ctypes.c_int64]),
    "write_register": (ctypes.c_int, [_POINTER, _WORD, _WORD, _WORD]),
    "read_register": (ctypes.c_int, [_POINTER, _WORD, ctypes.POINTER(_WORD)]),
}


@dataclass(frozen=True)
class Result:
    """What one stream call moved, and the cycle of every handshake.

    Members
    -------
    data, first, last : the output beats: uint8 (m, bytes), and bool (m,) for tuser and tlast
    accepted, emitted : int64, the cycle at which each input and each output beat was taken
    loaded : int64, the cycle at which each weight beat was taken
    cycles : the number of the next cycle
    """

    data: np.ndarray
    first: np.ndarray
    last: np.ndarray
    accepted: np.ndarray
    emitted: np.ndarray
    loaded: np.ndarray
    cycles: int


class CompiledModel:
    """An exported engine, compiled by Verilator and clocked in C++.

    Cycle ``n`` is the ``n``-th rising edge of ``aclk`` since ``aresetn`` went high, from 0. A
    transfer is at cycle ``n`` if valid and ready are both high at that edge. Inputs change right
    after an edge. While ``tvalid`` is low, ``tdata``, ``tlast`` and ``tuser`` are driven with
    garbage. Between calls every input is idle and ``m_axis_tready`` is low.

    Every method that clocks the engine raises ``RuntimeError`` if ``m_axis_tvalid`` falls or its
    payload changes while stalled. After an exception, ``reset``.

    Parameters
    ----------
    verilog : the file
    top : name of its top module
    weights : whether the top has ports ``s_axis_weights_*``
    cache : folder of compiled models; by default ``$POLYPHASE_CACHE``, else ``~/.cache/polyphase``
    waves : file for a VCD of everything (which needs no further library, unlike FST), or None

    Members
    -------
    input_bytes, output_bytes, weight_bytes : bytes of one beat (``weight_bytes`` 0 if none)
    cycle : number of the next cycle
    stalled : whether an output beat was on offer, not taken, at the last edge
    """

    def __init__(self, verilog: Path, *, top: str, weights: bool, cache: Path | None = None,
                 waves: Path | None = None):
        path = library(Path(verilog), top=top, harness=HARNESS,
                       define=lambda ports: _macros(ports, top),
                       waves=waves is not None, cache=cache_folder(cache))
        self._library = load(path, FUNCTIONS)
        widths = (ctypes.c_int32 * 4).in_dll(self._library, "widths")
        self.input_bytes, self.output_bytes, self.weight_bytes, self._address_bits = widths
        if weights != bool(self.weight_bytes):
            raise ValueError(f"weights must tell whether {top} has ports s_axis_weights_*, "
                             f"not {weights!r}")
        self._simulation = self._library.create(os.fsencode(waves or ""))
        # Also at the end of the process, or the waves would lack their end.
        self._close = weakref.finalize(self, self._library.destroy, self._simulation)
        if complaint := self._message():
            self.close()
            raise RuntimeError(complaint)
        self.reset()

    @property
    def cycle(self) -> int:
        """Number of the next cycle."""
        return self._library.cycle(self._open())

    @property
    def stalled(self) -> bool:
        """Whether an output beat was on offer, and not taken, at the last edge."""
        return bool(self._library.stalled(self._open()))

    def close(self):
        """Ends the simulation and its waves."""
        self._close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def reset(self, cycles: int = 4):
        """Holds ``aresetn`` low for ``cycles`` edges; the next one is cycle 0."""
        if cycles < 1:
            raise ValueError(f"cycles must be at least 1, not {cycles!r}")
        self._call("reset", index(cycles))

    def idle(self, cycles: int):
        """Clocks with nothing offered and ``m_axis_tready`` low."""
        if cycles < 0:
            raise ValueError(f"cycles must not be negative, not {cycles!r}")
        self._call("idle", index(cycles))

    def write(self, address: int, data: int, *, strobe: int = 0b1111):
        """Writes a register; ``RuntimeError`` on an error response or none in 1000 cycles."""
        self._check_address(address)
        if not 0 <= data < 1 << 32:
            raise ValueError(f"data must fit 32 bits unsigned, not {data!r}")
        if not 0 <= strobe < 1 << 4:
            raise ValueError(f"strobe must fit 4 bits, not {strobe!r}")
        self._call("write_register", index(address), index(data), index(strobe))

    def read(self, address: int) -> int:
        """Reads a register; ``RuntimeError`` on an error response or none in 1000 cycles."""
        self._check_address(address)
        data = ctypes.c_uint32()
        self._call("read_register", index(address), ctypes.byref(data))
        return data.value

    def load(self, beats: np.ndarray, *, timeout: int = 1_000_000) -> np.ndarray:
        """Sends weights, with tlast on the last beat, and returns the cycle of each beat.

        One cycle more passes, which the first load of all takes to matter.
        """
        loaded = self.stream(expect=0, weights=beats, timeout=timeout).loaded
        self.idle(1)
        return loaded

    def stream(self, beats: np.ndarray | None = None, first: np.ndarray | None = None,
               last: np.ndarray | None = None, *, expect: int, gaps: np.ndarray | None = None,
               ready: np.ndarray | None = None, weights: np.ndarray | None = None,
               weights_at: int = 0, timeout: int = 1_000_000,
               progress: Callable[[int, int], object] | None = None) -> Result:
        """Sends every beat and takes exactly ``expect`` output beats; no beats: only takes.

        Once ``expect`` beats are taken ``m_axis_tready`` stays low, so that what follows them
        stays in the engine for a later call. Raises ``TimeoutError`` after ``timeout`` cycles
        without any handshake.

        Parameters
        ----------
        beats : uint8 (n, ``input_bytes``)
        first, last : bool (n,), tuser and tlast of each beat; None is all low
        gaps : int (n,), cycles with tvalid low, after the beat before was taken (or after the
            start), before this one is offered; None is all 0
        ready : bool (k,), m_axis_tready in the call's cycle ``c`` is ``ready[c % k]``; None is high
        weights : uint8 (w, ``weight_bytes``), sent at the same time, from the call's cycle
            ``weights_at`` on, with tlast on the last
        progress : called with the numbers of beats taken in and out, a few times a second
        """
        if expect < 0:
            raise ValueError(f"expect must not be negative, not {expect!r}")
        if timeout < 1:
            raise ValueError(f"timeout must be at least 1, not {timeout!r}")
        if weights_at < 0:
            raise ValueError(f"weights_at must not be negative, not {weights_at!r}")
        if weights is not None and not self.weight_bytes:
            raise ValueError("weights must be None for an engine without a weight stream")
        beats = _beats("beats", beats, self.input_bytes)
        words = _beats("weights", weights, self.weight_bytes)
        gaps = np.zeros(len(beats), np.int64) if gaps is None else _vector("gaps", gaps, len(beats))
        if len(gaps) and gaps.min() < 0:
            raise ValueError(f"gaps must not be negative, not {gaps.min()}")
        ready = np.ones(1, bool) if ready is None else np.ascontiguousarray(ready, bool)
        if ready.ndim != 1 or not ready.any():
            raise ValueError("ready must be a pattern of one dimension with at least one True")
        end = np.arange(len(words)) == len(words) - 1
        accepted, loaded = np.empty(len(beats), np.int64), np.empty(len(words), np.int64)
        emitted, data = np.empty(expect, np.int64), np.empty((expect, self.output_bytes), np.uint8)
        flags = np.empty((2, expect), bool)
        first, last = (np.zeros(len(beats), bool) if flag is None else
                       _vector(name, flag, len(beats), bool)
                       for name, flag in (("first", first), ("last", last)))
        job = _Job(
            _Source(*_pointers(beats, first, last, gaps, accepted), len(beats), 0,
                    gaps[0] if len(gaps) else 0, 0),
            _Source(*_pointers(words, end, end), None, *_pointers(loaded), len(words), 0,
                    weights_at, 0),
            _Sink(*_pointers(data, *flags, ready, emitted), expect, 0, len(ready), 0),
            timeout, 0)
        self._run(job, progress)
        return Result(data, *flags, accepted, emitted, loaded, self.cycle)

    def _run(self, job: _Job, progress: Callable[[int, int], object] | None):
        chunk, status = 1 << 12, MORE
        while status == MORE:
            start = time.perf_counter()
            status = self._call("stream", ctypes.byref(job), chunk)
            elapsed = time.perf_counter() - start
            if progress is not None:
                progress(job.pixels.sent, job.sink.received)
            chunk = chunk * 2 if elapsed < CHUNK_SECONDS / 2 else max(chunk // 2, 1)
        if status == TIMED_OUT:
            raise TimeoutError(
                f"no handshake for {job.timeout} cycles, up to cycle {self.cycle}: "
                f"{job.pixels.sent} of {job.pixels.count} beats in, "
                f"{job.weights.sent} of {job.weights.count} weight beats in, "
                f"{job.sink.received} of {job.sink.count} beats out")

    def _open(self) -> int:
        if not self._close.alive:
            raise RuntimeError("the model is closed")
        return self._simulation

    def _message(self) -> str:
        return self._library.message(self._open()).decode()

    def _call(self, function: str, *arguments) -> int:
        status = getattr(self._library, function)(self._open(), *arguments)
        if status < 0:
            raise RuntimeError(self._message())
        return status

    def _check_address(self, address: int):
        if not 0 <= address < 1 << self._address_bits:
            raise ValueError(f"address must fit {self._address_bits} bits, not {address!r}")


def _macros(ports: dict[str, int], top: str) -> dict[str, int]:
    """Macros for the harness; `ValueError` if the ports are not those of an engine."""
    weights = any(name in ports for name in WEIGHT_WIDTHS)
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


def _pointers(*arrays: np.ndarray) -> list[int]:
    return [array.ctypes.data for array in arrays]


def _beats(name: str, beats: np.ndarray | None, size: int) -> np.ndarray:
    beats = np.empty((0, size), np.uint8) if beats is None else np.ascontiguousarray(beats)
    if beats.dtype != np.uint8 or beats.ndim != 2 or beats.shape[1] != size:
        raise ValueError(f"{name} must be a uint8 array of shape (n, {size}), "
                         f"not {beats.dtype} {beats.shape}")
    return beats


def _vector(name: str, values: np.ndarray, count: int, dtype: type = np.int64) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one value per beat, "
                         f"not {values.shape}")
    if count and values.dtype.kind not in "biu":
        raise ValueError(f"{name} must be integers, not {values.dtype}")
    return np.ascontiguousarray(values, dtype)
