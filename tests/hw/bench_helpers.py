"""What all tests of the hardware share: a simulation with a watchdog, stream drivers, programs."""

import random
import re
from functools import cache

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Const, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import data, wiring
from amaranth.sim import Simulator

from hw.folding import Folding
from hw.layers import Conv2d, ConvTranspose2d, SubPixelConv2d
from hw.program import Program
from hw.quantisation import Quantisation

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
    """Set a port, an interface or a structure; fields that the structure does not have are left."""
    if not isinstance(value, dict):
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


def make_program(layer, *, size=(5, 6), seed=0, keep=1.0, folding=None, quantisation=None,
                 tensors=None, **options):
    """A program with random weights, of which a share of `keep` is not zero."""
    rng = np.random.default_rng(seed)
    formats = Quantisation(**quantisation or {})
    most, channels = 1 << formats.weight_bits - 1, layer.parameter_channels
    weight = rng.integers(-most, most, layer.weight_shape)
    weight *= rng.random(layer.weight_shape) < keep
    scale = rng.uniform(0.5, 2, channels) * 1.5 / most / np.sqrt(weight[0].size)
    values = {
        "weight": weight, "bias": rng.integers(-3000, 3000, channels),
        "weight_scale": scale.astype(np.float32), "input_scale": np.float32(0.5),
        "output_scale": np.float32(0.5), "pre_scale": np.float32(0.5),
        "pre_zero_point": 3, "slope": rng.uniform(-1, 1, layer.out_channels).astype(np.float32),
        **(tensors or {}),
    }
    return Program(layer=layer, quantisation=formats, tensors=values, height=size[0],
                   width=size[1], folding=Folding(**folding or {}), **options)


def transposed(inputs=1, outputs=1, kernel=4, stride=2, padding=1, **more):
    return ConvTranspose2d(in_channels=inputs, out_channels=outputs, kernel_size=kernel,
                           stride=stride, padding=padding, **more)


def convolution(inputs, outputs, kernel=3, padding=1, **more):
    return Conv2d(in_channels=inputs, out_channels=outputs, kernel_size=kernel, padding=padding,
                  **more)


def sub_pixel(inputs, outputs, kernel=3, padding=1, factor=2, **more):
    return SubPixelConv2d(in_channels=inputs, out_channels=outputs, kernel_size=kernel,
                          padding=padding, upscale_factor=factor, **more)


PROGRAMS = {  # name: (layer, options), small, and unlike each other
    "plain": (transposed(), {}),
    "folded": (transposed(4, 6, 3, output_padding=1), {"folding": {"pi": 2, "po": 3}}),
    "ragged": (transposed(5, 5, 5, 3, 2), {"folding": {"pi": 2, "po": 3}, "size": (4, 5)}),
    "gaps": (transposed(2, 3, 2, 3, 0), {"size": (3, 4)}),
    "three pixels": (transposed(2, 2), {"folding": {"pi": 2, "po": 2, "px": 3}, "size": (4, 8)}),
    "two pixels": (transposed(3, 1, (5, 3), (2, 3), ((1, 0), (2, 1)), output_padding=(1, 2)),
                   {"folding": {"px": 2}, "size": (4, 5)}),
    "dilated": (transposed(2, 3, 3, 2, 1, dilation=(2, 3)), {"folding": {"pi": 2}}),
    "cropped": (transposed(2, 2, 3, 2, (5, 4)), {"size": (8, 7)}),
    "extended": (transposed(1, 1, 1, 3, 0, output_padding=2), {"size": (3, 3)}),
    "one": (transposed(), {"size": (1, 1)}),
    "groups": (transposed(6, 4, groups=2), {"folding": {"pi": 2}, "size": (3, 4)}),
    "depthwise": (transposed(5, 5, groups=5), {"folding": {"po": 2}, "size": (3, 4)}),
    "parallel groups": (transposed(6, 6, 3, groups=3),
                        {"folding": {"pi": 2, "po": 4}, "size": (3, 4)}),
    "convolution": (convolution(3, 4), {"folding": {"pi": 3, "po": 2}}),
    "dense pixels": (convolution(2, 1, 3, 2, dilation=2),
                     {"folding": {"pi": 1, "px": 4}, "size": (5, 7)}),
    "sub-pixel": (sub_pixel(3, 2), {"folding": {"pi": 3}, "size": (4, 4)}),
    "shuffled groups": (sub_pixel(4, 2, factor=3, order="DCR", groups=2),
                        {"folding": {"pi": 2, "po": 2}, "size": (3, 4)}),
    "int8": (transposed(4, 6, 3), {"folding": {"pi": 2, "po": 3}, "quantisation": {
        "dtype": "int8", "input_zero_point": -7, "output_zero_point": 5, "weight_bits": 4}}),
    "compact": (transposed(4, 6, 3), {"folding": {"pi": 2, "po": 3}, "quantisation": {
        "requant": "compact", "multiplier_bits": 12, "activation": "relu",
        "output_zero_point": 9}}),
    "tanh": (transposed(4, 6, 3), {"folding": {"pi": 2, "po": 3}, "quantisation": {
        "dtype": "int8", "activation": "tanh"}}),
    "prelu": (transposed(4, 6, 4), {"folding": {"po": 3}, "quantisation": {
        "activation": "prelu"}, "size": (3, 4)}),
    "skip": (transposed(20, 2), {"folding": {"po": 2}, "skip_zeros": True, "size": (3, 3)}),
    "skip pixels": (transposed(6, 2), {"folding": {"pi": 2, "po": 2, "px": 3},
                                       "skip_zeros": True, "size": (4, 6)}),
    "pruned": (transposed(18, 4), {"folding": {"po": 2}, "keep": 0.3, "size": (3, 3)}),
    "skip and pruned": (sub_pixel(5, 2), {"folding": {"pi": 1, "po": 2}, "keep": 0.4,
                                          "skip_zeros": True, "size": (4, 4)}),
    "loadable": (transposed(4, 5, 3), {"folding": {"pi": 2, "po": 2}, "loadable": True,
                                       "size": (4, 4)}),
    "loadable prelu": (transposed(4, 6), {"folding": {"po": 3}, "loadable": True,
                                          "quantisation": {"activation": "prelu"},
                                          "size": (3, 3)}),
    "loadable pixels": (transposed(2, 2), {"folding": {"pi": 2, "po": 2, "px": 2},
                                           "loadable": True, "size": (3, 4), "quantisation": {
                                               "activation": "prelu"}}),
    "loadable tanh": (sub_pixel(2, 2), {"loadable": True, "quantisation": {
        "activation": "tanh", "dtype": "int8"}, "size": (3, 3)}),
}


@cache
def program(name):
    """The program of `PROGRAMS` with this name."""
    layer, options = PROGRAMS[name]
    return make_program(layer, seed=sum(map(ord, name)), **options)
