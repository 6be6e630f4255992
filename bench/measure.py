"""Streams frames through the compiled Verilog of a design and counts its cycles."""

from dataclasses import dataclass

import numpy as np

from golden.timing import simulate
from hw.export import describe
from sim.compiled import CompiledModel
from sim.design import engine_parameters

__all__ = ["Measurement", "frame_count", "measure", "predict"]

LONG = 3_000_000  # cycles of a frame of which two, not three, are streamed


@dataclass(frozen=True)
class Measurement:
    """Cycles of a stream of frames.

    Attributes
    ----------
    cycles : int
        From one frame to the next, frames back to back: the mean of all but the first, rounded up.
    frame_cycles : int
        Of one frame alone, first input beat accepted to last output beat emitted, both included.
    """

    cycles: int
    frame_cycles: int

    @classmethod
    def of(cls, timing, frames, *, alike):
        """From the cycles of all handshakes; `alike`: every frame must take as long."""
        ends = timing.emitted.reshape(frames, -1)[:, -1]
        steps = np.diff(ends)
        if alike and (steps != steps[0]).any():
            raise RuntimeError(f"frames must take the same number of cycles, not {steps.tolist()}")
        return cls(-int(-steps.sum() // len(steps)), int(ends[0] - timing.accepted[0]) + 1)


def frame_count(cycles):
    """Frames to stream for a layer of so many cycles a frame."""
    return 2 if cycles > LONG else 3


def measure(design, frames, *, expected=None, progress=None):
    """Stream the frames back to back and count.

    Parameters
    ----------
    design : sim.design.Design
    frames : list of numpy.ndarray
        Input codes.
    expected : list of numpy.ndarray
        Output codes of the first frames; by default what golden says of the first frame.
    progress : callable, optional
        As in `CompiledModel.stream`, and before that called with (0, output beats).

    Returns
    -------
    Measurement

    Raises
    ------
    RuntimeError
        If an output differs from `expected`, or a cycle from what `golden.timing` predicts.
    """
    if expected is None:
        expected = [design.expected_codes(frames[0])]
    loadable = design.manifest.weights is not None
    height, width = frames[0].shape[1:]
    beats, first, last = design.stream_beats(frames)
    count = design.output_beat_count(height, width)
    total = count * len(frames)
    if progress is not None:
        progress(0, total)
    with CompiledModel(design.verilog, top=design.manifest.name, weights=loadable) as model:
        if loadable:
            model.load(design.weight_beats())
        start = model.cycle
        result = model.stream(beats, first, last, expect=total, progress=progress and (
            lambda sent, received: progress(received, total)))
    for n, codes in enumerate(expected):
        got = design.output_codes(result.data[n * count:(n + 1) * count], height, width)
        if not np.array_equal(got, codes):
            raise RuntimeError(f"{design.manifest.name} frame {n}: "
                               f"{np.count_nonzero(got != codes)} of {codes.size} codes differ")
    timing = design.expected_timing(frames, start=start)
    for name in ("accepted", "emitted"):
        differ = np.flatnonzero(getattr(timing, name) != getattr(result, name))
        if differ.size:
            raise RuntimeError(f"{design.manifest.name}: {name} beat {differ[0]} and "
                               f"{differ.size - 1} more are not at the predicted cycle")
    alike = not design.manifest.engines[0].skip_zeros
    return Measurement.of(result, len(frames), alike=alike)


def predict(program, options, frames=4):
    """The `Measurement` of the engine of a program as `golden.timing` predicts it."""
    manifest = describe(program, options)
    engine = engine_parameters(manifest.engines[0])
    timing = simulate(manifest.layer, engine, [(options.height, options.width)] * frames)
    return Measurement.of(timing, frames, alike=True)
