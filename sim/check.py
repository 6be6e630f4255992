"""Checks an engine against golden: every value and every cycle number, at compiled speed."""

import numpy as np

from .compiled import CompiledModel
from .stalls import STALLS, input_gaps, output_pattern

__all__ = ["check"]


def check(design, *, stalls, seed, frames=2, density=1.0, cache=None):
    """Send random frames, then a smaller one, and compare with golden.

    Parameters
    ----------
    design : Design
    stalls : str
        One of `STALLS`.
    seed : int
    frames : int
        Frames of the largest size, back to back.
    density : float
        Share of the input codes that are not zero.
    cache : pathlib.Path, optional
        As in `CompiledModel`.

    Returns
    -------
    (values, cycle numbers) that were compared

    Raises
    ------
    AssertionError
        Naming the first difference.
    ValueError
        If `stalls` is none of `STALLS`.
    """
    if stalls not in STALLS:
        raise ValueError(f"stalls must be one of {', '.join(STALLS)}, not {stalls!r}")
    rng = np.random.default_rng(seed)
    largest, info = design.frame, design.manifest
    smaller = (int(rng.integers(largest.smallest_height, largest.height + 1)),
               int(rng.integers(largest.smallest_width, largest.width + 1)))
    registers = design.addresses
    values = cycles = 0
    with CompiledModel(design.verilog, top=info.name, weights=info.weights is not None,
                       cache=cache) as model:
        if info.weights is not None:
            model.load(design.weight_beats())
        for (height, width), count in (((largest.height, largest.width), frames), (smaller, 1)):
            model.write(registers["height"], height)
            model.write(registers["width"], width)
            model.idle(4)
            codes = [design.random_frame(rng, height, width, density) for _ in range(count)]
            compared = _check_frames(design, model, codes, rng, stalls)
            values, cycles = values + compared[0], cycles + compared[1]
        model.idle(200)
        assert not model.stalled, "output goes on after the last beat"
        status = model.read(registers["status"])
        assert status == 0b11, f"status is {status:#x}, not idle and configured without errors"
    return values, cycles


def _check_frames(design, model, codes, rng, stalls):
    height, width = codes[0].shape[1:]
    beats, first, last = design.stream_beats(codes)
    count = design.output_beat_count(height, width)
    gaps = np.array(input_gaps(rng, len(beats))) if stalls in ("in", "both") else None
    ready = (np.array(output_pattern(rng, design.manifest.figures.latency))
             if stalls in ("out", "both") else None)
    start = model.cycle
    result = model.stream(beats, first, last, gaps=gaps, ready=ready, expect=count * len(codes),
                          timeout=100_000)
    for number, frame in enumerate(codes):
        part = slice(number * count, (number + 1) * count)
        got = design.output_codes(result.data[part], height, width)
        wrong = np.argwhere(got != design.expected_codes(frame))
        assert not len(wrong), (f"{len(wrong)} values of frame {number} differ, the first at "
                                f"channel, row, column {wrong[0].tolist()}")
        assert np.flatnonzero(result.first[part]).tolist() == [0], "tuser is misplaced"
        lines = np.flatnonzero(result.last[part]) + 1
        per_line = count // design.output_size(height, width)[0]
        assert np.array_equal(lines, np.arange(per_line, count + 1, per_line)), \
            "tlast is misplaced"
    timing = design.expected_timing(codes, gaps=gaps, ready=ready, start=start)
    for name in ("accepted", "emitted"):
        cycles, wanted = getattr(result, name), getattr(timing, name)
        wrong = np.flatnonzero(cycles != wanted)
        assert not len(wrong), (f"beat {wrong[0]} is {name} at cycle {cycles[wrong[0]]}, golden "
                                f"says {wanted[wrong[0]]}; {len(wrong)} of {len(wanted)} differ")
    return got.size * len(codes), len(result.accepted) + len(result.emitted)
