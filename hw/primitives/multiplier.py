"""Multipliers with every register that a DSP block has, so that it runs at the block's speed."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .devices import elaborated, near, number
from .pipeline import delayed

__all__ = ["LutMultiplier", "Multiplier", "MultiplierPair", "WideMultiplier"]


class Multiplier(wiring.Component):
    """Exact product, `LATENCY` cycles after its operands, one each cycle.

    Parameters
    ----------
    a, b : Shape
        Shapes of the operands, each at most signed(18).

    Members
    -------
    a, b
        Operands.
    p
        Product: `a * b` of `LATENCY` cycles before.
    """

    LATENCY = 4  # input, pipeline and output register of the block, and one in the fabric

    def __init__(self, a, b):
        product = (Const(0, a) * Const(0, b)).shape()
        super().__init__({"a": In(a), "b": In(b), "p": Out(product)})

    @staticmethod
    def blocks(device, a, b):
        """Number of the device's multipliers in use."""
        return number(device, "multiplier_blocks", lambda a, b: 1)(a, b)

    def elaborate(self, platform):
        return elaborated(self, platform)

    def portable(self):
        """The form for any device."""
        m = Module()
        a, b = delayed(m, self.a, "a_in"), delayed(m, self.b, "b_in")
        m.d.comb += self.p.eq(delayed(m, a * b, "product", self.LATENCY - 1))
        return m


