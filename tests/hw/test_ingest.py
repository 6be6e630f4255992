"""The input side: whole frames in the line buffer, whatever the stream does."""

import random

import pytest
from bench_helpers import STALLS, simulate, source
from ingest_bench import SETTLING, Bench, frame_beats
from sample_programs import program

from hw.engine.ingest import FRAMES

NAMES = ("plain", "folded", "two pixels", "skip", "skip pixels", "int8", "depthwise", "loadable",
         "wide")


def small(p):
    return max(2, p.smallest(0)), max(3, p.smallest(1))


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("name", NAMES)
def test_frames(name, stall):
    p, rng = program(name), random.Random(name)
    for size in (small(p), (p.height, p.width)) if name != "skip" else (small(p),):
        beats = sum((frame_beats(p, rng, *size) for _ in range(3)), [])
        bench = Bench(p, size, stall=stall).run(beats)
        bench.check(beats, size)
        if stall == "none":
            # rows are handed back at once; the second frame begins before the first is done
            assert bench.taken == list(range(len(beats)))
            line = size[1] * p.layout.input_beats
            assert bench.row_cycles == [
                SETTLING + 1 + line * n for n in range(1, 3 * size[0] + 1)]


@pytest.mark.parametrize("stall", STALLS)
def test_frames_of_one_word(stall):
    """One may begin in the cycle after another one, whose rows its own are counted after."""
    p, rng = program("plain"), random.Random(4)
    beats = sum((frame_beats(p, rng, 1, 1) for _ in range(40)), [])
    bench = Bench(p, (1, 1), stall=stall).run(beats)
    bench.check(beats, (1, 1))
    assert bench.taken[1] == bench.taken[0] + 1 or stall in ("input", "both")


@pytest.mark.parametrize("stall", ("none", "both"))
@pytest.mark.parametrize("name", ("folded", "skip pixels"))
@pytest.mark.parametrize("fault, kind", list(enumerate((
    "line_early", "line_late", "line_late", "frame_early", "frame_early", "no_start", "line_early",
    "no_start"))))
def test_broken_streams(name, stall, fault, kind):
    """Every fault spoils its own frame only, and tells which fault it was."""
    p = program(name)
    rng, size = random.Random(f"{name}{fault}"), small(p)
    line = size[1] * p.layout.input_beats
    good = [frame_beats(p, rng, *size) for _ in range(4)]
    broken, cut = [dict(beat) for beat in good[1]], rng.randrange(1, size[0] * line - 1)
    if fault == 0:                                  # the line ends early
        cut -= cut % line == line - 1
        broken[cut]["last"] = 1
    elif fault == 1:                                # the line does not end
        broken[line - 1]["last"] = 0
    elif fault == 2:                                # the last line does not end, the frame goes on
        broken[-1]["last"] = 0
        broken += [{"data": 1, "first": 0, "last": 0}] * 5
    elif fault == 3:                                # the frame ends early
        broken = broken[:cut]
    elif fault == 4:                                # the frame ends early, at the end of a line
        broken = broken[:line]
    elif fault == 5:                                # the frame does not start
        broken[0]["first"] = 0
    elif fault == 6:                                # a beat is missing
        del broken[cut]
    elif fault == 7:                                # the frame goes on
        broken += [{"data": 7, "first": 0, "last": n % 3 == 0} for n in range(line + 2)]
    beats = good[0] + broken + good[2] + good[3]
    bench = Bench(p, size, stall=stall, seed=fault).run(beats)
    bench.check(beats, size)
    assert bench.errors == [kind]


@pytest.mark.parametrize("seed", range(12))
def test_streams_of_anything(seed):
    """Marks at random: no word too many, none missing, and good frames come through."""
    rng = random.Random(seed)
    p = program(rng.choice(("plain", "folded", "skip pixels")))
    size = small(p)
    beats = []
    for _ in range(8):
        frame = frame_beats(p, rng, *size)
        if rng.random() < 0.7:
            for beat in rng.sample(frame, 2):
                beat[rng.choice(("first", "last"))] ^= 1
            del frame[rng.randrange(len(frame)):][:rng.randrange(3)]
        beats += frame
    beats += frame_beats(p, rng, *size)
    bench = Bench(p, size, stall=rng.choice(STALLS), seed=seed).run(beats)
    bench.check(beats, size)


def test_nothing_without_weights():
    p, rng = program("loadable"), random.Random(0)
    size = small(p)
    beats = frame_beats(p, rng, *size)
    bench = Bench(p, size, configured=0)

    async def configure(ctx):
        while len(bench.taken) < 2 * len(beats) - 1:    # a cycle before it matters
            await ctx.tick()
        bench.geometry(ctx, size, bank=1)
    bench.run(beats * 3, extra=(configure,))
    assert bench.errors == ["not_configured"] * 2
    assert [frame["bank"] for frame in bench.frames] == [1]


def test_the_size_follows_the_registers_between_frames():
    p, rng = program("plain"), random.Random(0)
    sizes = [(2, 3), (4, 2), (1, 6), (5, 6)]
    beats, bench = [frame_beats(p, rng, *size) for size in sizes], Bench(p, sizes[0])

    async def follow(ctx):
        while len(bench.frames) < len(sizes):
            # while a frame arrives, the registers already hold the next size
            bench.geometry(ctx, sizes[len(bench.frames)])
            await ctx.tick()
    bench.run(sum(beats, []), extra=(follow,))
    assert [(frame["last_row"] + 1, frame["last_column"] + 1) for frame in bench.frames] == sizes
    assert bench.errors == []


@pytest.mark.parametrize("size, rows", (((5, 6), 4), ((5, 1), 4), ((1, 6), FRAMES)))
def test_rows_and_frames_wait_for_room(size, rows):
    """A row begins only in a free row, a frame only where fewer than two are under way."""
    p, rng = program("plain"), random.Random(0)
    assert p.line_rows == 4
    bench, taken = Bench(p, size), []
    beats = sum((frame_beats(p, rng, *size) for _ in range(4)), [])

    async def never(ctx):
        dut = bench.dut
        bench.geometry(ctx, size)
        for _ in range(SETTLING):
            await ctx.tick()
        await source(dut.i, beats[:rows * size[1]], taken=taken)(ctx)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, beats[rows * size[1]])
        for _ in range(20):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            assert not ready
        ctx.set(dut.release, {"rows": 1, "frame": size[0] == 1})
        ctx.set(dut.release_en, 1)
        await ctx.tick()
        for _ in range(1 if size[0] == 1 else 4):
            assert not ctx.get(dut.i.ready)
            await ctx.tick()
        assert ctx.get(dut.i.ready), "two cycles after a frame, or five after a row, is handed back"
    simulate(bench.dut, never)
    assert taken == list(range(rows * size[1]))
