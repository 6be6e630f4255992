"""A product by shift and add, for devices whose multipliers are all in use elsewhere."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SerialMultiplier"]


class SerialMultiplier(wiring.Component):
    """Exact product of unsigned operands, `latency` cycles after them, one each `interval` cycles.

    A carry chain as long as `a` between registers is all that it does in a cycle.

    Parameters
    ----------
    a_bits, b_bits : int
        Widths of the operands; `b` is the one that is serialised.
    bits_per_cycle : int
        Bits of `b` that are used in a cycle, 1 or 2.

    Members
    -------
    start
        High for a cycle in which there are operands, and at most each `interval` cycles.
    a, b
        Operands, looked at together with `start` only.
    p
        Product, `latency` cycles after `start`, for that cycle only.

    Raises
    ------
    ValueError
        For other numbers of bits per cycle.
    """

    def __init__(self, a_bits, b_bits, *, bits_per_cycle=1):
        if bits_per_cycle not in (1, 2):
            raise ValueError(f"bits_per_cycle must be 1 or 2, not {bits_per_cycle!r}")
        self._bits_per_cycle = bits_per_cycle
        super().__init__({"start": In(1), "a": In(unsigned(a_bits)), "b": In(unsigned(b_bits)),
                          "p": Out(unsigned(a_bits + b_bits))})

    @staticmethod
    def interval(b_bits, bits_per_cycle=1):
        """Cycles from a start to the next: to load, to select a multiple, one for each digit."""
        return 2 + -(-b_bits // bits_per_cycle)

    latency = interval  # the product is there when the next operands may come

    def elaborate(self, platform):
        m = Module()
        a_bits, step = len(self.a), self._bits_per_cycle
        digits = self.interval(len(self.b), step) - 1
        multiples = [Signal(a_bits + n // 2 * 2, name=f"multiple_{n}", reset_less=True)
                     for n in range(1, 1 << step, 2)]
        addend = Signal(a_bits + step, reset_less=True)
        sums = Signal(a_bits, reset_less=True)              # what may still change
        rest = Signal(digits * step, reset_less=True)       # digits to come, digits that stay
        # a multiple is selected in the cycle before it is added
        with m.Switch(rest[:step]):
            for digit in range(1, 1 << step):
                with m.Case(digit):
                    m.d.sync += addend.eq(multiples[digit // 3] << (digit == 2))
            with m.Default():
                m.d.sync += addend.eq(0)
        m.d.sync += Cat(rest, sums).eq(Cat(rest[step:], sums + addend))
        with m.If(self.start):
            m.d.sync += [multiple.eq(self.a if n == 0 else self.a + (self.a << 1))
                         for n, multiple in enumerate(multiples)]
            m.d.sync += [rest.eq(self.b), sums.eq(0), addend.eq(0)]
        m.d.comb += self.p.eq(Cat(rest[step:], sums))
        return m
