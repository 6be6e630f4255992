"""Multipliers with every register that a DSP block has, so that it runs at the block's speed."""

from amaranth.hdl import Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .devices import elaborated, number
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

    One row for each bit of `b`, added in a tree of two-input adders with a register after each.

    Parameters
    ----------
    a, b : Shape
        Shapes of the operands; `b` has at most 16 bits, and better is the shorter one.

    Members
    -------
    a, b, p
        As in `Multiplier`.
    """

    LATENCY = Multiplier.LATENCY
    ROWS = 1 << LATENCY

    def __init__(self, a, b):
        product = (Const(0, a) * Const(0, b)).shape()
        if len(Const(0, b)) > self.ROWS:
            raise ValueError(f"b must have at most {self.ROWS} bits, not {len(Const(0, b))}")
        super().__init__({"a": In(a), "b": In(b), "p": Out(product)})

    def elaborate(self, platform):
        m = Module()
        bits = len(self.b)
        wait = self.LATENCY - max(1, ceil_log2(bits))
        a, b = delayed(m, self.a, "a_in", wait), delayed(m, self.b, "b_in", wait)
        rows = [Mux(b[n], a, 0) for n in range(bits)]
        level, place = 0, 1     # between neighbours of a level are `place` bits
        while level < self.LATENCY - wait:
            sums = []
            for n in range(0, len(rows), 2):
                low, high = rows[n], rows[n + 1] if n + 1 < len(rows) else Const(0)
                negative = level == 0 and n + 2 >= len(rows) and self.b.shape().signed
                if negative and n + 1 == len(rows):
                    value = -low
                else:
                    value = low - (high << place) if negative else low + (high << place)
                sums.append(delayed(m, value, f"sum_{level}_{n // 2}"))
            rows, level, place = sums, level + 1, 2 * place
        m.d.comb += self.p.eq(rows[0])
        return m


class MultiplierPair(wiring.Component):
    """Two exact products that share an operand, `LATENCY` cycles after them, one pair each cycle.

    Parameters
    ----------
    a_bits : int
        Bits of the shared operand, 2 to 9.
    b_bits : int
        Bits of the others: 4, or 8 for which -128 is not allowed.

    Members
    -------
    a
        Shared operand, signed.
    b0, b1
        The other operands, signed.
    p0, p1
        Products: `a * b0` and `a * b1` of `LATENCY` cycles before.

    Raises
    ------
    ValueError
        For other numbers of bits.
    """

    LATENCY = 7  # packed, three in the block, out of the block, separated, corrected

    def __init__(self, a_bits, b_bits):
        if a_bits not in range(2, 10):
            raise ValueError(f"a_bits must be 2 to 9, not {a_bits!r}")
        if b_bits not in (4, 8):
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

    def elaborate(self, platform):
        return elaborated(self, platform)

    def portable(self):
        """The form for any device."""
        m = Module()
        a = delayed(m, self.a, "a_in", 3)
        for n, (b, p) in enumerate(((self.b0, self.p0), (self.b1, self.p1))):
            product = (a * delayed(m, b, f"b{n}_in", 3))[:len(p)].as_signed()
            m.d.comb += p.eq(delayed(m, product, f"product_{n}", self.LATENCY - 3))
        return m


class WideMultiplier(wiring.Component):
    """Exact product of unsigned operands wider than one block, `LATENCY` cycles after them.

    Made of up to nine `Multiplier` on parts of the operands, added in two steps.

    Parameters
    ----------
    a_bits, b_bits : int
        Widths of the operands, each at most 34.

    Members
    -------
    a, b, p
        As in `Multiplier`.
    """

    LATENCY = Multiplier.LATENCY + 2
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
                m.submodules[f"block_{y // part}{x // part}"] = block
                m.d.comb += [block.a.eq(a), block.b.eq(b)]
                row.append(block.p << x)
            name = f"row_{y // part}"
            total = Signal(unsigned(len(self.a) + len(b)), name=f"{name}_sum")
            m.d.comb += total.eq(sum(row))
            rows.append(delayed(m, total, name) << y)
        total = Signal.like(self.p)
        m.d.comb += [total.eq(sum(rows)), self.p.eq(delayed(m, total, "total_out"))]
        return m
