"""The exported module: its ports, and a frame through them; and that every component exports."""

import re

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import unsigned
from amaranth.sim import Simulator
from bench_helpers import declared_ports, exported_ports
from engine_bench import beats_of, expected_beats, random_frames
from sample_programs import program

from hw.engine.addresses import Addresses
from hw.engine.cursor import Cursor
from hw.engine.engine import Engine
from hw.engine.groups import GroupWalker
from hw.engine.ingest import Ingest
from hw.engine.issue_gate import IssueGate
from hw.engine.issuer import Issuer
from hw.engine.layouts import Layouts
from hw.engine.line_buffer import LineBuffer
from hw.engine.lines import LineWalker
from hw.engine.loader import Loader, weight_beats
from hw.engine.look_ahead import LookAhead
from hw.engine.mac_array import MacArray
from hw.engine.output import Output
from hw.engine.pipeline_queue import PipelineQueue
from hw.engine.registers import Registers
from hw.engine.requantiser import Requantiser
from hw.engine.rounding import Rounding
from hw.engine.sequencer import Sequencer
from hw.engine.skid import SkidBuffer
from hw.engine.stores import Stores
from hw.engine.tap_walker import TapWalker
from hw.primitives.memory import BlockMemory
from hw.primitives.multiplier import Multiplier, WideMultiplier
from hw.top import Top

VERSION = {"version": (0, 1, 0), "digest": 7}
OF_A_PROGRAM = {
    "Addresses": Addresses, "GroupWalker": GroupWalker, "Ingest": Ingest, "Issuer": Issuer,
    "LineWalker": LineWalker, "LookAhead": LookAhead, "Loader": Loader, "MacArray": MacArray,
    "Requantiser": Requantiser, "Rounding": Rounding, "Stores": Stores, "TapWalker": TapWalker,
    "PipelineQueue": lambda p: PipelineQueue(Layouts(p).line, latency=3),
    "IssueGate": lambda p: IssueGate(p, credits=8), "Output": lambda p: Output(p, depth=8),
    "Sequencer": lambda p: Sequencer(p, credits=8),
    "Registers": lambda p: Registers(p, **VERSION), "Engine": lambda p: Engine(p, **VERSION)}
OTHERS = {
    "BlockMemory": lambda: BlockMemory(width=9, depth=12),
    "Multiplier": lambda: Multiplier(unsigned(4), unsigned(5)),
    "WideMultiplier": lambda: WideMultiplier(20, 18),
    "Cursor": lambda: Cursor(words=2, row_words=4, rows=3, px=2),
    "LineBuffer": lambda: LineBuffer(BlockMemory, address=unsigned(4), px=2, bits=9, depth=12),
    "SkidBuffer": lambda: SkidBuffer(unsigned(8))}
COMPONENTS = {name: make for name, make in OTHERS.items()} | {
    f"{name}, {case}": lambda make=make, case=case: make(program(case))
    for name, make in OF_A_PROGRAM.items() for case in ("plain", "skip pixels", "loadable tanh")
    if not (name in ("Issuer", "LookAhead") and case != "skip pixels")
    if not (name == "Loader" and case != "loadable tanh")}


@pytest.mark.parametrize("make", COMPONENTS.values(), ids=COMPONENTS)
def test_a_component_exports_its_members_and_one_clock(make):
    dut = make()
    expected = declared_ports(dut) | {"clk": ("input", 1), "rst": ("input", 1)}
    assert exported_ports(dut) == expected


def ports(**widths):
    return {name: ("output" if width < 0 else "input", abs(width))
            for name, width in widths.items()}


COMMON = ports(
    aclk=1, aresetn=1,
    s_axis_tvalid=1, s_axis_tready=-1, s_axis_tlast=1, s_axis_tuser=1,
    m_axis_tvalid=-1, m_axis_tready=1, m_axis_tlast=-1, m_axis_tuser=-1,
    s_axi_awaddr=6, s_axi_awvalid=1, s_axi_awready=-1, s_axi_wdata=32, s_axi_wstrb=4,
    s_axi_wvalid=1, s_axi_wready=-1, s_axi_bresp=-2, s_axi_bvalid=-1, s_axi_bready=1,
    s_axi_araddr=6, s_axi_arvalid=1, s_axi_arready=-1, s_axi_rdata=-32, s_axi_rresp=-2,
    s_axi_rvalid=-1, s_axi_rready=1)
WEIGHTS = ports(s_axis_weights_tvalid=1, s_axis_weights_tready=-1, s_axis_weights_tlast=1)


@pytest.mark.parametrize("name, more", (
    ("plain", ports(s_axis_tdata=8, m_axis_tdata=-8)),
    ("folded", ports(s_axis_tdata=16, m_axis_tdata=-24)),
    ("skip pixels", ports(s_axis_tdata=16, m_axis_tdata=-48)),
    ("loadable", WEIGHTS | ports(s_axis_tdata=16, m_axis_tdata=-16, s_axis_weights_tdata=32))))
