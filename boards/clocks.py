"""The clocks of a board: its reference, and the engine's, which a PLL makes from it."""

from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import AsyncFFSynchronizer, ResetSynchronizer

__all__ = ["Clocks"]

# the block RAMs of an iCE40 read as zero for 3 us after configuration: five times that at 16 MHz
POWER_ON_CYCLES = 255


class Clocks(Elaboratable):
    """Drives the domains `sync`, by the reference clock, and `engine`, by the PLL.

    Both are the parent's, since domains are not seen above the module that defines them. `sync` has
    no reset. `engine` is in reset for `POWER_ON_CYCLES` cycles of `sync` after power-up, until the
    PLL has locked, and while `reset` is high.

    Parameters
    ----------
    board : Board
    plan : Plan
        Of the PLL.

    Attributes
    ----------
    reset : Signal
        Input, of the domain `sync`.
    lost : Signal
        Of the domain `sync`: the PLL is not locked, so that `engine` is in reset.
    """

    def __init__(self, board, plan):
        self._board = board
        self._plan = plan
        self.reset = Signal()
        self.lost = Signal()

    def elaborate(self, platform):
        m = Module()
        locked = Signal()
        pin = platform.request(platform.default_clk, dir="-")
        if self._board.pll == "SB_PLL40_2_PAD":
            m.submodules.pll = self._pad_pll(pin, locked)
        else:
            m.submodules.pin = buffer = io.Buffer("i", pin)
            m.d.comb += ClockSignal("sync").eq(buffer.i)
            m.submodules.pll = (self._ecp5_pll if self._board.ecp5 else self._core_pll)(locked)

        timer = Signal(range(POWER_ON_CYCLES), init=POWER_ON_CYCLES - 1)
        reset = Signal(init=1)      # a register, so that it has no glitches
        with m.If(timer == 0):
            m.d.sync += reset.eq(0)
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        m.submodules.lost = AsyncFFSynchronizer(~locked, self.lost)
        m.submodules.engine_reset = ResetSynchronizer(reset | self.reset | ~locked,
                                                      domain="engine")
        return m

    def _ecp5_pll(self, locked):
        """As `ecppll` has it, also where the documents are silent."""
        feedback = Signal()
        return Instance(
            "EHXPLLL", a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2", p_FEEDBK_PATH="CLKOP", p_CLKOP_ENABLE="ENABLED",
            p_CLKOS_ENABLE="ENABLED", **self._parameters(),
            i_CLKI=ClockSignal("sync"), i_CLKFB=feedback, o_CLKOP=feedback,
            o_CLKOS=ClockSignal("engine"), o_LOCK=locked, i_RST=0, i_STDBY=0, i_PLLWAKESYNC=0,
            i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=1, i_PHASESTEP=1, i_PHASELOADREG=1,
            i_ENCLKOP=0)

    def _core_pll(self, locked):
        return Instance(
            "SB_PLL40_CORE", p_FEEDBACK_PATH="SIMPLE", **self._parameters(),
            i_REFERENCECLK=ClockSignal("sync"), i_RESETB=1, i_BYPASS=0,
            o_PLLOUTGLOBAL=ClockSignal("engine"), o_LOCK=locked)

    def _pad_pll(self, pin, locked):
        """The PLL takes the pin for itself, and hands on its clock."""
        return Instance(
            "SB_PLL40_2_PAD", p_FEEDBACK_PATH="SIMPLE", **self._parameters(),
            io_PACKAGEPIN=pin.io, i_RESETB=1, i_BYPASS=0, o_PLLOUTGLOBALA=ClockSignal("sync"),
            o_PLLOUTGLOBALB=ClockSignal("engine"), o_LOCK=locked)

    def _parameters(self):
        return {f"p_{name}": value for name, value in self._plan.parameters.items()}
