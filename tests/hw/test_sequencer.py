"""The whole sequencer: which steps it issues, in which cycles, and what it hands back."""

import random
from itertools import product

import numpy as np
import pytest
from bench_helpers import plain, simulate
from sample_programs import PROGRAMS, program
from walk_model import assert_matches, follow

from golden import timing
from hw.engine.layouts import Layouts
from hw.engine.sequencer import Sequencer
from hw.schedule import Schedule

LOOK_AHEAD = [name for name in PROGRAMS if program(name).looks_ahead]
DENSE = [name for name in PROGRAMS if not program(name).looks_ahead]


class Input:
    """The input side: frames and rows as early as there is room, and the flags of their pixels."""

    def __init__(self, p, walks, seed, density=0.5, pauses=False):
        self._p, self.walks, self._rng = p, walks, random.Random(seed)
        self._pauses, self._memory, self.free = pauses, {}, p.line_rows
        self.written = 0
        shape = p.layout.blocks, p.layout.block_inputs
        self._live = [np.random.default_rng(seed + n).random(
            (walk.height, walk.width, *shape)) < density for n, walk in enumerate(walks)]

    def live(self, number):
        """The function that tells which steps of a frame have something to add."""
        p, walk, pixels = self._p, self.walks[number], self._live[number]

        def live(visit, step):
            y, x, block, word = visit["_at"]
            lanes = [x + lane for lane in range(p.folding.px) if 0 <= x + lane < walk.width]
            return ((not p.skip_zeros or any(pixels[y, lane, block, word + step]
                                             for lane in lanes))
                    and (not p.pruned or p.weight_words[visit["_place"]["weight"] + step] != 0))
        return live

    def _write_flags(self, number, y):
        """One row of flag words, where the definition of the line buffer has them."""
        p, walk, pixels = self._p, self.walks[number], self._live[number]
        px, words = p.folding.px, p.flag_words
        slot = (walk.slot + y) % p.line_rows
        for x, block, word in product(range(walk.width), range(p.layout.blocks), range(words)):
            pixel = slot * -(-p.width // px) + x // px
            bits = pixels[y, x, block, word * p.flag_bits:(word + 1) * p.flag_bits]
            self._memory[x % px, (pixel * p.layout.blocks + block) * words + word] = sum(
                int(bit) << n for n, bit in enumerate(bits))

    def drive(self, dut):
        p, frames, pause = self._p, 0, 0
        todo = [(n, y) for n, walk in enumerate(self.walks) for y in range(walk.height)]

        async def testbench(ctx):
            nonlocal frames, pause
            before = [0] * p.folding.px
            while True:
                row = begin = None
                pause = max(0, pause - 1) or (self._pauses and self._rng.choice((0, 0, 3, 60)))
                if todo and self.free and not pause:
                    begin = todo[0][1] == 0 and frames < 2
                    if begin or todo[0][1]:
                        row = todo.pop(0)
                if row and begin:
                    ctx.set(dut.i_frame.payload, self.walks[row[0]].frame)
                ctx.set(dut.i_frame.valid, bool(row and begin))
                if row:
                    self._write_flags(*row)
                    self.written += 1
                    self.free -= 1
                    frames += begin
                ctx.set(dut.written, self.written % (1 << len(dut.written)))
                _, _, enable, release, *addresses = await ctx.tick().sample(
                    dut.release_en, dut.release, *dut.flag_read)
                if enable:
                    self.free += release.rows
                    frames -= release.frame
                    assert self.free <= p.line_rows and frames >= 0
                ctx.set(dut.flag_data, [self._memory.get((n, a), (1 << p.flag_bits) - 1)
                                        for n, a in enumerate(before)])
                before = addresses
        return testbench


def sequence(p, source, *, credits=256, leave=1.0):
    """The cycles of the steps, which are those of the walk model."""
    dut, rng = Sequencer(p, credits=credits), random.Random(1)
    steps, cycles, releases, expected = [], [], [], expected_steps(source)
    needed = [walk.begin + line.rows_needed for walk in source.walks for line in walk.lines
              for _ in line.groups]

    async def watch(ctx):
        cycle = inside = 0
        while len(steps) < len(expected):
            leaves = inside > 0 and rng.random() < leave
            ctx.set(dut.departure, leaves)
            _, _, valid, step, enable, release = await ctx.tick().sample(
                dut.o_valid, dut.o, dut.release_en, dut.release)
            inside -= leaves
            if valid:
                assert source.written >= needed[len(releases)]
                steps.append(plain(step))
                cycles.append(cycle)
                inside += steps[-1]["mac"]["last"] and steps[-1]["mac"]["tag"]["beat"]
            if enable:
                assert valid and step.mac.last
                releases.append(plain(release))
            cycle += 1
        for _ in range(20):
            _, _, valid, enable = await ctx.tick().sample(dut.o_valid, dut.release_en)
            assert not valid and not enable
    simulate(dut, watch, background=(source.drive(dut),))
    assert_matches(steps, expected)
    assert releases == [group.visits()[-1]["release"] for walk in source.walks
                        for group in walk.groups]
    assert source.free == p.line_rows
    return cycles


def least(p, height, width):
    """This size, or the nearest one that the program can do."""
    return min(p.height, max(height, p.smallest(0))), min(p.width, max(width, p.smallest(1)))


def expected_steps(source):
    return [step for number, walk in enumerate(source.walks)
            for step in walk.steps(source.live(number))]


@pytest.mark.parametrize("name", DENSE)
def test_steps(name):
    """And no cycle without one, from the first to the last, where the input keeps up."""
    p = program(name)
    walks = follow(p, [least(p, 2, 3), least(p, 3, 4)])
    cycles = sequence(p, Input(p, walks, seed=1))
    schedules = [Schedule(p, walk.height, walk.width) for walk in walks]
    assert len(cycles) == sum(schedule.cycles for schedule in schedules)
    # lines of these are done before the rows that the next one needs can take their place
    if name not in ("cropped", "cropped pixels", "nearest") and all(
            schedule.shortest_group >= p.result_interval for schedule in schedules):
        first = timing.FRAME_TO_GROUP + timing.GROUP_TO_VISIT + Sequencer.latency(p)
        assert cycles == list(range(first, first + len(cycles)))


@pytest.mark.parametrize("name", LOOK_AHEAD)
def test_skipped_steps(name):
    p = program(name)
    walks = follow(p, [least(p, 2, 4), least(p, 3, 3)])
    cycles = sequence(p, Input(p, walks, seed=2, density=0.3))
    assert len(cycles) < sum(len(walk.steps()) for walk in walks)


@pytest.mark.parametrize("leave", (1.0, 0.2))
@pytest.mark.parametrize("name", ("folded", "two pixels", "skip pixels", "skip and pruned"))
def test_rows_and_credits_come_late(name, leave):
    p = program(name)
    walks = follow(p, [least(p, 3, 4), least(p, 2, 3)])
    sequence(p, Input(p, walks, seed=3, pauses=True), credits=3, leave=leave)


@pytest.mark.parametrize("name", ("one", "gaps", "skip pixels"))
def test_row_numbers_wrap(name):
    p = program(name)
    height, numbers = least(p, 2, 3)[0], 1 << Layouts(p).row_number.width
    walks = follow(p, [least(p, 2, 3)] * (numbers // height + 3))
    sequence(p, Input(p, walks, seed=4, density=0.1))
