"""The issuer: every step of every word, one each cycle."""

import random

import pytest
from bench_helpers import keeps_protocol, plain, simulate, source
from sample_programs import PROGRAMS, program
from walk_model import assert_matches

from hw.engine.issuer import Issuer
from hw.engine.layouts import Layouts

NAMES = [name for name in PROGRAMS if program(name).looks_ahead]


def random_work(p, rng, count):
    """Words of groups; a group without steps is one word without steps."""
    layouts, words = Layouts(p), []
    for _ in range(count):
        tag, size = {name: rng.getrandbits(field.width) for name, field in layouts.tag}, \
            rng.randint(1, 3)
        empty = size == 1 and rng.random() < 0.3
        for n in range(size):
            word = {name: rng.getrandbits(field.width) for name, field in layouts.work}
            words.append(word | {
                "tag": tag, "last": int(n == size - 1), "lanes": word["lanes"] | 1,
                "lines": [rng.getrandbits(layouts.line_address.width) for _ in range(p.folding.px)],
                "release": {name: rng.getrandbits(field.width) for name, field in layouts.release},
                "mask": 0 if empty else rng.randrange(1, 1 << p.flag_bits)})
    return words


def steps_of(p, words):
    """(what each step is told to be, what leaves for it)."""
    layouts, told, steps, first = Layouts(p), [], [], 1
    weights, lines = ((1 << shape.width) - 1 for shape in (layouts.weight_address,
                                                           layouts.line_address))
    for word in words:
        offsets = [n for n in range(p.flag_bits) if word["mask"] >> n & 1]
        for n, offset in enumerate(offsets or [None]):
            last = int(n == max(0, len(offsets) - 1) and word["last"])
            mac = {"first": first, "last": last, "tag": word["tag"], "lanes": 0}
            step = {"mac": mac}
            if offset is not None:
                mac |= {"lanes": word["lanes"], "rotate": word["rotate"]}
                step |= {"weight": word["weight"] + offset & weights,
                         "lines": {k: line + offset & lines
                                   for k, line in enumerate(word["lines"])}}
            told.append({"first": first, "last": last, "tag": word["tag"],
                         "release": word["release"] if last else None})
            steps.append(step)
            first = last
    return told, steps


@pytest.mark.parametrize("stalled", (False, True), ids=("none", "input"))
@pytest.mark.parametrize("waits", (0, 0.5))
@pytest.mark.parametrize("name", NAMES)
def test_steps(name, waits, stalled):
    """No cycle without one; what leaves comes `LATENCY` cycles after it is issued."""
    p = program(name)
    dut, words, rng = Issuer(p), random_work(p, random.Random(name), 40), random.Random(7)
    told, steps = steps_of(p, words)
    seen, outputs, issued, taken = [], [], [], []

    async def watch(ctx):
        cycle = quiet = 0
        while quiet < 8:
            here = ctx.get(dut.valid)
            go = here and rng.random() >= waits
            ctx.set(dut.go, go)
            if go:
                issued.append(cycle)
                seen.append({field: plain(ctx.get(getattr(dut, field))) for field in told[0]})
            _, _, step = await ctx.tick().sample(dut.o)
            outputs.append(plain(step))
            quiet = quiet + 1 if len(seen) >= len(told) else 0
            cycle += 1
    simulate(dut, source(dut.i, words, stalled=stalled, taken=taken), watch,
             background=(keeps_protocol(dut.i),))
    assert_matches(seen, told)
    assert_matches([outputs[cycle + dut.LATENCY] for cycle in issued], steps)
    if not (waits or stalled):
        assert issued == list(range(1, len(steps) + 1))
    elif not waits:
        # a word is there in the cycle after it is taken
        sizes = [max(1, word["mask"].bit_count()) for word in words]
        assert [issued[sum(sizes[:n])] for n in range(len(words))] == [c + 1 for c in taken]
