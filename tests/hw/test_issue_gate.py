"""The issue gate: credits, and the distance between groups."""

import random

import pytest
from bench_helpers import simulate
from sample_programs import make_program, program, transposed

from hw.engine.issue_gate import IssueGate

CREDIT = 2  # cycles from a departure to the step that may take its credit
PROGRAMS = {"one cycle": program("plain"), "interval": make_program(
    transposed(1, 8, 1, 1, 0), folding={"po": 8}, skip_zeros=True)}


def play(p, credits, *, steps=400, leaves, seed=0):
    """Steps at random; in each cycle the gate must open exactly where the rules allow it.

    Returns (most beats under way, cycles of the steps).
    """
    dut, rng, interval = IssueGate(p, credits=credits), random.Random(seed), p.result_interval
    under_way, cycles = [], []

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
                cycles.append(cycle)
            under_way.append(begun - len(departed))
    simulate(dut, testbench)
    return max(under_way), cycles


@pytest.mark.parametrize("leaves", (0.05, 0.5, 1.0))
@pytest.mark.parametrize("credits", (1, 2, 5, 8))
@pytest.mark.parametrize("p", PROGRAMS.values(), ids=PROGRAMS)
def test_steps(p, credits, leaves):
    """Never more beats under way than there are places; where few leave, all places are used."""
    most, _ = play(p, credits, leaves=leaves)
    assert most <= credits and (leaves > 0.1 or most == credits)


def test_intervals_differ():
    assert [p.result_interval > 1 for p in PROGRAMS.values()] == [False, True]


@pytest.mark.parametrize("p", PROGRAMS.values(), ids=PROGRAMS)
def test_a_group_each_interval(p):
    """Groups of one step, without a pause: one each `result_interval` cycles, credits permitting."""
    dut, cycles = IssueGate(p, credits=4), []

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
    assert cycles == list(range(0, 60, p.result_interval))
