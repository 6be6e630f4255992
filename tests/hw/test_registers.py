"""The registers, through their bus."""

import random

import pytest
from bench_helpers import plain, simulate
from sample_programs import program

from hw.engine.registers import REGISTERS, STATUS_ERRORS, Registers

OKAY, REFUSED = 0b00, 0b10
ADDRESS = {name: address for name, (address, _, _) in REGISTERS.items()}


class Master:
    """An AXI4-Lite master that is slow at random."""

    def __init__(self, bus, seed=None):
        self._bus, self._rng = bus, random.Random(seed)
        self._slow = seed is not None

    async def _wait(self, ctx):
        while self._slow and self._rng.random() < 0.5:
            await ctx.tick()

    async def _handshake(self, ctx, valid, ready, *values):
        done = 0
        while not done:
            _, _, a, b, *seen = await ctx.tick().sample(valid, ready, *values)
            done = a and b
        return seen

    async def write(self, ctx, address, data, strobe=0b1111):
        bus = self._bus
        for port, value in (("awaddr", address), ("wdata", data), ("wstrb", strobe)):
            ctx.set(getattr(bus, port), value)
        first, second = self._rng.sample(("awvalid", "wvalid"), 2)
        ctx.set(getattr(bus, first), 1)
        await self._wait(ctx)
        ctx.set(getattr(bus, second), 1)
        await self._handshake(ctx, bus.awvalid, bus.awready, bus.wready)
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        ctx.set(bus.awaddr, self._rng.getrandbits(6))
        ctx.set(bus.wdata, self._rng.getrandbits(32))
        await self._wait(ctx)
        ctx.set(bus.bready, 1)
        response, = await self._handshake(ctx, bus.bvalid, bus.bready, bus.bresp)
        ctx.set(bus.bready, 0)
        return response

    async def read(self, ctx, address):
        bus = self._bus
        ctx.set(bus.araddr, address)
        ctx.set(bus.arvalid, 1)
        await self._handshake(ctx, bus.arvalid, bus.arready)
        ctx.set(bus.arvalid, 0)
        ctx.set(bus.araddr, self._rng.getrandbits(6))
        await self._wait(ctx)
        ctx.set(bus.rready, 1)
        data, response = await self._handshake(ctx, bus.rvalid, bus.rready, bus.rdata, bus.rresp)
        ctx.set(bus.rready, 0)
        return data, response


def answers_stay(bus):
    """Background testbench: a response stays until it is taken."""
    async def testbench(ctx):
        waiting = {}
        while True:
            _, _, bvalid, bready, bresp, rvalid, rready, rdata, rresp = await ctx.tick().sample(
                bus.bvalid, bus.bready, bus.bresp, bus.rvalid, bus.rready, bus.rdata, bus.rresp)
            for name, valid, ready, answer in (("write", bvalid, bready, bresp),
                                               ("read", rvalid, rready, (rdata, rresp))):
                assert name not in waiting or (valid and waiting[name] == answer)
                waiting.pop(name, None)
                if valid and not ready:
                    waiting[name] = answer
    return testbench


def registers(p):
    return Registers(p, version=(1, 2, 3), digest=0xDEADBEEF)


def run(p, testbench, seed=None):
    dut = registers(p)

    async def bench(ctx):
        await testbench(ctx, dut, Master(dut.bus, seed))
    simulate(dut, bench, background=(answers_stay(dut.bus),))


@pytest.mark.parametrize("seed", (None, 1, 2), ids=("none", "both", "both again"))
def test_what_a_host_reads(seed):
    p = program("two pixels")
    out = p.layer.output_size(p.height, p.width)
    expected = {"identity": 0x504C5950, "version": 0x010203, "digest": 0xDEADBEEF,
                "height": p.height, "width": p.width, "out_height": out[0], "out_width": out[1],
                "frames": 0, "cycles": 0}

    async def testbench(ctx, dut, master):
        for name, value in expected.items():
            assert await master.read(ctx, ADDRESS[name]) == (value, OKAY)
        assert await master.read(ctx, ADDRESS["status"]) == (0b01, OKAY)
        ctx.set(dut.configured, 1)
        assert await master.read(ctx, ADDRESS["status"]) == (0b11, OKAY)
        for address in set(range(64)) - set(ADDRESS.values()):
            assert await master.read(ctx, address) == (0, REFUSED)
        clock = [(await master.read(ctx, ADDRESS["clock"]))[0] for _ in range(5)]
        assert clock == sorted(set(clock))
    run(p, testbench, seed)


def test_only_some_registers_are_written():
    p = program("plain")

    async def testbench(ctx, dut, master):
        values = {name: await master.read(ctx, address) for name, address in ADDRESS.items()}
        for address in range(64):
            writable = address in [ADDRESS[name] for name in ("status", "height", "width")]
            assert await master.write(ctx, address, 3) == (OKAY if writable else REFUSED)
        for strobe in range(15):
            assert await master.write(ctx, ADDRESS["height"], 4, strobe) == REFUSED
        for name in ("identity", "version", "digest", "frames", "cycles", "status"):
            assert await master.read(ctx, ADDRESS[name]) == values[name]
        assert await master.read(ctx, ADDRESS["height"]) == (3, OKAY)
    run(p, testbench, 5)


