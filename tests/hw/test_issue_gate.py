"""The issue gate: credits, and the distance between groups."""

import random

import pytest
from bench_helpers import simulate
from sample_programs import program

from hw.engine.issue_gate import IssueGate

CREDIT = 1  # cycles from `departure` to the step that may take its credit
INTERVALS = {"plain": 1, "folded": 2, "ragged": 3}


def play(p, credits, *, steps=400, leaves, seed=0):
    """Steps at random: the gate is open where the rules allow it. Most beats under way."""
    dut, rng, interval = IssueGate(p, credits=credits), random.Random(seed), p.result_interval
    under_way = []

    async def testbench(ctx):
        begun, departed, last_end = 0, [], -interval
        needs, last, here = 0, 0, 0  # the next step, and whether there is one
        for cycle in range(steps):
            if not here and rng.random() < 0.9:
                here, needs, last = 1, rng.getrandbits(1), rng.getrandbits(1)
            ctx.set(dut.needs_credit, needs if here else rng.getrandbits(1))
            ctx.set(dut.last, last if here else rng.getrandbits(1))
            leave = begun > len(departed) and rng.random() < leaves
            ctx.set(dut.departure, leave)
            back = sum(before <= cycle - CREDIT for before in departed)
            may = (not needs or begun - back < credits) and (
                not last or cycle - last_end >= interval)
            if here:
                assert ctx.get(dut.may) == may, f"cycle {cycle}"
            go = here and may and rng.random() < 0.9
            ctx.set(dut.go, go)
            await ctx.tick()
            if leave:
                departed.append(cycle)
            if go:
                begun += needs
                last_end = cycle if last else last_end
                here = 0
            under_way.append(begun - len(departed))
    simulate(dut, testbench)
    return max(under_way)


@pytest.mark.parametrize("leaves", (0.05, 0.5, 1.0))
@pytest.mark.parametrize("credits", (1, 2, 5, 8))
@pytest.mark.parametrize("name", INTERVALS)
def test_steps(name, credits, leaves):
    """Never more beats under way than there are places; where few leave, all places are used."""
    most = play(program(name), credits, leaves=leaves)
    assert most <= credits and (leaves > 0.1 or most == credits)


@pytest.mark.parametrize("name", INTERVALS)
def test_a_group_each_interval(name):
    """Groups of one step, one each `result_interval` cycles."""
    dut, cycles = IssueGate(program(name), credits=4), []

    async def testbench(ctx):
        ctx.set(dut.needs_credit, 1)
        ctx.set(dut.last, 1)
        for cycle in range(60):
            go = ctx.get(dut.may)
            ctx.set(dut.go, go)
            ctx.set(dut.departure, go)
            await ctx.tick()
            cycles.extend([cycle] * go)
    simulate(dut, testbench)
    assert cycles == list(range(0, 60, INTERVALS[name]))
