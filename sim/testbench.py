"""The testbench: checks a generated engine, cycle by cycle, inside a simulator under cocotb.

The environment variable `POLYPHASE_JOB` names a JSON file with the fields of `Job`. What was
checked goes into another; the first difference is raised as `Failure`.
"""

import dataclasses
import json
import os
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import Timer

from golden.quantisation import dtype_range

from .axi_lite import Bus
from .design import Design
from .stalls import FREEZE, input_gaps, output_pattern
from .streams import LATE, Channel, Failure, Sink, Source

__all__ = ["Job", "VARIABLE"]

VARIABLE = "POLYPHASE_JOB"
IDENTITY = int.from_bytes(b"PYLP", "little")
IDLE, CONFIGURED = 0b01, 0b10   # bits of the register `status`; all others are errors
TAIL = 200                      # idle cycles after the last beat, in which nothing more may come
SETTLE, FALL, RISE = 1, 4, 5    # nanoseconds from rising edge to inputs, falling edge, rising edge


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What to simulate: `frames` frames of `size`, with stalls `none`, `in`, `out` or `both`."""

    manifest: str
    report: str
    frames: int
    size: tuple[int, int]
    stalls: str
    seed: int


@cocotb.test()
async def check(top):
    """Run the job that the environment names."""
    job = Job(**json.loads(Path(os.environ[VARIABLE]).read_text()))
    report = await Bench(top, job).run()
    Path(job.report).write_text(json.dumps(report))


class Bench:
    """The engine, everything that is connected to it, and its clock.

    Cycle `now` ends with the `now`-th rising edge of `aclk` after `aresetn` went high, from 0.
    """

    def __init__(self, top, job):
        self._top, self._job, self._design = top, job, Design(job.manifest)
        self._rng = np.random.default_rng(job.seed)
        manifest, (height, width) = self._design.manifest, job.size
        rows, columns = self._design.output_size(height, width)
        self._source = Source(self._stream("s_axis", "tdata tlast tuser"),
                              _places(height, width * len(manifest.input.channels)))
        self._sink = Sink(self._stream("m_axis", "tdata tlast tuser"),
                          _places(rows, self._design.output_beat_count(height, width) // rows))
        self._bus = Bus(top, delays=np.random.default_rng(job.seed), **self._options())
        self._parts = [self._source, self._sink, self._bus]
        self._loader = None
        if manifest.weights:
            self._loader = Source(self._stream("s_axis_weights", "tdata tlast"))
            self._parts.append(self._loader)
        self._addresses = self._design.addresses
        self._constants = {"identity": IDENTITY, "digest": int(manifest.digest[:8], 16),
                           "height": height, "width": width, "out_height": rows,
                           "out_width": columns}
        self.now = 0

    def _options(self):
        return {"rng": np.random.default_rng(self._job.seed),
                "unknown": cocotb.SIM_NAME.startswith("Icarus")}

    def _stream(self, name, payload):
        ports = " ".join(f"{name}_{port}" for port in f"tvalid tready {payload}".split())
        return Channel(self._top, name, ports, **self._options())

    async def cycle(self):
        """One cycle of everything."""
        for part in self._parts:
            part.drive()
        await Timer(FALL, "ns")
        for part in self._parts:
            part.sample(self.now)
        await self._edge()
        self.now += 1

    async def _edge(self):
        self._top.aclk.value = 0
        await Timer(RISE, "ns")
        self._top.aclk.value = 1
        await Timer(SETTLE, "ns")

    async def run(self):
        """The whole job; returns what was checked."""
        await self._prepare()
        await self._break_off()
        await self._prepare()
        report = await self._frames()
        await self._tail()
        return report

    async def _prepare(self):
        """Four cycles of reset, of which the next one is cycle 0; frame size; weights."""
        self._top.aresetn.value = 0
        for part in self._parts:
            part.reset()
        for _ in range(4):
            await Timer(FALL, "ns")
            await self._edge()
        self._top.aresetn.value = 1
        self.now = 0
        for name, size in zip(("height", "width"), self._job.size):
            if size != getattr(self._design.frame, name):
                self._bus.write(self._addresses[name], size)
                await self._until_idle(self._bus)
        if self._loader:
            await self._until_idle(self._loader, self._load())
            await self.cycle()  # the first load of all takes a cycle more

    async def _break_off(self):
        """Work that the reset which follows interrupts: nothing of it may remain."""
        frame = self._frame(0)
        self._source.send(self._beats(frame))
        self._sink.expect(self._wanted(frame))
        self._sink.accept((self._rng.random(50) < 0.5).tolist())
        self._bus.read(self._addresses["status"])
        if self._loader:
            self._load()
        for _ in range(int(self._rng.integers(20, 400))):
            await self.cycle()

    async def _frames(self):
        """All frames, back to back; returns what was checked."""
        design, job, start = self._design, self._job, self.now
        frames = [self._frame(n) for n in range(job.frames)]
        beats = [beat for frame in frames for beat in self._beats(frame)]
        wanted = [beat for frame in frames for beat in self._wanted(frame)]
        gaps, ready = self._gaps(len(beats)), [True]
        timing = design.expected_timing(frames, gaps=gaps, start=start)
        if job.stalls in ("out", "both"):
            ready = output_pattern(self._rng, int(timing.emitted[0]) - start)
            timing = design.expected_timing(frames, gaps=gaps, ready=ready, start=start)
        self._source.send(beats, gaps=gaps, wanted=timing.accepted.tolist())
        self._sink.expect(wanted, wanted=timing.emitted.tolist())
        self._sink.accept(ready)
        # the same weights again, into the other bank, which must not disturb anything
        limit = self._load() if self._loader else 0
        self._ask("identity")
        while self._source.busy or self._sink.busy:
            await self.cycle()
            if not self._bus.busy:
                self._judge()
                self._ask(self._rng.choice([*self._constants, "status", "clock"]))
        await self._until_idle(self._bus)
        self._judge()
        if self._loader:
            await self._until_idle(self._loader, limit)
        self._constants |= {"frames": job.frames, "status": IDLE | CONFIGURED,
                            "cycles": _last_frame(timing, job.frames)}
        return self._report(wanted, timing)

    def _report(self, wanted, timing):
        stalls_in, out = self._source.withheld, self._sink.channel
        if self._job.stalls in ("in", "both") and not stalls_in:
            raise Failure("stalls", "input stalls were asked for, and none occurred")
        if self._job.stalls in ("out", "both") and out.longest < FREEZE:
            raise Failure("stalls", f"output stalls of {FREEZE} cycles were asked for, and the "
                          f"longest was {out.longest}")
        lane = self._design.manifest.output.lane_bits
        return {"values": sum(mask.bit_count() // lane for _, mask, *_ in wanted),
                "handshakes": len(timing.accepted) + len(timing.emitted), "cycles": self.now,
                "stalls_in": stalls_in, "stalls_out": out.stalled, "longest": out.longest}

    async def _tail(self):
        """No beat too many, and the registers after the last frame."""
        self._sink.accept([True])
        for _ in range(TAIL):
            await self.cycle()
        for name in (*self._constants, "clock"):
            self._ask(name)
            await self._until_idle(self._bus)
            self._judge()

    async def _until_idle(self, part, limit=0):
        """Clock until a part has done its work, which may take `limit` cycles and some more."""
        begin = self.now
        while part.busy:
            if self.now > begin + limit + LATE:
                raise Failure("hang", f"{part.name} waits since cycle {begin}, at cycle {self.now}")
            await self.cycle()

    def _load(self):
        """Begin to send the weights; returns how many cycles that takes if they are taken."""
        beats = self._design.weight_beats()
        words = [int.from_bytes(beat.tobytes(), "little") for beat in beats]
        gaps = self._gaps(len(words))
        self._loader.send([(word, n == len(words) - 1) for n, word in enumerate(words)], gaps=gaps)
        return len(words) + sum(gaps)

    def _gaps(self, count):
        wanted = self._job.stalls in ("in", "both")
        return input_gaps(self._rng, count) if wanted else [0] * count

    def _frame(self, number):
        """Random codes: all of them, many zeros, or only the largest and the smallest."""
        height, width = self._job.size
        if number % 3 == 2:
            shape = (self._design.spec["in_channels"], height, width)
            return self._rng.choice(dtype_range(self._design.spec["dtype"]), shape)
        return self._design.random_frame(self._rng, height, width, density=(1, 0.3)[number % 3])

    def _beats(self, frame):
        """Payloads of `s_axis`: tdata, tlast, tuser."""
        data, first, last = self._design.input_beats(frame)
        return list(zip(_words(data), last.tolist(), first.tolist()))

    def _wanted(self, frame):
        """Payloads of `m_axis`: tdata, its bits that matter, tlast, tuser."""
        data, used, first, last = self._design.output_beats(self._design.expected_codes(frame))
        return list(zip(_words(data), _words(used * np.uint8(0xFF)), last.tolist(), first.tolist()))

    def _ask(self, name):
        self._asked = str(name)
        self._bus.read(self._addresses[self._asked])

    def _judge(self):
        """Compare the answer of the register that was asked for."""
        value, taken = self._bus.answer
        wanted = taken if self._asked == "clock" else self._constants.get(
            self._asked, value & (IDLE | CONFIGURED))
        if value != wanted:
            raise Failure("registers", f"{self._asked} must be {wanted:#x}, not {value:#x}, "
                          f"at cycle {taken}")


def _words(data):
    return [int.from_bytes(row.tobytes(), "little") for row in data]


def _places(rows, beats):
    """Where beat n of a stream is, in words."""
    def place(n):
        frame, rest = divmod(n, rows * beats)
        return f"beat {n} (frame {frame}, row {rest // beats}, beat {rest % beats} of the row)"
    return place


def _last_frame(timing, frames):
    """What the register `cycles` must be."""
    accepted, emitted = timing.accepted.reshape(frames, -1), timing.emitted.reshape(frames, -1)
    begin = accepted[-1, 0] if frames == 1 else max(accepted[-1, 0], emitted[-2, -1])
    return int(emitted[-1, -1] - begin)
