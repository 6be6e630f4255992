"""Products by shift and add, for devices whose multipliers are all in use elsewhere."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SerialMultiplier", "SerialMultipliers"]

DIGIT = 2   # bits of `b` that are used in a cycle


class SerialMultiplier(wiring.Component):
    """Exact product of unsigned operands, `interval` cycles after them, one each `interval` cycles.

    A carry chain as long as `a` between registers is all that it does in a cycle.

    Parameters
    ----------
    a_bits, b_bits : int
        Widths of the operands; `b` is the one that is serialised.

    Members
    -------
    start
        High for a cycle in which there are operands, and at most each `interval` cycles.
    a, b
        Operands, looked at together with `start` only.
    p
        Product, `interval` cycles after `start`, for that cycle only.
    """

    def __init__(self, a_bits, b_bits):
        super().__init__({"start": In(1), "a": In(unsigned(a_bits)), "b": In(unsigned(b_bits)),
                          "p": Out(unsigned(a_bits + b_bits))})

    @staticmethod
    def interval(b_bits):
        """Cycles from a start to the next: to load, to select a multiple, one for each digit."""
        return 2 + -(-b_bits // DIGIT)

    def elaborate(self, platform):
        m = Module()
        a_bits, digits = len(self.a), self.interval(len(self.b)) - 1
        once, thrice = (Signal(a_bits + extra, name=name, reset_less=True)
                        for name, extra in (("once", 0), ("thrice", DIGIT)))
        addend = Signal(a_bits + DIGIT, reset_less=True)
        sums = Signal(a_bits, reset_less=True)              # what may still change
        rest = Signal(digits * DIGIT, reset_less=True)      # digits to come, digits that stay
        # a multiple is selected in the cycle before it is added
        with m.Switch(rest[:DIGIT]):
            for digit, multiple in enumerate((0, once, once << 1, thrice)):
                with m.Case(digit):
                    m.d.sync += addend.eq(multiple)
        m.d.sync += Cat(rest, sums).eq(Cat(rest[DIGIT:], sums + addend))
        with m.If(self.start):
            m.d.sync += [once.eq(self.a), thrice.eq(self.a + (self.a << 1)), rest.eq(self.b),
                         sums.eq(0), addend.eq(0)]
        m.d.comb += self.p.eq(Cat(rest[DIGIT:], sums))
        return m


class SerialMultipliers(wiring.Component):
    """As many `SerialMultiplier` as a product each `interval` cycles takes, in turns.

    Parameters
    ----------
    a_bits, b_bits : int
        Widths of the operands.
    interval : int
        Least number of cycles from a start to the next.

    Members
    -------
    start, a, b, p
        As in `SerialMultiplier`, with the same latency.
    """

    def __init__(self, a_bits, b_bits, *, interval):
        self._latency = SerialMultiplier.interval(b_bits)
        self._count = self.count(b_bits, interval)
        super().__init__({"start": In(1), "a": In(unsigned(a_bits)), "b": In(unsigned(b_bits)),
                          "p": Out(unsigned(a_bits + b_bits))})

    @staticmethod
    def count(b_bits, interval):
        """How many they are."""
        return -(-SerialMultiplier.interval(b_bits) // interval)

    def elaborate(self, platform):
        m = Module()
        begins = Signal(self._count, init=1)
        ends = Signal(self._count, init=1)     # whose turn
        under_way = Signal(self._latency)
        m.d.sync += under_way.eq(Cat(self.start, under_way))
        with m.If(self.start):
            m.d.sync += begins.eq(begins.rotate_left(1))
        with m.If(under_way[-1]):
            m.d.sync += ends.eq(ends.rotate_left(1))
        product = 0
        for n in range(self._count):
            m.submodules[f"block_{n}"] = block = SerialMultiplier(len(self.a), len(self.b))
            m.d.comb += [block.start.eq(self.start & begins[n]), block.a.eq(self.a),
                         block.b.eq(self.b)]
            product |= Mux(ends[n], block.p, 0)
        m.d.comb += self.p.eq(product)
        return m
