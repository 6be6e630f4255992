"""A design for every board: its clocks, and its serial line looped back."""

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from boards.clocks import Clocks

__all__ = ["Tiny"]


class Tiny(Elaboratable):
    """The design, for `platform.build`."""

    def __init__(self, board, plan):
        self._board, self._plan = board, plan

    def elaborate(self, platform):
        m = Module()
        m.domains += [ClockDomain("sync", reset_less=True), ClockDomain("engine")]
        m.submodules.clocks = clocks = Clocks(self._board, self._plan)
        uart = self._board.uart(platform)
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        line, engine_line = Signal(), Signal()
        m.submodules.line = FFSynchronizer(rx.i, line, init=1)
        m.submodules.engine_line = FFSynchronizer(line, engine_line, o_domain="engine", init=1)
        m.submodules.out = FFSynchronizer(engine_line, tx.o, init=1)
        m.d.comb += clocks.reset.eq(0)
        return m