@pytest.mark.parametrize("name", ("plain", "two pixels", "cropped", "sub-pixel"))
def test_sizes(name):
    """Every size that leaves an output, with its output; every other one is refused."""
    p = program(name)
    most = p.height, p.width

    async def testbench(ctx, dut, master):
        for axis, field in enumerate(("height", "width")):
            sizes = [*range(most[axis] + 3), 2**31, 2**32 - 1, 256 + 2, 2**16 + 2, most[axis]]
            held = most[axis]
            for size in sizes:
                assert await master.write(ctx, ADDRESS[field], size) == OKAY
                good = size <= most[axis] and p.layer.output_length(axis, size) >= 1 <= size
                held = size if good else held
                await ctx.tick()
                status, _ = await master.read(ctx, ADDRESS["status"])
                assert status >> 8 == (0 if good else 1 << STATUS_ERRORS.index("geometry"))
                await master.write(ctx, ADDRESS["status"], 0xFFFFFFFF)
                assert await master.read(ctx, ADDRESS[field]) == (held, OKAY)
                assert await master.read(ctx, ADDRESS[f"out_{field}"]) == (
                    p.layer.output_length(axis, held), OKAY)
                geometry = plain(ctx.get(dut.geometry))
                assert geometry[("last_row", "last_column")[axis]] == held - 1
                assert geometry[f"out_{field}"] == p.layer.output_length(axis, held)
    run(p, testbench)


def test_a_new_size_is_seen_whole():
    """In no cycle does the geometry have the size of one frame and the output size of another."""
    p = program("plain")

    async def testbench(ctx, dut, master):
        await ctx.tick()
        for size in (3, 5, 1, 4):
            ctx.set(dut.bus.awaddr, ADDRESS["height"])
            ctx.set(dut.bus.wdata, size)
            ctx.set(dut.bus.wstrb, 0b1111)
            for port in (dut.bus.awvalid, dut.bus.wvalid, dut.bus.bready):
                ctx.set(port, 1)
            for _ in range(10):
                await ctx.tick()
                ctx.set(dut.bus.awvalid, 0)
                geometry = plain(ctx.get(dut.geometry))
                assert geometry["out_height"] == p.layer.output_length(0, geometry["last_row"] + 1)
            assert geometry["last_row"] == size - 1
    run(p, testbench)


def test_errors_stick_until_they_are_cleared():
    p = program("plain")

    async def testbench(ctx, dut, master):
        async def status():
            return (await master.read(ctx, ADDRESS["status"]))[0] >> 8

        every = 0
        for n, name in enumerate(STATUS_ERRORS[:-1]):
            ctx.set(dut.errors, {name: 1})
            await ctx.tick()
            ctx.set(dut.errors, {})
            every |= 1 << n
            assert await status() == every
        for n in range(len(STATUS_ERRORS) - 1):
            await master.write(ctx, ADDRESS["status"], 1 << 8 + n)
            every &= ~(1 << n)
            assert await status() == every
        for port, value in (("awaddr", ADDRESS["status"]), ("wdata", 0xFFFFFFFF),
                            ("wstrb", 0b1111), ("awvalid", 1), ("wvalid", 1), ("bready", 1)):
            ctx.set(getattr(dut.bus, port), value)
        await ctx.tick()
        ctx.set(dut.errors, {"line_late": 1})  # in the cycle in which all bits are cleared
        await ctx.tick()
        ctx.set(dut.errors, {})
        ctx.set(dut.bus.awvalid, 0)
        await ctx.tick()
        assert await status() == 1 << STATUS_ERRORS.index("line_late"), "an error is not lost"
    run(p, testbench)


def test_counters():
    """`cycles` counts from the last output of the frame before, or from the first input."""
    p = program("plain")
    first, last = (10, 15, 60), (30, 34, 100)

    async def testbench(ctx, dut, master):
        seen = []
        for cycle in range(120):
            ctx.set(dut.first, cycle in first)
            ctx.set(dut.last, cycle in last)
            ctx.set(dut.bus.araddr, ADDRESS[("frames", "cycles", "status")[cycle // 3 % 3]])
            ctx.set(dut.bus.arvalid, 1)
            ctx.set(dut.bus.rready, 1)
            _, _, valid, data = await ctx.tick().sample(dut.bus.rvalid, dut.bus.rdata)
            if valid:
                # answered now, taken from the registers two cycles before
                seen.append((cycle - 2, ("frames", "cycles", "status")[(cycle - 2) // 3 % 3],
                             data))
        for cycle, name, value in seen:
            done = sum(c < cycle - 1 for c in last)
            if name == "frames":
                assert value == done
            elif name == "cycles":
                assert value == (0, 21, 4, 41)[done]
            else:
                assert value & 1 == (sum(c < cycle - 1 for c in first) == done)
        assert len(seen) == 40
    run(p, testbench)
