"""Multiplies an accumulator by a scale and rounds it to a code, exactly as float32 would."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.multiplier import WideMultiplier
from ..primitives.serial import SerialMultiplier, SerialMultipliers
from .delay import delay
from .lookup import pick

__all__ = ["Rounding"]

MANTISSA = 24       # bits of a float32 mantissa
FRACTION = 26       # fraction bits down to half a unit in the last place of a mantissa below 1
HIGH_MUL = 31       # bits below the high part of a product of TFLite


def _shifted(m, value, index, distances, width, name):
    """`value >> distances[index]`, a cycle later: (its `width` lowest bits, any below, any above).

    The distances must not fall. What is below and above is gathered in front of the register, and
    chosen behind it.
    """
    lowest = Signal(min(width, len(value)), name=name)
    lost = Signal(len(distances) - 1, name=f"{name}_lost")          # between two distances
    beyond = Signal(len(distances), name=f"{name}_beyond")          # likewise, above the width
    ends = [*distances[1:], max(len(value) - width, distances[-1])]
    m.d.sync += [
        lowest.eq(pick([value[n:] for n in distances], index)),
        lost.eq(Cat(value[a:b].any() for a, b in zip(distances, distances[1:]))),
        beyond.eq(Cat(value[width + a:width + b].any() for a, b in zip(distances, ends)))]
    if len(index):
        index = delay(m, index, 1, name=f"{name}_index")
    return (lowest, pick([lost[:n].any() for n in range(len(distances))], index),
            pick([beyond[n:].any() for n in range(len(distances))], index))


class Rounding(wiring.Component):
    """`clip(round(value * multiplier / 2**shift) + zero_point)`, ties to even.

    One each `turn_interval` cycles.

    The scheme `onnxruntime` rounds `value` and the product to 24 significant bits first, as
    float32 does. The product is never rounded here: that step can only change the result where it
    moves a value onto a tie, so a value within half a unit in the last place of a tie counts as
    one.

    The scheme `tflite-reference` rounds twice: the product to its bits from 2**31 up, ties up, then
    what is left of it, ties away from zero.

    No stage is longer than one carry chain, or a few LUTs.

    Parameters
    ----------
    program : Program

    Members
    -------
    start
        There is something to round.
    accumulator, bias
        Added to be the value.
    multiplier, shift
        The scale; `shift` counts from the smallest shift of the program.
    code
        The result, `latency` cycles later.
    """

    MAGNITUDE, TO_MANTISSA, HIGH, SHIFT, CODE = 3, 4, 2, 3, 5   # cycles

    def __init__(self, program):
        self._program = program
        self._float = program.quantisation.requant == "onnxruntime"
        self._twice = program.quantisation.requant == "tflite-reference"
        self._excess = self.excess(program)
        self._integer = self.integer_bits(program)
        fields = dict(program.parameter_fields)
        super().__init__({
            "start": In(1), "accumulator": In(signed(program.accumulator_bits)),
            "bias": In(signed(32)),
            "multiplier": In(unsigned(fields["multiplier"])), "shift": In(fields["shift"]),
            "code": Out(program.quantisation.output_bits),
        })

    @staticmethod
    def integer_bits(program):
        """Integer bits that matter: what is larger is clipped in any case."""
        return program.quantisation.output_bits + 1

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

    @staticmethod
    def tie_latency(program):
        """Cycles that tell whether a value counts as a tie."""
        return 2 if program.quantisation.requant == "onnxruntime" else 1

    @classmethod
    def latency(cls, program):
        """Cycles from the accumulator to the code."""
        twice = program.quantisation.requant == "tflite-reference"
        return (cls.value_latency(program) + cls.product_latency(program)
                + (cls.HIGH if twice else 0) + cls.SHIFT + cls.tie_latency(program) + cls.CODE)

    @classmethod
    def value_latency(cls, program):
        """Cycles from the accumulator to the magnitude that is multiplied."""
        return cls.MAGNITUDE + (cls.TO_MANTISSA if cls.excess(program) else 0)

    @staticmethod
    def product_latency(program):
        """Cycles of the product."""
        return (SerialMultiplier.interval(program.quantisation.mantissa_bits)
                if program.serial_requant else WideMultiplier.LATENCY)

    def elaborate(self, platform):
        m = Module()
        magnitude, negative = self._magnitude(m)
        multiplier = delay(m, self.multiplier, self.MAGNITUDE, name="multiplier")
        shift = delay(m, self.shift, self.MAGNITUDE, name="shift")
        if self._excess:
            magnitude, shift = self._round_to_mantissa(m, magnitude, shift)
            multiplier = delay(m, multiplier, self.TO_MANTISSA, name="multiplier_mantissa")
        shift = delay(m, shift, self.product_latency(self._program), name="shift_product")
        product = self._product(m, magnitude, multiplier)
        if self._twice:
            product = self._high(m, product, delay(m, negative, self.product_latency(self._program),
                                                   name="negative_product"))
            shift = delay(m, shift, self.HIGH, name="shift_high")
        integer, fraction, sticky, overflow = self._align(m, product, shift)
        half, below = fraction[-1], Cat(sticky, fraction[:-1])
        saturated = Signal(self._integer)
        m.d.sync += saturated.eq(integer | overflow.replicate(self._integer))
        if self._float:
            up, tie = self._near_tie(m, integer, half, below)
            saturated = delay(m, saturated, 1, name="saturated")
        else:
            up = delay(m, half, 1, name="half")
            tie = Const(0) if self._twice else delay(m, half & ~sticky, 1, name="tie")
        delayed = self.latency(self._program) - self.MAGNITUDE - self.CODE + 1
        self._code(m, saturated, up, tie,
                   delay(m, negative, delayed, name="negative"))
        return m

    def _product(self, m, magnitude, multiplier):
        program, operands = self._program, self.operands(self._program)
        if program.serial_requant:
            product = SerialMultipliers(*operands, interval=program.turn_interval)
            m.d.comb += product.start.eq(
                delay(m, self.start, self.value_latency(program), name="start"))
        else:
            product = WideMultiplier(*operands)
        m.submodules.product = product
        m.d.comb += [product.a.eq(magnitude), product.b.eq(multiplier)]
        return product.p

    def _magnitude(self, m):
        """(magnitude of the value, whether it is negative)."""
        biased = Signal(signed(self._program.biased_bits))
        flipped = Signal(self._program.biased_bits - 1)
        carry = Signal()
        magnitude = Signal(self._program.magnitude_bits)
        negative = Signal()
        m.d.sync += [biased.eq(self.accumulator + self.bias),
                     flipped.eq(biased ^ biased[-1].replicate(len(biased))), carry.eq(biased[-1]),
                     magnitude.eq(flipped + carry), negative.eq(carry)]
        return magnitude, negative

    def _round_to_mantissa(self, m, value, shift):
        """(value rounded to 24 significant bits, shift that is left to do)."""
        # bit n: it is more than n; every 2**k-th of these bits together are bit k of the distance
        more = Signal(self._excess)
        distance = Signal(range(self._excess + 1))
        m.d.sync += [more.eq(Cat(value[MANTISSA + n:].any() for n in range(self._excess))),
                     distance.eq(Cat(more[(1 << k) - 1::1 << k].xor()
                                     for k in range(len(distance))))]
        # bits dropped here need not be shifted out later
        most = Signal(range((1 << len(shift)) + self._excess))
        left = Signal.like(most)
        m.d.sync += [most.eq(delay(m, shift, 1, name="shift_mantissa") + self._excess),
                     left.eq(most - distance)]

        guarded = Cat(Signal(name="no_guard"), delay(m, value, 1, name="magnitude"))
        # every fourth bit counts a coarse step
        steps = more[3::4]
        if len(steps) > 2:
            steps = Cat(steps[(1 << k) - 1::1 << k].xor()
                        for k in range(len(steps).bit_length()))
            places = range(0, self._excess + 1, 4)
        else:
            places = (0, 4, 4, 8)   # of the bits as they are
        coarse, far, _ = _shifted(m, guarded, steps, places, MANTISSA + 4, "coarse")
        fine, near, _ = _shifted(m, coarse, distance[:2], (0, 1, 2, 3), MANTISSA + 1, "fine")
        kept, guard, sticky = fine[1:], fine[0], near | delay(m, far, 1, name="far")
        up = Signal(MANTISSA + 1)
        rounded = Signal(MANTISSA + 1)
        m.d.comb += up.eq(kept + guard)
        # a tie that was rounded up to odd is even without its lowest bit
        m.d.sync += rounded.eq(Cat(up[0] & (~guard | sticky), up[1:]))
        return rounded, delay(m, left, self.TO_MANTISSA - 3, name="left")

    def _high(self, m, product, negative):
        """The product of TFLite's SaturatingRoundingDoublingHighMul: ties of a magnitude go away
        from zero if it is positive, else to it.
        """
        high = Signal(len(product) - HIGH_MUL)
        up = Signal()
        rounded = Signal(len(high) + 1)
        m.d.sync += [high.eq(product[HIGH_MUL:]), rounded.eq(high + up),
                     up.eq(product[HIGH_MUL - 1] & (~negative | product[:HIGH_MUL - 1].any()))]
        return rounded

    def _align(self, m, product, shift):
        """(integer, fraction, any bit below, any bit above) of the shifted product."""
        fraction_bits = FRACTION if self._float else 1
        least = self._program.shift_range[0] - self._excess - (HIGH_MUL if self._twice else 0)
        value, sticky, overflow = product, 0, 0
        if least < fraction_bits:
            value = Cat(Signal(fraction_bits - least, name="zeros"), product)
        elif least > fraction_bits:
            value = product[least - fraction_bits:]
            cut = Signal()
            m.d.sync += cut.eq(product[:least - fraction_bits].any())
            sticky = cut
        width = fraction_bits + self._integer
        for stage in reversed(range(self.SHIFT)):
            value, below, above = _shifted(
                m, value, shift[2 * stage:2 * stage + 2], [n * 4**stage for n in range(4)],
                width + 4**stage - 1, f"aligned_{stage}")
            sticky, overflow = sticky | below, overflow | above
            if stage:
                shift = delay(m, shift[:2 * stage], 1, name=f"shift_{stage}")
                sticky = delay(m, sticky, 1, name=f"sticky_{stage}")
                overflow = delay(m, overflow, 1, name=f"overflow_{stage}")
        integer = Signal(self._integer)
        fraction = Signal(fraction_bits)
        m.d.comb += Cat(fraction, integer).eq(value)
        return integer, fraction, sticky, overflow

    def _near_tie(self, m, integer, half, below):
        """(whether to round up, whether to even), for a value that counts as a tie if near one.

        It does if within half a unit in the last place of the tie: if the bits under the half bit,
        down to that of the half unit, are all 1, or all 0 but for that unit alone. A value in
        [2**e, 2**(e+1)) has the half unit 2**(e-24), e from -1 (integer part 0) up; `below` has
        one sticky bit under the fraction.
        """
        unit, units = FRACTION - 24, self._integer + 1
        top = unit + units
        reached = Signal(self._integer)     # bit n: the half unit is above bit `unit + n`
        low = Signal(top)
        high_zeros, high_ones, half_1, zeros, ones, at, lower, half_2 = (
            Signal(name=name) for name in ("high_zeros", "high_ones", "half_1", "zeros", "ones",
                                           "at", "lower", "half_2"))
        m.d.sync += [
            reached.eq(Cat(integer[n:].any() for n in range(self._integer))), low.eq(below[:top]),
            high_zeros.eq(~below[top:].any()), high_ones.eq(below[top:].all()), half_1.eq(half)]

        # of bit `unit + n`: whether the half unit is above it, and whether it is below it
        above, under = [*reached, 0], [0, *(~r for r in reached)]
        bits = low[unit:]
        m.d.sync += [
            ones.eq(high_ones & Cat(bit | a for bit, a in zip(bits, above)).all()),
            zeros.eq(high_zeros & ~Cat(bit & u for bit, u in zip(bits, under)).any()),
            at.eq(Cat(bit & ~(a | u) for bit, a, u in zip(bits, above, under)).any()),
            lower.eq(low[:unit].any() | Cat(bit & a for bit, a in zip(bits, above)).any()),
            half_2.eq(half_1)]
        return half_2 | ones, Mux(half_2, zeros & ~(at & lower), ones)

    def _code(self, m, integer, up, tie, negative):
        """Round, apply the sign, add the zero point and clip."""
        bits = self._integer
        rounded = Signal(bits + 1)
        total = integer + up
        # a tie that was rounded up to odd is even without its lowest bit
        m.d.sync += rounded.eq(Cat(total[0] & ~tie, total[1:]))
        constants = self._program.requantisation
        flipped = Signal(signed(bits + 2))
        carry, too_low, too_high = (Signal(name=n) for n in ("sign", "too_low", "too_high"))
        value = Signal(signed(bits + 3))
        clipped = Signal(signed(bits + 3))
        m.d.sync += [
            flipped.eq(Cat(rounded, 0) ^ negative.replicate(bits + 2)), carry.eq(negative),
            value.eq(flipped + Mux(carry, constants.zero_point + 1, constants.zero_point)),
            clipped.eq(value), too_low.eq(value < constants.low),
            too_high.eq(value > constants.high), self.code.eq(clipped)]
        with m.If(too_low):
            m.d.sync += self.code.eq(constants.low)
        with m.Elif(too_high):
            m.d.sync += self.code.eq(constants.high)