class LutMultiplier(wiring.Component):
    """`Multiplier` made of look-up tables alone, for devices without multipliers.

    By Booth's recoding, `b` is a sum of digits -2, -1, 0, 1 and 2, one for each two of its bits,
    each of which makes a row of a few tables. A tree of adders adds the rows.

    Parameters
    ----------
    a, b : Shape
        Shapes of the operands; `b` has at most 8 bits with its sign.

    Members
    -------
    a, b, p
        As in `Multiplier`.
    """

    LATENCY = Multiplier.LATENCY
    MOST_BITS = 8   # of b: two cycles make the rows, and two add four of them

    def __init__(self, a, b):
        product = (Const(0, a) * Const(0, b)).shape()
        if _signed_bits(Const(0, b)) > self.MOST_BITS:
            raise ValueError(f"b must have at most {self.MOST_BITS} bits with its sign, "
                             f"not {_signed_bits(Const(0, b))}")
        super().__init__({"a": In(a), "b": In(b), "p": Out(product)})

    def elaborate(self, platform):
        m = Module()
        levels = ceil_log2(-(-_signed_bits(self.b) // 2))
        wait = self.LATENCY - 2 - levels
        a = Signal(signed(_signed_bits(self.a)))
        b = Signal(signed(2 << levels))
        m.d.comb += [a.eq(delayed(m, self.a, "a_wait", wait)),
                     b.eq(delayed(m, self.b, "b_wait", wait))]
        operands = delayed(m, a, "a_in"), delayed(m, -a, "minus_in")
        digits = Cat(Const(0, 1), b)
        rows = [self._row(m, operands, digits[2 * n:2 * n + 3], f"row_{n}", n + 1 == 1 << levels)
                for n in range(1 << levels)]
        for level in range(levels):
            rows = [self._sum(m, low, high, 2 << level, f"sum_{level}_{n}")
                    for n, (low, high) in enumerate(zip(rows[::2], rows[1::2]))]
        m.d.comb += self.p.eq(rows[0][0])
        return m

    @staticmethod
    def _row(m, operands, digit, name, highest):
        """(product of a digit, what it lacks), two cycles later.

        The complement lacks 1 to the negative. The highest row must not lack anything, since there
        is no row above it with room for that.
        """
        zero = delayed(m, digit.all() | ~digit.any(), f"{name}_zero")
        twice = delayed(m, digit[0] == digit[1], f"{name}_twice")
        negative = delayed(m, digit[2], f"{name}_negative")
        a, minus = operands
        opposite, lacks = (minus, Const(0, 1)) if highest else (~a, negative)
        once = Mux(negative, opposite, a)
        product = Mux(twice, Cat(lacks, once).as_signed(), once)
        return (delayed(m, Mux(zero, 0, product), name),
                delayed(m, lacks & ~zero, f"{name}_lacks"))

    @staticmethod
    def _sum(m, low, high, place, name):
        """Sum of two rows with `place` bits between them, and what it lacks: that of the upper one.

        What the lower one lacks belongs two bits below the upper one, where there is nothing yet.
        """
        (low, lacks), (high, high_lacks) = low, high
        addend = Cat(Const(0, place - 2), lacks, Const(0, 1), high).as_signed()
        return delayed(m, low + addend, name), delayed(m, high_lacks, f"{name}_lacks")


def _signed_bits(value):
    """Bits of a value as a signed number."""
    return len(value) + (not value.shape().signed)


class MultiplierPair(wiring.Component):
    """Two exact products that share an operand, `LATENCY` cycles after them, one pair each cycle.

    Parameters
    ----------
    a_bits : int
        Bits of the shared operand, of `A_BITS`.
    b_bits : int
        Bits of the others, of `B_BITS`: 4, or 8 for which -128 is not allowed.
    late : int
        Cycles that the latency is to be less, at most `spare` of the device.

    Members
    -------
    a
        Shared operand, signed.
    b0, b1
        The other operands, signed.
    p0, p1
        Products: `a * b0` and `a * b1` of `LATENCY - late` cycles before.

    Raises
    ------
    ValueError
        For other numbers of bits.
    """

    LATENCY = 7  # packed, three in the block, out of the block, separated, corrected
    A_BITS, B_BITS = range(2, 10), (4, 8)

    def __init__(self, a_bits, b_bits, *, late=0):
        self.late = late
        if a_bits not in self.A_BITS:
            raise ValueError(f"a_bits must be 2 to 9, not {a_bits!r}")
        if b_bits not in self.B_BITS:
            raise ValueError(f"b_bits must be 4 or 8, not {b_bits!r}")
        # without -128 the product of two most negative numbers needs no bit of its own
        product = signed(a_bits + b_bits - (b_bits == 8))
        super().__init__({"a": In(signed(a_bits)),
                          "b0": In(signed(b_bits)), "b1": In(signed(b_bits)),
                          "p0": Out(product), "p1": Out(product)})

    @staticmethod
    def blocks(device):
        """Number of the device's multipliers in use."""
        return number(device, "PAIR_BLOCKS", 2)

    @staticmethod
    def spare(device):
        """Cycles of the latency in which the device's form would only wait."""
        return number(device, "PAIR_SPARE", 0)

    def elaborate(self, platform):
        return elaborated(self, platform)

    def portable(self):
        """The form for any device."""
        m = Module()
        a = delayed(m, self.a, "a_in", 3)
        for n, (b, p) in enumerate(((self.b0, self.p0), (self.b1, self.p1))):
            product = (a * delayed(m, b, f"b{n}_in", 3))[:len(p)].as_signed()
            m.d.comb += p.eq(delayed(m, product, f"product_{n}", self.LATENCY - self.late - 3))
        return m


class WideMultiplier(wiring.Component):
    """Exact product of unsigned operands wider than one block, `LATENCY` cycles after them.

    Made of `Multiplier` on parts of the operands, 9 where they are widest, which are sent to each
    of them first; added in two steps.

    Parameters
    ----------
    a_bits, b_bits : int
        Widths of the operands, each at most 51.

    Members
    -------
    a, b, p
        As in `Multiplier`.
    """

    LATENCY = 1 + Multiplier.LATENCY + 2
    PART_BITS = 17  # unsigned bits that fit a signed 18-bit operand

    def __init__(self, a_bits, b_bits):
        super().__init__({"a": In(unsigned(a_bits)), "b": In(unsigned(b_bits)),
                          "p": Out(unsigned(a_bits + b_bits))})

    @classmethod
    def blocks(cls, device, a_bits, b_bits):
        """Number of the device's multipliers in use."""
        part = number(device, "PART_BITS", cls.PART_BITS)
        return -(-a_bits // part) * -(-b_bits // part)

    def elaborate(self, platform):
        m = Module()
        part = number(platform, "PART_BITS", self.PART_BITS)
        rows = []
        for y in range(0, len(self.b), part):
            row, b = [], self.b[y:y + part]
            for x in range(0, len(self.a), part):
                a = self.a[x:x + part]
                block = Multiplier(a.shape(), b.shape())
                name = f"block_{y // part}{x // part}"
                m.submodules[name] = block
                m.d.comb += [block.a.eq(near(m, platform, a, f"{name}_a")),
                             block.b.eq(near(m, platform, b, f"{name}_b"))]
                row.append(block.p << x)
            name = f"row_{y // part}"
            total = Signal(unsigned(len(self.a) + len(b)), name=f"{name}_sum")
            m.d.comb += total.eq(sum(row))
            rows.append(delayed(m, total, name) << y)
        total = Signal.like(self.p)
        m.d.comb += [total.eq(sum(rows)), self.p.eq(delayed(m, total, "total_out"))]
        return m
