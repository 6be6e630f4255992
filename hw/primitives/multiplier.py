"""Multipliers with every register that a DSP block has, so that it runs at the block's speed."""

from amaranth.hdl import Const, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multiplier", "WideMultiplier"]


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

    def elaborate(self, platform):
        m = Module()
        a, b = Signal.like(self.a), Signal.like(self.b)
        pipeline, output = Signal.like(self.p), Signal.like(self.p)
        m.d.sync += [a.eq(self.a), b.eq(self.b), pipeline.eq(a * b), output.eq(pipeline),
                     self.p.eq(output)]
        return m


class WideMultiplier(wiring.Component):
    """Exact product of unsigned operands wider than one block, `LATENCY` cycles after them.

    Made of up to four `Multiplier` on halves of the operands, added in two steps.

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
    HALF = 17  # unsigned bits that fit a signed 18-bit operand

    def __init__(self, a_bits, b_bits):
        super().__init__({"a": In(unsigned(a_bits)), "b": In(unsigned(b_bits)),
                          "p": Out(unsigned(a_bits + b_bits))})

    @classmethod
    def blocks(cls, a_bits, b_bits):
        """Number of `Multiplier` in use."""
        return -(-a_bits // cls.HALF) * -(-b_bits // cls.HALF)

    def _halves(self, operand):
        return [operand[n:n + self.HALF] for n in range(0, len(operand), self.HALF)]

    def elaborate(self, platform):
        m = Module()
        rows = []
        for y, b in enumerate(self._halves(self.b)):
            row = []
            for x, a in enumerate(self._halves(self.a)):
                block = Multiplier(a.shape(), b.shape())
                m.submodules[f"block_{y}{x}"] = block
                m.d.comb += [block.a.eq(a), block.b.eq(b)]
                row.append(block.p << (self.HALF * x))
            rows.append(Signal(unsigned(len(self.a) + len(b)), name=f"row_{y}"))
            m.d.sync += rows[-1].eq(sum(row))
        m.d.sync += self.p.eq(sum(row << (self.HALF * y) for y, row in enumerate(rows)))
        return m
