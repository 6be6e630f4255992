"""Clocks of a board as its bitstream makes them."""

import os

import pytest
from amaranth.hdl import Cat, ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io

from boards.clocks import Clocks
from boards.flow import implement
from boards.pll import plan
from boards.registry import find
from boards.restore import restore
from sim import toolchain

BENCH = """`timescale 1ps / 1ps
module bench;
    reg clk = 0;
    wire tx;
    integer n;
    realtime first;
    top dut (.{clk}(clk), .uart_0__rx__io(1'b0), .uart_0__tx__io(tx));
    always #{half} clk = !clk;
    initial begin
        @(posedge tx) first = $realtime;
        for (n = 0; n < 100; n = n + 1) @(posedge tx);
        $display("%0f", ($realtime - first) / 1600);
        $finish;
    end
    initial #100000000 $fatal(1, "no clock");
endmodule
"""


class Divider(Elaboratable):
    """The engine's clock, divided by 16, where the UART sends."""

    def __init__(self, board, clock):
        self._board, self._clock = board, clock

    def elaborate(self, platform):
        m = Module()
        m.domains += [ClockDomain("sync"), ClockDomain("engine")]
        m.submodules.clocks = Clocks(self._board, self._clock)
        uart = self._board.uart(platform)
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        received = Signal(3)
        count = Signal(4)
        m.d.sync += received.eq(Cat(rx.i, received))
        m.d.engine += [count.eq(count + 1), tx.o.eq(count[-1] ^ received[-1])]
        return m


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("name", ("icebreaker", "hx8k-breakout", "ulx3s-25f"))
def test_engine_clock(name, request, tmp_path):
    board = find(name)
    if not board.ecp5:
        request.getfixturevalue("icebox")
    clock = plan(board.target, board.reference, 47e6)
    implement(board, Divider(board, clock), tmp_path, seed=1, tell=lambda text: None)
    restore(board, tmp_path)
    (tmp_path / "bench.v").write_text(BENCH.format(
        clk=f"clk{board.reference // 1_000_000}_0__io", half=round(5e11 / board.reference)))
    toolchain.run(["iverilog", "-g2012", "-y", tmp_path, "-s", "bench", "-o", tmp_path / "bench",
                   tmp_path / "bench.v", tmp_path / "restored.v"], os.environ, "rejected")
    period = float(toolchain.run(["vvp", "-n", tmp_path / "bench"], os.environ, "no clock"))
    assert period == pytest.approx(1e12 / float(clock.frequency), rel=1e-4)
