"""A serial line: a start bit, eight data bits, lowest first, and a stop bit."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["BITS", "UartReceiver", "UartTransmitter", "divisor"]

BITS = 10               # of a byte on the line
SMALLEST_DIVISOR = 4    # cycles of a bit: a start bit is seen up to a cycle late
TOLERANCE = 0.02        # of the rate: a third of what loses the last bit, less at 4 cycles


def divisor(clock, baud):
    """Cycles of a bit.

    Parameters
    ----------
    clock : int
        In Hz.
    baud : int
        Bits a second.

    Raises
    ------
    ValueError
        If the clock can't make that rate.
    """
    cycles = round(clock / baud) if baud > 0 else 0
    if cycles < SMALLEST_DIVISOR:
        raise ValueError(f"baud must be from 1 to {clock // SMALLEST_DIVISOR}, a "
                         f"{SMALLEST_DIVISOR}th of the clock, not {baud}")
    if abs(clock / cycles - baud) > TOLERANCE * baud:
        raise ValueError(f"baud must be within {TOLERANCE:.0%} of {clock} / {cycles}, not {baud}")
    return cycles


class UartReceiver(wiring.Component):
    """Bytes of a line, each for a cycle, in the middle of its stop bit.

    Parameters
    ----------
    divisor : int
        Cycles of a bit.

    Members
    -------
    rx
        The line, not synchronised.
    o_valid, o_data
        A byte has come.
    error
        High for a cycle instead of `o_valid` if there is no stop bit.
    """

    def __init__(self, divisor):
        self._divisor = divisor
        super().__init__({"rx": In(1, init=1), "o_valid": Out(1), "o_data": Out(8),
                          "error": Out(1)})

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        timer = Signal(range(self._divisor))
        left = Signal(range(BITS + 1))
        bits = Signal(BITS)
        m.d.comb += self.o_data.eq(bits[1:])
        m.d.sync += [self.o_valid.eq(0), self.error.eq(0)]
        with m.If(left == 0):
            m.d.sync += timer.eq(self._divisor // 2 - 1)
            with m.If(~line):
                m.d.sync += left.eq(BITS)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), bits.eq(Cat(bits[1:], line)),
                         left.eq(left - 1)]
            with m.If((left == BITS) & line):   # not a start bit, but a glitch
                m.d.sync += left.eq(0)
            with m.If(left == 1):
                m.d.sync += [self.o_valid.eq(line), self.error.eq(~line)]
        return m


class UartTransmitter(wiring.Component):
    """Bytes onto a line.

    Parameters
    ----------
    divisor : int
        Cycles of a bit.

    Members
    -------
    i
        Bytes.
    tx
        The line.
    """

    def __init__(self, divisor):
        self._divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self._divisor))
        left = Signal(range(BITS + 1))
        bits = Signal(BITS, init=-1)
        m.d.comb += [self.i.ready.eq(left == 0), self.tx.eq(bits[0])]
        with m.If(left == 0):
            m.d.sync += timer.eq(self._divisor - 1)
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(BITS)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), bits.eq(Cat(bits[1:], Const(1, 1))),
                         left.eq(left - 1)]
        return m
