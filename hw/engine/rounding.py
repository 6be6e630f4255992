"""Multiplies an accumulator by a scale and rounds it to a code, exactly as float32 would."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.multiplier import WideMultiplier
from .delay import delay

__all__ = ["Rounding"]

MANTISSA = 24       # bits of a float32 mantissa
INTEGER = 9         # integer bits that matter: what is larger is clipped in any case
FRACTION = 26       # fraction bits down to half a unit in the last place of a mantissa below 1


class Rounding(wiring.Component):
    """`clip(round_half_even(value * multiplier / 2**shift) + zero_point)`, one each cycle.

    The scheme `onnxruntime` rounds `value` and the product to 24 significant bits first, as
    float32 does. The product is never rounded here: that step can only change the result where it
    moves a value onto a tie, so a value within half a unit in the last place of a tie counts as
    one.

    Parameters
    ----------
    program : Program

    Members
    -------
    accumulator, bias
        Added to be the value.
    multiplier, shift
        The scale; `shift` counts from the smallest shift of the program.
    code
        The result, as 8 bits, `latency` cycles later.
    """

    def __init__(self, program):
        self._program = program
        self._float = program.quantisation.requant == "onnxruntime"
        self._excess = self.excess(program)
        fields = dict(program.parameter_fields)
        super().__init__({
            "accumulator": In(signed(program.accumulator_bits)), "bias": In(signed(32)),
            "multiplier": In(unsigned(fields["multiplier"])), "shift": In(fields["shift"]),
            "code": Out(8),
        })

    @staticmethod
    def excess(program):
        """Bits of the magnitude beyond a float32 mantissa, where those matter."""
        exact = program.quantisation.requant == "onnxruntime"
        return max(0, program.magnitude_bits - MANTISSA) if exact else 0

    @classmethod
    def operands(cls, program):
        """Widths of the operands of the wide multiplier."""
        magnitude = MANTISSA + 1 if cls.excess(program) else program.magnitude_bits
        return magnitude, program.quantisation.mantissa_bits

    @classmethod
    def latency(cls, program):
        """Cycles from the accumulator to the code."""
        return 2 + (2 if cls.excess(program) else 0) + WideMultiplier.LATENCY + 2 + 3

    def elaborate(self, platform):
        m = Module()
        biased = Signal(signed(self._program.biased_bits))
        magnitude, negative = Signal(self._program.magnitude_bits), Signal()
        m.d.sync += [biased.eq(self.accumulator + self.bias),
                     magnitude.eq(abs(biased)), negative.eq(biased < 0)]
        multiplier = delay(m, self.multiplier, 2, name="multiplier")
        shift = delay(m, self.shift, 2, name="shift")
        if self._excess:
            magnitude, dropped = self._round_to_mantissa(m, magnitude)
            multiplier = delay(m, multiplier, 2, name="multiplier_mantissa")
            # bits dropped here need not be shifted out later
            total = Signal(range((1 << len(shift)) + self._excess))
            m.d.comb += total.eq(delay(m, shift, 2, name="shift_mantissa")
                                 + self._excess - dropped)
            shift = total
        m.submodules.product = product = WideMultiplier(*self.operands(self._program))
        m.d.comb += [product.a.eq(magnitude), product.b.eq(multiplier)]
        integer, fraction, sticky, overflow = self._align(
            m, product.p, delay(m, shift, product.LATENCY, name="shift_product"))
        self._round(m, integer, fraction, sticky, overflow,
                    delay(m, negative, self.latency(self._program) - 4, name="negative"))
        return m

    def _round_to_mantissa(self, m, value):
        """(value rounded to 24 significant bits, how far it was shifted down), in 2 cycles."""
        kept, guard, sticky, dropped = Signal(MANTISSA), Signal(), Signal(), \
            Signal(range(self._excess + 1))
        m.d.sync += [kept.eq(value), guard.eq(0), sticky.eq(0), dropped.eq(0)]
        for n in range(1, self._excess + 1):  # the highest bit that is set decides
            with m.If(value[MANTISSA + n - 1]):
                m.d.sync += [kept.eq(value[n:]), guard.eq(value[n - 1]), dropped.eq(n),
                             sticky.eq(value[:n - 1].any() if n > 1 else 0)]
        rounded, dropped_later = Signal(MANTISSA + 1), Signal.like(dropped)
        m.d.sync += [rounded.eq(kept + (guard & (sticky | kept[0]))), dropped_later.eq(dropped)]
        return rounded, dropped_later

    def _align(self, m, product, shift):
        """(integer, fraction, any bit below, any bit above) of the shifted product, in 2 cycles."""
        fraction_bits = FRACTION if self._float else 1
        least = self._program.shift_range[0] - self._excess
        if least < fraction_bits:
            value, sticky = Cat(Signal(fraction_bits - least, name="zeros"), product), 0
        else:
            value, sticky = product[least - fraction_bits:], \
                product[:least - fraction_bits].any() if least > fraction_bits else 0
        missing = fraction_bits + INTEGER - len(value)
        if missing > 0:
            value = Cat(value, Signal(missing, name="nothing_above"))
        for half, bits in ((1, range(len(shift) // 2, len(shift))), (0, range(len(shift) // 2))):
            for bit in bits:
                distance = min(1 << bit, len(value))
                sticky = sticky | (shift[bit] & value[:distance].any())
                value = Mux(shift[bit], value[distance:], value)
            stage, sticky_stage = Signal(value.shape(), name=f"aligned_{half}"), \
                Signal(name=f"sticky_{half}")
            m.d.sync += [stage.eq(value), sticky_stage.eq(sticky)]
            value, sticky = stage, sticky_stage
            shift = delay(m, shift, 1, name=f"shift_{half}")
        integer = value[fraction_bits:fraction_bits + INTEGER]
        return integer, value[:fraction_bits], sticky, value[fraction_bits + INTEGER:].any()

    def _round(self, m, integer, fraction, sticky, overflow, negative):
        """Round half to even, apply the sign, add the zero point and clip, in 3 cycles."""
        half, tie = fraction[-1], Signal()
        below = Cat(sticky, fraction[:-1])
        if self._float:
            self._near_tie(m, integer, half, below, tie)
        else:
            m.d.comb += tie.eq(half & ~below.any())
        rounded = Signal(INTEGER + 1)
        m.d.sync += rounded.eq(Mux(overflow, (1 << INTEGER) - 1,
                                   integer + Mux(tie, integer[0], half)))
        constants = self._program.requantisation
        signed_code = Signal(signed(INTEGER + 3))
        m.d.sync += signed_code.eq(Mux(negative, -rounded, rounded) + constants.zero_point)
        with m.If(signed_code < constants.low):
            m.d.sync += self.code.eq(constants.low)
        with m.Elif(signed_code > constants.high):
            m.d.sync += self.code.eq(constants.high)
        with m.Else():
            m.d.sync += self.code.eq(signed_code)

    def _near_tie(self, m, integer, half, below, tie):
        """Within half a unit in the last place of a tie; the unit follows from the integer part.

        A value in [2**e, 2**(e+1)) has the half unit 2**(e-24), e from -1 (integer part 0) up.
        """
        def near(unit):  # `below` has one sticky bit under the fraction
            bit = unit + 1
            above = half & ~below[bit + 1:].any() & (~below[bit] | ~below[:bit].any())
            under = ~half & below[bit:].all()
            return above | under
        m.d.comb += tie.eq(near(FRACTION - 25))
        for n in range(INTEGER):
            with m.If(integer[n]):
                m.d.comb += tie.eq(near(FRACTION - 24 + n))
