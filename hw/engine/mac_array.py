"""The multipliers: px times po dot products of width pi, every cycle."""

from itertools import product

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..primitives.devices import near_flag, number
from ..primitives.multiplier import LutMultiplier, Multiplier, MultiplierPair
from .delay import delay
from .layouts import Layouts
from .lookup import pick

__all__ = ["MacArray"]


class MacArray(wiring.Component):
    """Accumulates the steps of a group; all `px * po` sums leave together, one group a cycle.

    All `po` output channels share the activations (those of their convolution group), all `px`
    pixels share the weights. Sums are exact. No flow control: what goes in comes out.

    An accumulator is never cleared, it wraps: the sum of a group is what it has gained since the
    end of the group before. So no stage has more than one carry chain, and nothing in front of it.

    Parameters
    ----------
    program : Program

    Members
    -------
    i, i_valid
        What there is to do.
    lines
        A word from each memory of the line buffer, `slack` cycles after `i`.
    weights
        The weight word, as late.
    sums
        Sum of pixel x and output lane o at `[x * po + o]`, `latency(program)` cycles after the
        last step; they stay, with their tag, until there are others.
    o_valid, tag
        Whether there are new sums, and their group.
    """

    def __init__(self, program):
        self._program = program
        layouts = Layouts(program)
        folding = program.folding
        super().__init__({
            "i": In(layouts.mac), "i_valid": In(1),
            "lines": In(data.ArrayLayout(program.line_word_bits, folding.px)),
            "weights": In(program.weight_word_bits),
            "sums": Out(data.ArrayLayout(signed(program.accumulator_bits),
                                         folding.px * folding.po)),
            "o_valid": Out(1), "tag": Out(layouts.tag),
        })

    OPERANDS = 1    # from the memories into registers that are near, pixels in the order of lanes
    ACCUMULATE = 2  # into the accumulator, and out of it as the gain of the group

    @staticmethod
    def multiplier(program):
        """The primitive that makes the products."""
        if program.pack:
            return MultiplierPair
        return LutMultiplier if program.lut_products else Multiplier

    @classmethod
    def latency(cls, program):
        """Cycles from the last step of a group to its sums."""
        return (cls.OPERANDS + cls.multiplier(program).LATENCY + ceil_log2(program.folding.pi)
                + cls.ACCUMULATE)

    @classmethod
    def slack(cls, program, platform):
        """Cycles that the device has to spare: rather than operands, their addresses wait."""
        return cls._spare(program, platform) + cls.OPERANDS - cls._operands(program, platform)

    @staticmethod
    def _spare(program, platform):
        return MultiplierPair.spare(platform) if program.pack else 0

    @classmethod
    def _operands(cls, program, platform):
        """Registers in front of the multipliers; those of the memories may be near enough."""
        near = number(platform, "FABRIC_OUTPUT", False) and program.folding.px == 1
        return 0 if near else cls.OPERANDS

    def elaborate(self, platform):
        m = Module()
        program, folding = self._program, self._program.folding
        pixels = self._rotated(m, platform)
        weights = delay(m, self.weights, self._operands(program, platform), name="weights")
        latency = self.latency(program)
        lanes = delay(m, self.i.lanes & self.i_valid.replicate(folding.px),
                      latency - self.ACCUMULATE - 1, name="lanes")
        last = delay(m, self.i_valid & self.i.last, latency - 2, name="last")
        tag = delay(m, self.i.tag, latency - 1, name="tag")
        now_last = delay(m, last, 1, name="now_last")
        m.d.sync += self.o_valid.eq(now_last)
        with m.If(now_last):
            m.d.sync += self.tag.eq(tag)

        multiply = self._multiply_pairs if program.pack else self._multiply
        for x, pixel in enumerate(pixels):
            for o, products in enumerate(multiply(m, platform, f"multiplier_{x}", pixel, weights)):
                total = self._tree(m, products, f"tree_{x}_{o}")
                sum_ = self.sums[x * folding.po + o]
                now = Signal(sum_.shape(), name=f"accumulator_{x}_{o}")
                before = Signal(sum_.shape(), name=f"before_{x}_{o}")
                with m.If(near_flag(m, platform, lanes[x], f"lane_{x}_{o}")):
                    m.d.sync += now.eq(now + total)
                with m.If(near_flag(m, platform, last, f"last_{x}_{o}")):
                    m.d.sync += [before.eq(now), sum_.eq(now - before)]
        return m

    def _operand(self, pixel, o, i):
        """What input lane i of output lane o multiplies."""
        folding = self._program.folding
        group = o // (folding.po // self._program.layout.parallel_groups)
        return pixel.word_select(group * folding.pi + i, self._program.activation_bits)

    def _weight(self, weights, o, i):
        return weights.word_select(i * self._program.folding.po + o,
                                   self._program.weight_bits)

    def _multiply(self, m, platform, name, pixel, weights):
        """The products of each output lane."""
        program, folding = self._program, self._program.folding
        products = [[] for _ in range(folding.po)]
        for o, i in product(range(folding.po), range(folding.pi)):
            block = self.multiplier(program)(signed(program.activation_bits),
                                             signed(program.weight_bits))
            m.submodules[f"{name}_{o}_{i}"] = block
            m.d.comb += [block.a.eq(self._operand(pixel, o, i)),
                         block.b.eq(self._weight(weights, o, i))]
            products[o].append(block.p)
        return products

    def _multiply_pairs(self, m, platform, name, pixel, weights):
        """The same, two output lanes from one multiplier."""
        program, folding = self._program, self._program.folding
        pair_bits = next(bits for bits in MultiplierPair.B_BITS
                         if program.weight_bits <= bits)
        products = [[] for _ in range(folding.po)]
        for o, i in product(range(0, folding.po, 2), range(folding.pi)):
            pair = MultiplierPair(program.activation_bits, pair_bits,
                                  late=self._spare(program, platform))
            m.submodules[f"{name}_{o}_{i}"] = pair
            m.d.comb += [pair.a.eq(self._operand(pixel, o, i)),
                         pair.b0.eq(self._weight(weights, o, i).as_signed()),
                         pair.b1.eq(self._weight(weights, o + 1, i).as_signed())]
            products[o].append(pair.p0)
            products[o + 1].append(pair.p1)
        return products

    def _rotated(self, m, platform):
        """The pixels in the order of the lanes."""
        px = self._program.folding.px
        rotate = delay(m, self.i.rotate, self.slack(self._program, platform), name="rotate")
        return [delay(m, pick([self.lines[(x + n) % px] for n in range(px)], rotate),
                      self._operands(self._program, platform), name=f"pixel_{x}")
                for x in range(px)]

    @staticmethod
    def _tree(m, terms, name):
        """Sum of the terms, a register after each level of two-input adders."""
        level = 0
        while len(terms) > 1:
            added = []
            for n in range(0, len(terms), 2):
                value = sum(terms[n + 1:n + 2], terms[n])
                added.append(Signal(value.shape(), name=f"{name}_{level}_{n // 2}"))
                m.d.sync += added[-1].eq(value)
            terms, level = added, level + 1
        return terms[0]
