"""When a source has nothing to offer and a sink takes nothing: random patterns of several kinds."""

import numpy as np

__all__ = ["FREEZE", "STALLS", "input_gaps", "output_pattern"]

STALLS = ("none", "in", "out", "both")
FREEZE = 64     # cycles; a long stall is at least this long


def input_gaps(rng, count):
    """Gaps in front of each of `count` beats: stretches without any, short ones, and long ones."""
    stretch = np.repeat(rng.random(count // 8 + 1) < 0.5, 8)[:count]
    gaps = rng.integers(1, 4, count) * stretch * (rng.random(count) < 0.5)
    for place in rng.integers(0, count, 1 + count // 400):
        gaps[place] = rng.integers(FREEZE, 3 * FREEZE)
    return gaps.tolist()


def output_pattern(rng, latency):
    """Readiness of a sink in each cycle, to be repeated.

    It is frozen until at least `FREEZE` cycles after the first beat, `latency` cycles from the
    start, is offered; then it is open, short of breath, and frozen in turns.
    """
    parts = [np.zeros(latency + int(rng.integers(FREEZE, 6 * FREEZE)), bool)]
    for likely in rng.permutation([0.1, 0.3, 0.5, 0.7, 0.9]):
        parts += [np.ones(rng.integers(0, 2 * FREEZE), bool),
                  rng.random(rng.integers(FREEZE, 4 * FREEZE)) < likely,
                  np.zeros(rng.integers(FREEZE, 2 * FREEZE), bool)]
    return np.concatenate([*parts, np.ones(FREEZE, bool)]).tolist()
