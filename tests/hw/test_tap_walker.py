"""The tap walker against nested loops over the taps of each group."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from bench_helpers import STALLS, through
from sample_programs import PROGRAMS, program
from walk_model import assert_matches, last_of, walks

from hw.engine.layouts import Layouts
from hw.engine.tap_walker import TapWalker


class Visits(wiring.Component):
    """A tap walker whose visits are a stream."""

    def __init__(self, program):
        self._program, layouts = program, Layouts(program)
        super().__init__({"i": In(stream.Signature(layouts.group)),
                          "o": Out(stream.Signature(layouts.visit))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.walker = walker = TapWalker(self._program)
        connect(m, flipped(self.i), walker.i)
        m.d.comb += [self.o.payload.eq(walker.o), self.o.valid.eq(walker.o_valid),
                     walker.go.eq(walker.o_valid & self.o.ready)]
        return m


def random_groups(p, rng, count):
    """Groups with any number of taps up to the most, and anything else at random."""
    layouts, groups = Layouts(p), []
    for _ in range(count):
        group = {name: rng.getrandbits(field.width) for name, field in layouts.group}
        group["tag"] = {name: rng.getrandbits(field.width) for name, field in layouts.tag}
        group["release"] = {name: rng.getrandbits(field.width) for name, field in layouts.release}
        group["row_taps"] = rng.randint(0, max(map(len, p.bank.rows)))
        group["column_taps"] = rng.randint(0, max(map(len, p.bank.columns)))
        group["empty"] = int(not group["row_taps"] or not group["column_taps"])
        group["last"] = last_of(p, group["row_taps"], group["column_taps"])
        groups.append(group)
    return groups


def visits_of(p, group):
    """The visits of a group, fields modulo what they can hold."""
    words = p.flag_words if p.looks_ahead else p.layout.block_inputs
    same = {name: group[name] for name in (
        "tag", "slot", "left", "right", "empty", "position", "weight", "next_row", "flag_position",
        "flag", "next_flag_row") if name in group}
    found = [{**same, "row_tap": group["row_tap"] + y, "column_tap": group["column_tap"] + x,
              "new_tap": int(word == 0), "new_row": int(word == x == 0),
              **({"short": int(word == words - 1)} if p.looks_ahead else {})}
             for y in range(group["row_taps"]) for x in range(group["column_taps"])
             for word in range(words)]
    found = found or [dict(same)]
    for n, visit in enumerate(found):
        visit |= {"first": int(n == 0), "last": 0, "release": {"rows": 0, "frame": 0}}
        if not p.looks_ahead:
            visit["needs_credit"] = visit["first"] & group["tag"]["beat"]
    found[-1]["last"] = 1
    if group["end_of_line"]:
        found[-1]["release"] = group["release"]
    widths = {name: field.width for name, field in Layouts(p).visit}
    return [{name: value % (1 << widths[name]) if isinstance(value, int) else value
             for name, value in visit.items()} for visit in found]


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("name", ("folded", "two pixels", "pruned", "skip", "loadable", "gaps"))
def test_visits(name, stall):
    p = program(name)
    groups = random_groups(p, random.Random(name), 25)
    expected = [visit for group in groups for visit in visits_of(p, group)]
    received, taken, emitted = through(Visits(p), groups, len(expected), stall=stall)
    assert_matches(received, expected)
    if stall == "none":
        assert taken[0] == 0 and emitted == list(range(1, len(expected) + 1)), "no gap anywhere"


@pytest.mark.parametrize("name", PROGRAMS)
def test_visits_of_a_frame(name):
    """With the groups that the group walker gives."""
    p = program(name)
    walk = walks(p, np.random.default_rng(1), 2)[-1]
    expected = walk.visits()
    received, _, _ = through(Visits(p), [group.payload() for group in walk.groups], len(expected))
    assert_matches(received, expected)
