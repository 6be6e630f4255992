"""What all tests of the hardware share: a simulation with a watchdog, stream drivers, ports."""

import random
import re

from amaranth.back import rtlil
from amaranth.hdl import Const, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import data, wiring
from amaranth.sim import Simulator

STALLS = ("none", "input", "output", "both")


def simulate(dut, *testbenches, background=(), cycles=8_000):
    """Run the testbenches to their ends; `TimeoutError` after that many clock cycles."""
    async def watchdog(ctx):
        for _ in range(cycles):
            await ctx.tick()
        raise TimeoutError(f"not done after {cycles} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in (watchdog, *background):
        simulator.add_testbench(testbench, background=True)
    simulator.run()


def plain(value):
    """A sampled value as ints, lists and dictionaries."""
    if not isinstance(value, data.Const):
        return value
    layout = value.shape()
    if isinstance(layout, data.ArrayLayout):
        return [plain(value[n]) for n in range(layout.length)]
    return {name: plain(value[name]) for name in layout.members}


def drive(ctx, port, value):
    """Set a port, an interface or a structure; what it does not have, or is None, is left."""
    if not isinstance(value, dict):
        if value is not None:
            ctx.set(port, value)
        return
    for name, field in value.items():
        if not isinstance(port, data.View) or name in port.shape().members:
            drive(ctx, getattr(port, name), field)


def source(stream, items, *, stalled=False, seed=0, taken=None):
    """Testbench that offers each item as soon as the one before is taken; stalled, after a pause.

    While nothing is valid the payload is garbage. `taken` collects the cycle of each transfer.
    """
    rng, payload = random.Random(seed), Value.cast(stream.payload)

    async def testbench(ctx):
        cycle = 0
        for item in items:
            while stalled and rng.random() < 0.5:
                ctx.set(stream.valid, 0)
                ctx.set(payload, rng.getrandbits(len(payload)))
                await ctx.tick()
                cycle += 1
            ctx.set(stream.valid, 1)
            drive(ctx, stream.payload, item)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(stream.ready)
                cycle += 1
            if taken is not None:
                taken.append(cycle - 1)
        ctx.set(stream.valid, 0)
        ctx.set(payload, rng.getrandbits(len(payload)))
    return testbench


def sink(stream, count, received, *, stalled=False, seed=0, cycles=None, beyond=10):
    """Testbench that receives `count` items, and then sees no other for `beyond` cycles."""
    rng = random.Random(seed + 1)

    async def testbench(ctx):
        cycle = 0
        while len(received) < count:
            ready = not stalled or rng.random() < 0.5
            ctx.set(stream.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
            if valid and ready:
                received.append(plain(payload))
                if cycles is not None:
                    cycles.append(cycle)
            cycle += 1
        ctx.set(stream.ready, 1)
        for _ in range(beyond):
            _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
            assert not valid, f"{plain(payload)} is one item too many"
        ctx.set(stream.ready, 0)
    return testbench


def keeps_protocol(stream):
    """Background testbench: what is offered stays, unchanged, until it is taken."""
    async def testbench(ctx):
        waiting = None
        while True:
            _, _, valid, ready, payload = await ctx.tick().sample(
                stream.valid, stream.ready, Value.cast(stream.payload))
            if waiting is not None:
                assert valid, "valid fell before the item was taken"
                assert payload == waiting, f"the item changed from {waiting:#x} to {payload:#x}"
            waiting = payload if valid and not ready else None
    return testbench


def through(dut, items, count, *, stall="none", seed=0, background=(), cycles=8_000):
    """Send items from `dut.i` to `dut.o`: (what came out, cycles of the items in, and out)."""
    received, taken, emitted = [], [], []
    simulate(dut, source(dut.i, items, stalled=stall in ("input", "both"), seed=seed, taken=taken),
             sink(dut.o, count, received, stalled=stall in ("output", "both"), seed=seed,
                  cycles=emitted),
             background=(keeps_protocol(dut.o), *background), cycles=cycles)
    return received, taken, emitted


def clocked(dut, inputs, outputs):
    """Drive one dictionary {port: value} each cycle; return the outputs of each of these cycles."""
    ports, seen = [getattr(dut, name) for name in outputs], []

    async def testbench(ctx):
        for values in inputs:
            for name, value in values.items():
                drive(ctx, getattr(dut, name), value)
            _, _, *sampled = await ctx.tick().sample(*ports)
            seen.append([plain(value) for value in sampled])
    simulate(dut, testbench, cycles=len(inputs) + 1)
    return seen


def declared_ports(dut):
    """{name: (direction, width)} that a component ought to have: its members, but no constant."""
    return {name: (direction.value, len(value)) for name, (value, direction) in _ports(dut).items()}


def exported_ports(dut):
    """{name: (direction, width)} of the top module of the RTLIL of a component."""
    text = rtlil.convert(dut, name="top", emit_src=False, ports=_ports(dut))
    top = re.search(r"attribute \\top 1\nmodule \\top\n(.*?)\nend\n", text, re.DOTALL)[1]
    return {name: (direction, int(width)) for width, direction, name in re.findall(
        r"^  wire width (\d+) (input|output) \d+ +(?:signed +)?\\(\S+)$", top, re.MULTILINE)}


def _ports(dut):
    # as `rtlil.convert` would find them itself, but for the constant that `always_ready` is
    found = {}
    for path, member, value in dut.signature.flatten(dut):
        if len(Value.cast(value)) and not isinstance(value, Const):
            direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
            found["__".join(map(str, path))] = Value.cast(value), direction
    return found