def test_ports(name, more):
    assert exported_ports(Top(program(name), **VERSION)) == COMMON | more


def test_verilog():
    def convert():
        return verilog.convert(Top(program("plain"), **VERSION), name="engine", emit_src=False,
                               strip_internal_attrs=True)
    text = convert()
    assert text == convert(), "the same every time"
    head = re.search(r"^module engine\((.*?)\);", text, re.DOTALL | re.MULTILINE)[1]
    assert sorted(head.replace("\n", "").split(", ")) == sorted(
        COMMON | ports(s_axis_tdata=8, m_axis_tdata=-8))


class Pins:
    """Top in the simulator, clocked by its own pins."""

    def __init__(self, p):
        self.p, self.dut = p, Top(p, **VERSION)

    async def edge(self, ctx, *samples):
        """One clock cycle; what the ports were before its edge."""
        await ctx.delay(5e-7)
        seen = [ctx.get(port) for port in samples]
        ctx.set(self.dut.aclk, 1)
        await ctx.delay(5e-7)
        ctx.set(self.dut.aclk, 0)
        return seen

    async def reset(self, ctx, cycles=3):
        ctx.set(self.dut.aresetn, 0)
        for _ in range(cycles):
            await self.edge(ctx)
        ctx.set(self.dut.aresetn, 1)

    async def send_weights(self, ctx, beats):
        dut = self.dut
        for n, beat in enumerate(beats):
            ctx.set(dut.s_axis_weights_tdata, beat)
            ctx.set(dut.s_axis_weights_tlast, n == len(beats) - 1)
            ctx.set(dut.s_axis_weights_tvalid, 1)
            while not (await self.edge(ctx, dut.s_axis_weights_tready))[0]:
                pass
        ctx.set(dut.s_axis_weights_tvalid, 0)
        await self.edge(ctx)    # the first load of all takes a cycle more

    async def frame(self, ctx, beats, expect):
        """Send a frame and take what comes out: [(tdata, tuser, tlast)]."""
        dut, received, beats = self.dut, [], list(beats)
        ctx.set(dut.m_axis_tready, 1)
        for _ in range(4000):
            ctx.set(dut.s_axis_tvalid, bool(beats))
            if beats:
                for port, name in (("tdata", "data"), ("tuser", "first"), ("tlast", "last")):
                    ctx.set(getattr(dut, f"s_axis_{port}"), beats[0][name])
            ready, valid, data, first, last = await self.edge(
                ctx, dut.s_axis_tready, dut.m_axis_tvalid, dut.m_axis_tdata, dut.m_axis_tuser,
                dut.m_axis_tlast)
            if ready and beats:
                del beats[0]
            if valid:
                received.append((data, first, last))
            if len(received) == expect:
                break
        return received

    async def read(self, ctx, address):
        dut = self.dut
        ctx.set(dut.s_axi_araddr, address)
        ctx.set(dut.s_axi_arvalid, 1)
        ctx.set(dut.s_axi_rready, 1)
        await self.edge(ctx)
        ctx.set(dut.s_axi_arvalid, 0)
        await self.edge(ctx)
        valid, data, response = await self.edge(ctx, dut.s_axi_rvalid, dut.s_axi_rdata,
                                                dut.s_axi_rresp)
        assert valid and response == 0
        return data


@pytest.mark.parametrize("name", ("three pixels", "loadable tanh"))
def test_a_frame_through_the_pins(name):
    """Also after a reset in the middle of a frame, which leaves no trace."""
    p = program(name)
    pins, rng = Pins(p), np.random.default_rng(3)
    frame, = random_frames(p, rng, [(p.height, p.width)])
    expected = expected_beats(p, frame)

    async def testbench(ctx):
        for part in (len(expected) // 3, len(expected)):
            await pins.reset(ctx)
            if p.loadable:
                await pins.send_weights(ctx, weight_beats(p))
            received = await pins.frame(ctx, beats_of(p, frame), part)
            for (data, first, last), (lanes, *marks) in zip(received, expected[:part], strict=True):
                assert [first, last] == marks
                assert {lane: data >> 8 * lane & 0xFF for lane in lanes} == lanes
        assert await pins.read(ctx, 0x00) == 0x504C5950
        assert await pins.read(ctx, 0x04) == 0x000100
        assert await pins.read(ctx, 0x08) == 7
        assert await pins.read(ctx, 0x0C) == 0b11
        assert await pins.read(ctx, 0x20) == 1
    simulator = Simulator(pins.dut)
    simulator.add_testbench(testbench)
    simulator.run()
