"""The look-ahead against the rule: words without steps vanish, but every group keeps its end."""

import random

import pytest
from bench_helpers import STALLS, drive, keeps_protocol, simulate, sink
from sample_programs import PROGRAMS, program
from walk_model import assert_matches

from hw.engine.addresses import Addresses
from hw.engine.layouts import Layouts
from hw.engine.look_ahead import LookAhead

NAMES = [name for name in PROGRAMS if program(name).looks_ahead]
OFFERED = 3  # cycles from the mask of the last visit of a group to its last word


def random_fields(layout, rng):
    return {name: rng.getrandbits(field.width) for name, field in layout}


def random_groups(p, rng, count, longest=6):
    """Groups of visits: fields at random, what belongs to a group as the tap walker makes it."""
    layouts, groups = Layouts(p), []
    for _ in range(count):
        tag, size = random_fields(layouts.tag, rng), rng.randint(1, longest)
        group = []
        for n in range(size):
            lines = {name: [rng.getrandbits(shape.width) for _ in range(p.folding.px)]
                     for name, shape in (("lines", layouts.line_address),
                                         ("flag_lines", layouts.flag_line_address))}
            last, release = n == size - 1, random_fields(layouts.release, rng)
            group.append({
                **random_fields(layouts.visit, rng), "tag": tag, "last": int(last),
                "release": release if last else {"rows": 0, "frame": 0},
                "empty": int(size == 1 and rng.random() < 0.3),
                "_place": {**lines, "rotate": rng.randrange(p.folding.px),
                           "weight": rng.getrandbits(layouts.weight_address.width),
                           "flag": rng.randrange(len(p.weight_flags)),
                           "lanes": rng.getrandbits(p.folding.px)}})
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
        p, place, size = self._p, visit["_place"], self._p.flag_bits
        if visit["short"]:
            size = p.layout.block_inputs - size * (p.flag_words - 1)
        mask = 0 if visit["empty"] else (1 << size) - 1
        if p.skip_zeros:
            px, activations = p.folding.px, 0
            for lane in range(px):
                if place["lanes"] >> lane & 1:
                    memory = (lane + place["rotate"]) % px
                    activations |= self.word(memory, place["flag_lines"][memory])
            mask &= activations
        if p.pruned:
            mask &= p.weight_flags[place["flag"]]
        return mask


def work_of(groups, flags):
    """The words that are left, and after which visit each is known to be the last, or not."""
    found, known, before = [], [], 0
    for group in groups:
        kept = [n for n, visit in enumerate(group) if flags.steps(visit)] or [len(group) - 1]
        for n in kept:
            visit, mask = group[n], flags.steps(group[n])
            word = {"mask": mask, "last": 0, "tag": visit["tag"], "release": visit["release"]}
            if mask:
                word |= {name: visit["_place"][name]
                         for name in ("weight", "lines", "lanes", "rotate")}
            found.append(word)
        found[-1] |= {"last": 1, "release": group[-1]["release"]}
        # a cycle earlier where the next word comes behind it
        known += [(before + n, -1) for n in kept[1:]] + [(before + len(group) - 1, 0)]
        before += len(group)
    return found, known


def feed(dut, visits, taken, *, stalled=False):
    """Background testbench: visits while there is room, and the place of each when it is due."""
    rng, latency = random.Random(3), Addresses.latency(dut._program)

    async def testbench(ctx):
        cycle, due = 0, {}
        while True:
            go = len(taken) < len(visits) and ctx.get(dut.room) and (
                not stalled or rng.random() < 0.5)
            visit = visits[len(taken) if go else rng.randrange(len(visits))]
            drive(ctx, dut.i, visit)
            ctx.set(dut.i_valid, go)
            due[cycle + latency] = visit["_place"]
            drive(ctx, dut.place, due.pop(cycle, {}))
            if go:
                taken.append(cycle)
            await ctx.tick()
            cycle += 1
    return testbench


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("density", (0.02, 0.2, 0.9))
@pytest.mark.parametrize("name", NAMES)
def test_words(name, density, stall):
    p = program(name)
    groups = random_groups(p, random.Random(density), 30)
    flags, dut, received, taken, cycles = Flags(p, name, density), LookAhead(p), [], [], []
    expected, known = work_of(groups, flags)
    visits = [visit for group in groups for visit in group]
    simulate(dut, sink(dut.o, len(expected), received, stalled=stall in ("output", "both"),
                       cycles=cycles),
             background=(feed(dut, visits, taken, stalled=stall in ("input", "both")),
                         flags.serve(dut), keeps_protocol(dut.o)))
    assert_matches(received, expected)
    if stall in ("none", "input"):
        latency = dut.latency(p) + OFFERED
        assert cycles == [taken[n] + latency + early for n, early in known]
    if stall == "none":
        assert taken == list(range(len(visits))), "a visit each cycle"


@pytest.mark.parametrize("name", NAMES)
def test_the_queue_fills_and_nothing_is_lost(name):
    p = program(name)
    groups = random_groups(p, random.Random(4), 60, longest=1)
    flags, dut, received, taken = Flags(p, 0, 1), LookAhead(p), [], []
    expected, _ = work_of(groups, flags)

    async def late(ctx):
        for _ in range(90):
            await ctx.tick()
        assert len(taken) < dut.DEPTH and taken == list(range(len(taken)))
        await sink(dut.o, len(expected), received)(ctx)
    simulate(dut, late, background=(feed(dut, sum(groups, []), taken), flags.serve(dut)))
    assert_matches(received, expected)
    assert len(taken) == len(groups)
