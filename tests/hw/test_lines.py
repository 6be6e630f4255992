"""The line walker against the walk model: lines, their order, and the wait for their rows."""

import random

import numpy as np
import pytest
from bench_helpers import STALLS, keeps_protocol, plain, simulate, source
from sample_programs import PROGRAMS, program
from walk_model import assert_matches, walks

from hw.engine.lines import LineWalker

LATENCY, WAIT = 8, 2  # cycles from a frame to its first line; from the rows of a line to it


def run(p, frames, *, rows_late=False, stall="none", seed=0):
    """Rows come as early as the line buffer has room for them, or at random.

    Returns the lines, and the cycles of: each frame, the rows that each line needs, each line.
    """
    dut, rng = LineWalker(p), random.Random(seed)
    lines = [line for walk in frames for line in walk.lines]
    received, taken, emitted, reached = [], [], [], []

    async def watch(ctx):
        written = freed = cycle = 0
        # all rows of a frame that has not begun are still to come
        while len(emitted) < len(lines) or cycle < emitted[-1] + 20:
            begun = frames[len(taken) - 1]
            room = min(begun.begin + begun.height, freed + p.line_rows) if taken else 0
            while written < room and not (rows_late and rng.random() < 0.8):
                written += 1
                if rows_late:
                    break
            while len(reached) < len(lines) and (
                    line := lines[len(reached)]).walk.begin + line.rows_needed <= written:
                reached.append(cycle)
            ctx.set(dut.written, written % (1 << len(dut.written)))
            ready = stall not in ("output", "both") or rng.random() < 0.5
            ctx.set(dut.o.ready, ready)
            _, _, valid, line = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid and ready:
                received.append(plain(line))
                emitted.append(cycle)
                freed += line.release.rows
            cycle += 1
    simulate(dut, watch, background=(keeps_protocol(dut.o), source(
        dut.i, [walk.frame for walk in frames], stalled=stall in ("input", "both"), seed=seed,
        taken=taken)))
    assert_matches(received, [line.payload() for line in lines])
    return lines, taken, reached, emitted


def earliest(frames, lines, taken, reached):
    """The first cycle in which each line may be there: one each cycle."""
    found, walked, before = [], {walk: cycle + LATENCY for walk, cycle in zip(frames, taken)}, -1
    for line, rows in zip(lines, reached):
        walked[line.walk] += line.n > 0
        before = max(before + 1, walked[line.walk], rows + WAIT)
        found.append(before)
    return found


@pytest.mark.parametrize("rows_late", (False, True))
@pytest.mark.parametrize("name", PROGRAMS)
def test_lines(name, rows_late):
    """Each in the first cycle in which it may be there."""
    p = program(name)
    frames = walks(p, np.random.default_rng(len(name)), 5)
    lines, taken, reached, emitted = run(p, frames, rows_late=rows_late)
    assert emitted == earliest(frames, lines, taken, reached)


@pytest.mark.parametrize("stall", STALLS[1:])
@pytest.mark.parametrize("name", ("plain", "folded", "cropped", "extended", "skip pixels",
                                  "loadable"))
def test_stalls(name, stall):
    p = program(name)
    frames = walks(p, np.random.default_rng(4), 6)
    lines, taken, reached, emitted = run(p, frames, stall=stall, rows_late=True)
    assert all(a <= b for a, b in zip(earliest(frames, lines, taken, reached), emitted))
