"""The look-ahead against the rule: words without steps vanish, but every group keeps its end."""

import random

import pytest
from bench_helpers import STALLS, simulate, sink, source, through
from sample_programs import program
from walk_model import assert_matches

from hw.engine.layouts import Layouts
from hw.engine.look_ahead import LookAhead

NAMES = ("skip", "skip pixels", "pruned", "skip and pruned")


def random_fields(layout, rng):
    return {name: rng.getrandbits(field.width) for name, field in layout}


def random_groups(p, rng, count):
    """Groups of visits: fields at random, what belongs to a group as the tap walker makes it."""
    layouts, groups = Layouts(p), []
    for _ in range(count):
        tag, size = random_fields(layouts.tag, rng), rng.randint(1, 6)
        group = []
        for n in range(size):
            visit = random_fields(layouts.visit, rng)
            lines = {name: [rng.getrandbits(shape.width) for _ in range(p.folding.px)]
                     for name, shape in (("lines", layouts.line_address),
                                         ("flag_lines", layouts.flag_line_address))}
            last = n == size - 1
            group.append({**visit, **lines, "tag": tag, "last": int(last), "release":
                          {"rows": rng.randint(0, 1) * last, "frame": rng.randint(0, 1) * last},
                          "flag": rng.randrange(len(p.weight_flags)),
                          "rotate": rng.randrange(p.folding.px),
                          "length": rng.randint(0 if size == 1 else 1, p.flag_bits)})
        groups.append(group)
    return groups


class Flags:
    """Memories of flags with random words, read with the latency of a block memory."""

    def __init__(self, p, seed, density):
        self._p, self._seed, self._density = p, seed, density

    def word(self, memory, address):
        rng = random.Random(f"{self._seed} {memory} {address}")
        return sum((rng.random() < self._density) << n for n in range(self._p.flag_bits))

    def serve(self, dut):
        async def testbench(ctx):
            before = [0] * self._p.folding.px
            while True:
                _, _, *addresses = await ctx.tick().sample(*dut.flag_read)
                ctx.set(dut.flag_data, [self.word(n, a) for n, a in enumerate(before)])
                before = addresses
        return testbench

    def steps(self, visit):
        """Mask of the steps of a visit to which a lane inside the frame has something to add."""
        p, mask = self._p, (1 << visit["length"]) - 1
        if p.skip_zeros:
            px, activations = p.folding.px, 0
            for lane in range(px):
                if visit["lanes"] >> lane & 1:
                    memory = (lane + visit["rotate"]) % px
                    activations |= self.word(memory, visit["flag_lines"][memory])
            mask &= activations
        if p.pruned:
            mask &= p.weight_flags[visit["flag"]]
        return mask


def work_of(groups, flags):
    found = []
    for group in groups:
        words = [{"mask": flags.steps(visit), "last": 0, "tag": visit["tag"],
                  "release": visit["release"], "lines": visit["lines"], "lanes": visit["lanes"],
                  "rotate": visit["rotate"], "weight": visit["weight"]} for visit in group]
        words = [word for word in words if word["mask"]] or [
            {"mask": 0, "tag": group[-1]["tag"]}]
        words[-1] |= {"last": 1, "release": group[-1]["release"]}
        found += words
    return found


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("density", (0.02, 0.2, 0.9))
@pytest.mark.parametrize("name", NAMES)
def test_words(name, density, stall):
    p = program(name)
    groups = random_groups(p, random.Random(density), 30)
    flags, dut = Flags(p, name, density), LookAhead(p)
    expected = work_of(groups, flags)
    visits = [visit for group in groups for visit in group]
    received, taken, emitted = through(dut, visits, len(expected), stall=stall,
                                       background=(flags.serve(dut),))
    assert_matches(received, expected)
    if stall == "none":
        assert taken == list(range(len(visits))), "a visit each cycle"
        assert emitted[-1] == taken[-1] + 4


def test_latency_of_each_group():
    """A group that is known to its end is in the queue 4 cycles after its last visit."""
    p = program("skip")
    groups = random_groups(p, random.Random(3), 12)
    flags, dut = Flags(p, 0, 0.3), LookAhead(p)
    expected = work_of(groups, flags)
    received, taken, emitted = through(dut, [visit for group in groups for visit in group],
                                       len(expected), stall="input",
                                       background=(flags.serve(dut),))
    ends = [cycle for cycle, word in zip(emitted, expected) if word["last"]]
    last = [sum(map(len, groups[:n + 1])) - 1 for n in range(len(groups))]
    assert ends == [taken[n] + 4 for n in last]


def test_the_queue_fills_and_nothing_is_lost():
    p = program("skip")
    groups = random_groups(p, random.Random(4), 30)
    for group in groups:
        for visit in group:
            visit |= {"length": p.flag_bits, "lanes": 1}
    flags, dut = Flags(p, 0, 1), LookAhead(p)
    expected = work_of(groups, flags)
    visits, begun, received = [visit for group in groups for visit in group], [], []

    async def late(ctx):
        while len(begun) < 60:
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            begun.append(ready)
        await sink(dut.o, len(expected), received)(ctx)
    simulate(dut, source(dut.i, visits), late, background=(flags.serve(dut),))
    assert_matches(received, expected)
    assert dut.DEPTH - dut.MARGIN < sum(begun) <= dut.DEPTH + 1 and not any(begun[20:])
