"""An `Ingest` in the simulator: frames as beats, and what must lie in the line buffer."""

import random

from bench_helpers import plain, simulate, source

from golden.quantisation import dtype_range
from hw.engine.ingest import ERRORS, FRAMES, Ingest
from hw.engine.layouts import Layouts

SETTLING = 3  # cycles before the first beat: the geometry comes from registers


def frame_beats(p, rng, height, width):
    """A frame of random beats, zero points among them."""
    lanes, beats = p.layout.input_lanes, []
    bits = p.input_beat_bits // lanes
    zero = p.quantisation.input_zero_point & (1 << bits) - 1
    for y in range(height):
        for n in range(width * p.layout.input_beats):
            codes = [zero if rng.random() < 0.5 else rng.getrandbits(bits) for _ in range(lanes)]
            data = sum(code << bits * lane for lane, code in enumerate(codes))
            beats.append({"data": data, "first": int(y == n == 0),
                          "last": int(n == width * p.layout.input_beats - 1)})
    return beats


def words_of(p, beat):
    """What the line buffer is to hold for a beat: codes without their zero point.

    The bits of a lane beyond its code do not matter.
    """
    low, high = dtype_range(p.quantisation.dtype)
    lane = p.input_beat_bits // p.layout.input_lanes
    codes = [beat["data"] >> lane * n & high - low for n in range(p.layout.input_lanes)]
    values = [(code - low & high - low) + low - p.quantisation.input_zero_point for code in codes]
    return sum((int(v) & (1 << p.activation_bits) - 1) << p.activation_bits * n
               for n, v in enumerate(values))


def expected_frames(p, beats, size):
    """(list of the words of each frame, names of the errors), by the rules of the docstring."""
    height, width = size
    line = width * p.layout.input_beats
    frames, errors, current, lost = [], [], None, False
    for beat in beats:
        if beat["first"] and current is not None and len(current) < height * line:
            if not lost:
                errors.append("frame_early")
            current += [0] * (height * line - len(current))
        if beat["first"]:
            current, lost = [], False
            frames.append(current)
        elif current is None or lost or len(current) == height * line:
            if not lost:
                errors.append("no_start")
            lost = True
            continue
        current.append(words_of(p, beat))
        end = len(current) % line == 0
        if beat["last"] != end:
            errors.append("line_late" if end else "line_early")
            lost = True
    if current is not None and lost:
        current += [0] * (height * line - len(current))
    return frames, errors


class Bench:
    """Feeds an `Ingest`, keeps what it writes, and hands rows back as a sequencer would."""

    def __init__(self, p, size, *, seed=0, stall="none", configured=1):
        self.p, self.size, self.stall, self._configured = p, size, stall, configured
        self.dut, self._rng = Ingest(p), random.Random(seed)
        self.frames, self.errors, self.taken, self.row_cycles = [], [], [], []
        self.words, self.flag_words = [], []

    def geometry(self, ctx, size, configured=1, bank=0):
        self.size = size
        out = self.p.layer.output_size(*size)
        ctx.set(self.dut.geometry, {
            "last_row": size[0] - 1, "last_column": size[1] - 1, "out_height": out[0],
            "out_width": out[1], "configured": configured, "bank": bank})

    async def sequencer(self, ctx):
        """Hands back the rows that are there, now and then."""
        dut = self.dut
        self.geometry(ctx, self.size, self._configured)
        cycle, rows, left = 0, 0, []  # rows that are there; rows left of each frame under way
        before, line, numbers = 0, 0, 1 << Layouts(self.p).row_number.width
        while True:
            wait = self.stall in ("output", "both") and self._rng.random() < 0.8
            give = rows > 0 and not wait
            frame = give and left[0] == 1
            ctx.set(dut.release_en, give)
            ctx.set(dut.release, {"rows": 1, "frame": frame if give else 1})
            line_before = line
            _, _, valid, payload, written, line, errors = await ctx.tick().sample(
                dut.o_frame.valid, dut.o_frame.payload, dut.written, dut.line.memory, dut.errors)
            row = (written - before) % numbers
            before = written
            assert row in (0, 1) and (line_before or not row), "after its last word was written"
            if valid:
                self.frames.append(plain(payload))
                left.append(self.size[0])
            self.errors += [name for name in ERRORS if errors[name]]
            if give:
                left[0] -= 1
                del left[:frame]
            rows += row - give
            if row:
                self.row_cycles.append(cycle)
            assert rows <= self.p.line_rows and len(left) <= FRAMES
            cycle += 1

    async def memories(self, ctx):
        """Notes all that is written: (memory, address, word)."""
        dut = self.dut
        while True:
            _, _, *sampled = await ctx.tick().sample(
                dut.line.memory, dut.line.address, dut.line.data, dut.flag.memory,
                dut.flag.address, dut.flag.data)
            for words, (memory, address, data) in ((self.words, sampled[:3]),
                                                   (self.flag_words, sampled[3:])):
                if memory:
                    assert memory.bit_count() == 1
                    words.append((memory.bit_length() - 1, address, data))

    def run(self, beats, *, extra=()):
        async def put(ctx):
            for _ in range(SETTLING):
                await ctx.tick()
            await source(self.dut.i, beats, stalled=self.stall in ("input", "both"),
                         taken=self.taken)(ctx)
            quiet = 0
            while quiet < 50:
                _, _, line = await ctx.tick().sample(self.dut.line.memory)
                quiet = 0 if line else quiet + 1
        simulate(self.dut, put, *extra, background=(self.sequencer, self.memories))
        return self

    def check(self, beats, size):
        """Every word of every frame lies where the definition of the line buffer has it."""
        p, px = self.p, self.p.folding.px
        frames, errors = expected_frames(p, beats, size)
        assert self.errors == errors
        assert len(self.frames) == len(frames)
        out = p.layer.output_size(*size)
        words, flag_words, slot = iter(self.words), iter(self.flag_words), 0
        rows, numbers = 0, 1 << Layouts(p).row_number.width
        for payload, expected in zip(self.frames, frames):
            rows += size[0]
            assert payload == {"last_row": size[0] - 1, "last_column": size[1] - 1,
                               "out_height": out[0], "out_width": out[1], "slot": slot, "bank": 0,
                               "end": rows % numbers}
            expected = iter(expected)
            for y in range(size[0]):
                row = (slot + y) % p.line_rows
                for x in range(size[1]):
                    pixel = [next(expected) for _ in range(p.layout.input_beats)]
                    place = row * p.row_words + x // px * p.layout.input_beats
                    for n, word in enumerate(pixel):
                        assert next(words) == (x % px, place + n, word)
                    if p.skip_zeros:
                        place = row * -(-p.width // px) + x // px
                        for n, flags in enumerate(self._flags(pixel)):
                            assert next(flag_words) == (
                                x % px, place * p.layout.blocks * p.flag_words + n, flags)
            slot = (slot + size[0]) % p.line_rows
        assert next(words, None) is None

    def _flags(self, pixel):
        size, bits = self.p.layout.block_inputs, self.p.flag_bits
        for block in range(0, len(pixel), size):
            words = pixel[block:block + size]
            for n in range(0, size, bits):
                yield sum(bool(word) << k for k, word in enumerate(words[n:n + bits]))
