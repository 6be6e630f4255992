"""Line buffer addresses by the definition of the line buffer, and the wait for rows."""

import random

import numpy as np
import pytest
from bench_helpers import STALLS, keeps_protocol, simulate, sink, source, through
from sample_programs import PROGRAMS, program
from walk_model import assert_matches, walks

from hw.engine.address_stage import AddressStage


def runs_and_visits(p, frames):
    """The runs of frames with their visits; a row of taps, a word and an edge at a time."""
    runs, visits = [], []
    px, (low, high) = p.folding.px, p.reach[1]
    size = p.flag_bits if p.looks_ahead else p.layout.block_inputs
    for walk in frames:
        for group in walk.groups:
            payload = group.payload()
            start = (sum(map(len, p.bank.rows[:group.p])), sum(map(len, p.bank.columns[:group.q])))
            taps = [(y, x) for y in group.rows for x in group.columns] or [(0, 0)]
            words = p.flag_words if p.looks_ahead else 1
            for n, visit in enumerate(group.visits()):
                y, x = taps[n // words]
                run = {name: visit[name] for name in ("tag", "need", "release", "weight", "flag",
                                                      "length", "last") if name in visit}
                run |= {"slot": payload["slot"], "row_tap": start[0] + y,
                        "column_tap": start[1] + x,
                        "position": payload["position"] + n % words * size}
                if px > 1:
                    run |= {"left": min(group.j + px - 1, 2 * px - min(low, 0) - 1),
                            "right": min(max(walk.width - 1 - group.j, low), high + px) - low}
                if p.looks_ahead:
                    block = group.j // px * p.layout.blocks + group.b
                    run["flag_position"] = block * p.flag_words + n % words
                runs.append(run)
                visits.append(visit)
    return runs, visits


def small_frames(p, seed, count):
    rng = np.random.default_rng(seed)
    frames = walks(p, rng, 6)
    return sorted(frames, key=lambda walk: len(walk.visits()))[:count]


def row_source(dut, p, visits, *, seed=0, rows=None, offered=None):
    """Rows at random times, mostly when a visit waits for them; notes the cycles of both."""
    rng = random.Random(seed)
    needs = [visit["need"] for visit in visits]

    async def testbench(ctx):
        given = done = cycle = 0
        while True:
            counted = sum(needs[:done])
            wanted = done < len(needs) and given < counted + needs[done]
            row = rng.random() < (0.4 if wanted else 0.02) and (
                given < min(sum(needs), counted + p.line_rows))
            ctx.set(dut.row, row)
            given += row
            if row and rows is not None:
                rows.append(cycle)
            _, _, valid, ready = await ctx.tick().sample(dut.o.valid, dut.o.ready)
            if valid and offered is not None:
                offered.setdefault(done, cycle)
            done += valid and ready
            cycle += 1
    return testbench


@pytest.mark.parametrize("name", PROGRAMS)
def test_addresses(name):
    p = program(name)
    dut = AddressStage(p)
    runs, visits = runs_and_visits(p, small_frames(p, 3, 2))
    received = []
    simulate(dut, source(dut.i, runs), sink(dut.o, len(visits), received),
             background=(row_source(dut, p, visits),))
    assert_matches(received, visits)


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("name", ("plain", "folded", "three pixels", "skip pixels", "dilated"))
def test_visits_wait_for_their_rows(name, stall):
    """Never before the rows that they need, and from the cycle after the last of them on."""
    p = program(name)
    dut = AddressStage(p)
    runs, visits = runs_and_visits(p, small_frames(p, 5, 3))
    received, rows, offered = [], [], {}
    simulate(dut, source(dut.i, runs, stalled=stall in ("input", "both")),
             sink(dut.o, len(visits), received, stalled=stall in ("output", "both")),
             background=(keeps_protocol(dut.o),
                         row_source(dut, p, visits, rows=rows, offered=offered)))
    assert_matches(received, visits)
    needed, at_once = 0, 0
    for number, visit in enumerate(visits):
        needed += visit["need"]
        assert not needed or offered[number] > rows[needed - 1]
        at_once += visit["need"] and offered[number] == rows[needed - 1] + 1
    assert at_once > 0


def test_latency():
    p = program("folded")
    dut = AddressStage(p)
    runs, _ = runs_and_visits(p, small_frames(p, 0, 1))
    runs = [{**run, "need": 0} for run in runs]
    received, taken, emitted = through(dut, runs, len(runs))
    assert taken == list(range(len(runs))) and emitted == [cycle + 2 for cycle in taken]
