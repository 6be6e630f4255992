"""The issuer: every step of every visit, credits, and room for the requantisers."""

import random

import pytest
from bench_helpers import keeps_protocol, plain, simulate, source
from sample_programs import program
from walk_model import assert_matches

from hw.engine.issuer import Issuer
from hw.engine.layouts import Layouts

DENSE, MASKED = ("plain", "folded", "three pixels", "ragged"), ("skip", "skip pixels", "pruned")


def random_work(p, rng, count):
    """Words of groups; what belongs to a group is the same in all its words."""
    layouts, words = Layouts(p), []
    for _ in range(count):
        tag = {name: rng.getrandbits(field.width) for name, field in layouts.tag}
        tag["beat"], size = int(rng.random() < 0.7), rng.randint(1, 3)
        for n in range(size):
            word = {name: rng.getrandbits(field.width) for name, field in layouts.work}
            empty = size == 1 and rng.random() < 0.3
            word |= {"tag": tag, "last": int(n == size - 1), "lanes": word["lanes"] | 1,
                     "lines": [rng.getrandbits(7) for _ in range(p.folding.px)],
                     "release": {"rows": rng.getrandbits(1), "frame": rng.getrandbits(1)}}
            word["mask" if p.looks_ahead else "length"] = 0 if empty else rng.randrange(
                1, 1 << p.flag_bits) if p.looks_ahead else rng.randint(1, p.layout.block_inputs)
            words.append(word)
    return words


def steps_of(p, words):
    """(steps, what each step hands back or None)."""
    layouts, steps, releases, first = Layouts(p), [], [], 1
    weights, lines = ((1 << shape.width) - 1 for shape in (layouts.weight_address,
                                                           layouts.line_address))
    for word in words:
        offsets = ([n for n in range(p.flag_bits) if word["mask"] >> n & 1] if p.looks_ahead
                   else list(range(word["length"])))
        for n, offset in enumerate(offsets or [None]):
            last = int(n == max(0, len(offsets) - 1) and word["last"])
            mac = {"first": first, "last": last, "tag": word["tag"], "lanes": 0}
            if offset is None:
                steps.append({"mac": mac})
            else:
                mac |= {"lanes": word["lanes"], "rotate": word["rotate"]}
                steps.append({"mac": mac, "weight": word["weight"] + offset & weights,
                              "lines": {k: line + offset & lines
                                        for k, line in enumerate(word["lines"])}})
            releases.append(word["release"] if last else None)
            first = last
    return steps, releases


def issue(p, words, *, credits, departs=None, stalled=False):
    """(steps, what they hand back, their cycles, cycles of the words, departures before each)."""
    dut = Issuer(p, credits=credits)
    expected, _ = steps_of(p, words)
    steps, releases, cycles, taken, left = [], [], [], [], []
    rng = random.Random(7)

    async def watch(ctx):
        cycle = inside = departures = 0
        while len(steps) < len(expected):
            leaves = inside > 0 and (departs is None or departs(cycle, rng))
            ctx.set(dut.departure, leaves)
            _, _, valid, step, enable, release = await ctx.tick().sample(
                dut.o_valid, dut.o, dut.release_en, dut.release)
            assert valid or not enable
            if valid:
                steps.append(plain(step))
                releases.append(plain(release) if enable else None)
                cycles.append(cycle)
                left.append(departures)
                inside += steps[-1]["mac"]["last"] and steps[-1]["mac"]["tag"]["beat"]
            inside -= leaves
            departures += leaves
            cycle += 1
        for _ in range(5):
            _, _, valid = await ctx.tick().sample(dut.o_valid)
            assert not valid
    simulate(dut, source(dut.i, words, stalled=stalled, taken=taken), watch,
             background=(keeps_protocol(dut.i),))
    return steps, releases, cycles, taken, left


@pytest.mark.parametrize("stalled", (False, True), ids=("none", "input"))
@pytest.mark.parametrize("name", DENSE + MASKED)
def test_steps(name, stalled):
    p = program(name)
    words = random_work(p, random.Random(name), 40)
    expected, handed_back = steps_of(p, words)
    steps, releases, cycles, taken, _ = issue(p, words, credits=64, stalled=stalled)
    assert_matches(steps, expected)
    assert releases == handed_back
    # the first cycle that is allowed: the word is there, the last ends are far enough apart
    first = [n for n, step in enumerate(expected) if n == 0 or expected[n - 1]["mac"]["last"]]
    assert cycles[0] == taken[0] + 1
    ends = [cycle for cycle, step in zip(cycles, expected) if step["mac"]["last"]]
    assert all(b - a >= p.result_interval for a, b in zip(ends, ends[1:]))
    if not stalled:
        cycle = 0
        end = -p.result_interval
        for seen, step in zip(cycles, expected):
            cycle = max(cycle + 1, end + p.result_interval) if step["mac"]["last"] else cycle + 1
            end = cycle if step["mac"]["last"] else end
            assert seen == cycle
    assert len(first) == sum(word["last"] for word in words)


@pytest.mark.parametrize("credits", (1, 2, 5))
@pytest.mark.parametrize("name", ("plain", "folded", "skip"))
def test_credits(name, credits):
    """Never more beats under way than there are places, and all places are used."""
    p = program(name)
    words = random_work(p, random.Random(name), 60)
    expected, _ = steps_of(p, words)
    steps, _, _, _, left = issue(p, words, credits=credits,
                                 departs=lambda cycle, rng: rng.random() < 0.1)
    assert_matches(steps, expected)
    begun, most = 0, 0
    for step, departures in zip(steps, left):
        begun += step["mac"]["first"] and step["mac"]["tag"]["beat"]
        most = max(most, begun - departures)
    assert most == credits


def test_no_credit_no_step():
    """A group without a beat passes; the first group with one waits for the departure."""
    p = program("plain")
    rng = random.Random(0)
    words = random_work(p, rng, 40)
    for number, word in enumerate(words):
        word["last"], word["tag"] = 1, {**word["tag"], "beat": int(number in (3, 10))}
    departed = []

    def departs(cycle, rng):
        if cycle == 70:
            departed.append(cycle)
        return cycle >= 70
    steps, _, cycles, _, _ = issue(p, words, credits=1, departs=departs)
    numbers = [n for n, word in enumerate(words) for _ in range(max(1, word["length"]))]
    waiting = [cycle for cycle, n in zip(cycles, numbers) if n == 10]
    assert departed and waiting[0] == 71
    assert max(cycle for cycle, n in zip(cycles, numbers) if n < 10) < 40
