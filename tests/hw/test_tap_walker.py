"""The tap walker against nested loops over the taps of each group."""

import random

import numpy as np
import pytest
from bench_helpers import STALLS, through
from sample_programs import PROGRAMS, program
from walk_model import assert_matches, walks

from hw.engine.layouts import Layouts
from hw.engine.tap_walker import TapWalker


def random_groups(p, rng, count):
    """Groups with any number of taps up to the most, and anything else at random."""
    groups = []
    for _ in range(count):
        group = {name: rng.getrandbits(field.width) for name, field in Layouts(p).group}
        group["tag"] = {name: rng.getrandbits(field.width) for name, field in Layouts(p).tag}
        group["release"] = {"rows": rng.randint(0, p.height), "frame": rng.getrandbits(1)}
        group["row_taps"] = rng.randint(0, max(map(len, p.bank.rows)))
        group["column_taps"] = rng.randint(0, max(map(len, p.bank.columns)))
        group["position"] = rng.randrange(p.row_words)
        groups.append(group)
    return groups


def runs_of(p, group):
    """The runs of a group, fields modulo what they can hold."""
    widths = {name: field.width for name, field in Layouts(p).run}

    def run(**values):
        return {name: value % (1 << widths[name]) if isinstance(value, int) else value
                for name, value in values.items()}

    words = p.flag_words if p.looks_ahead else 1
    size = p.flag_bits if p.looks_ahead else p.layout.block_inputs
    same = {name: group[name] for name in ("tag", "slot", "left", "right") if name in group}
    found = [run(**same, row_tap=group["row_tap"] + y, column_tap=group["column_tap"] + x,
                 position=group["position"] + word * size,
                 flag_position=group["flag_position"] + word,
                 weight=(group["weight"] + y * group["weight_row"] + x * p.layout.block_inputs
                         + word * size),
                 flag=group["flag"] + y * group["flag_row"] + x * p.flag_words + word,
                 length=min(size, p.layout.block_inputs - word * size), need=0, last=0,
                 release={"rows": 0, "frame": 0})
             for y in range(group["row_taps"]) for x in range(group["column_taps"])
             for word in range(words)]
    if not p.looks_ahead:
        for one in found:
            del one["flag"], one["flag_position"]
    found = found or [{"tag": group["tag"], "length": 0}]
    found[0]["need"] = group["need"]
    found[-1] |= {"last": 1, "release": group["release"]}
    return found


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("name", ("folded", "two pixels", "pruned", "skip", "loadable", "gaps"))
def test_runs(name, stall):
    p = program(name)
    groups = random_groups(p, random.Random(name), 25)
    expected = [run for group in groups for run in runs_of(p, group)]
    received, taken, emitted = through(TapWalker(p), groups, len(expected), stall=stall)
    assert_matches(received, expected)
    if stall == "none":
        assert taken[0] == 0 and emitted == list(range(1, len(expected) + 1)), "no gap anywhere"


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_of_a_frame(name):
    """With the groups that the raster walk gives: lengths, weights and flags are in the program."""
    p = program(name)
    walk = walks(p, np.random.default_rng(1), 2)[-1]
    groups = [{name: value for name, value in group.payload().items() if value is not None}
              for group in walk.groups]
    expected = [{name: visit[name] for name in ("weight", "flag", "length", "last", "tag", "need",
                                                "release") if name in visit}
                for visit in walk.visits()]
    if not p.looks_ahead:
        for visit in expected:
            visit.pop("flag", None)
    received, _, _ = through(TapWalker(p), groups, len(expected))
    assert_matches(received, expected)
