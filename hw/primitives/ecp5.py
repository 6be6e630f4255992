"""Forms of the primitives on Lattice ECP5: `MULT18X18D` and `DP16KD`."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, signed
from amaranth.utils import ceil_log2

from .pipeline import delayed
from .tiles import cut, tiled

__all__ = ["CELLS", "PAIR_BLOCKS", "BlockMemory", "Multiplier", "MultiplierPair",
           "memory_blocks", "near_bits", "own_register"]

CELLS = ("CCU2C", "DP16KD", "MULT18X18D", "TRELLIS_FF")
PAIR_BLOCKS = 1     # of a MultiplierPair

OPERAND = signed(18)
OVERLAP = 10    # place of the second of two products that overlap
BORROWED = 6    # and bits by which they do
# tables of a carry chain's look-up tables: what is added to the first bit
AND_AND = 0x7888        # A and B, plus C and D
DIFFERENT = 0xA55A      # A, plus 1 if C and D differ
FIRST_ALONE = 0xAA5A    # A, plus 1 if C without D
ASPECTS = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
ADDRESS_BITS = 14
LUT_DEPTH = 32              # deepest memory that may be LUT RAM: a 2-input mux after 16 words
LUT_CELLS = 16              # 16 x 4 bit cells that are worth one block
NEAR_BLOCKS = 4             # blocks that one address register can be near to
NEAR_LUT_BITS = 16          # bits of LUT RAM, likewise


def scalars(kind, name, value):
    """Connections of a port whose bits are ports of their own."""
    return {f"{kind}_{name}{n}": bit for n, bit in enumerate(value)}


def own_register(m, value, name):
    """`value` a cycle later, in cells of its own: Yosys merges registers that are equal."""
    later = Signal(value.shape(), name=name)
    for n, bit in enumerate(value):
        m.submodules[f"{name}_{n}"] = Instance(
            "TRELLIS_FF", p_GSR="DISABLED", p_CEMUX="1", p_CLKMUX="CLK", p_LSRMUX="LSR",
            p_REGSET="RESET", p_SRMODE="LSR_OVER_CE",
            i_CLK=ClockSignal(), i_DI=bit, o_Q=later[n])
    return later


def _multiplier(m, a, b):
    """Signed product by one block with all its registers, three cycles after its operands."""
    operands = {}
    for name, value in (("A", a), ("B", b)):
        wide = Signal(OPERAND, name=f"block_{name.lower()}")
        m.d.comb += wide.eq(value)
        operands |= scalars("i", name, wide) | {f"i_SIGNED{name}": Const(1),
                                                f"i_SOURCE{name}": Const(0)}
    product = Signal(signed(36))
    # nextpnr's timing knows no path inside the block, so that all registers must be in use
    registers = {f"p_REG_{name}_CLK": "CLK0" for name in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")}
    m.submodules.block = Instance(
        "MULT18X18D", **registers, **operands, **scalars("o", "P", product),
        p_GSR="DISABLED", i_CLK0=ClockSignal(), i_CE0=Const(1), i_RST0=Const(0))
    return product


def Multiplier(c):
    """One block, and a register after it."""
    m = Module()
    # what leaves the block takes long to get away
    m.d.comb += c.p.eq(delayed(m, _multiplier(m, c.a, c.b)[:len(c.p)], "product"))
    return m


def MultiplierPair(c):
    """One block for both products: `a * (b1 * 2**shift + b0)`.

    Where the products do not overlap, the upper one only lacks the borrow of the lower one. Where
    they do, by 6 bits, these are in `a * b1` modulo 64, which look-up tables know by themselves.
    """
    m = Module()
    bits = len(c.p0)
    overlaps = bits + len(c.b1) >= len(Const(0, OPERAND))
    shift = OVERLAP if overlaps else bits
    low = Signal(signed(shift))
    m.d.comb += low.eq(c.b0)
    high = Signal(signed(18 - shift))
    m.d.comb += high.eq(c.b1 - c.b0[-1])
    packed = delayed(m, Cat(low, high).as_signed(), "packed")
    a = own_register(m, c.a, "a_in")
    product = delayed(m, _multiplier(m, a, packed), "product")
    lower, upper = product[:shift], product[shift:shift + bits]
    if overlaps:
        residue = _residue(m, a, delayed(m, c.b1, "b1_in"))
        p0, p1 = _separated(m, len(c.p0), lower, upper, delayed(m, residue, "residue_late"))
    else:
        corrected = (upper + lower[-1])[:bits]
        p0, p1 = delayed(m, delayed(m, lower, "lower"), "p0_out"), delayed(
            m, delayed(m, corrected, "upper"), "p1_out")
    m.d.comb += [c.p0.eq(p0.as_signed()), c.p1.eq(p1.as_signed())]
    return m


def _separated(m, bits, lower, upper, residue):
    """Both products, two cycles later: `upper` is p1 + (p0 >> 10), and `residue` p1 modulo 64."""
    # p0 >> 10 lies in [-32, 31], so that six bits of it are all
    difference = delayed(m, (upper[:BORROWED] - residue)[:BORROWED + 1], "difference")
    above, below = delayed(m, upper[BORROWED:], "above"), delayed(m, lower, "below")
    residue = delayed(m, residue, "residue_last")
    # 1 if the sum of the residue and p0 >> 10 is over 63, -1 if it is negative
    flags = difference[-1], difference[-2]
    corrected = _chain(m, [(DIFFERENT if n == 0 else FIRST_ALONE, bit, Const(0), *flags)
                           for n, bit in enumerate(above)], "corrected")
    p0 = delayed(m, Cat(below, difference[:BORROWED])[:bits], "p0_out")
    p1 = delayed(m, Cat(residue, corrected), "p1_out")
    return p0, p1


def _residue(m, a, b):
    """`a * b` modulo 64, three cycles later, of look-up tables."""
    low = Signal(signed(BORROWED), name="a_low")
    m.d.comb += low.eq(a)
    rows = []
    for n in range(0, BORROWED, 2):
        bits = BORROWED - n
        row = _chain(m, [(AND_AND, low[k], b[n], low[k - 1] if k else Const(0), b[n + 1])
                         for k in range(bits)], f"row_{n // 2}_chain")
        rows.append(delayed(m, row, f"row_{n // 2}") << n)
    first = delayed(m, (rows[0] + rows[1])[:BORROWED], "residue_first")
    return delayed(m, (first + delayed(m, rows[2], "row_2_later"))[:BORROWED], "residue")


def _chain(m, bits, name):
    """Sum of a carry chain whose look-up tables are given: (table, A, B, C, D) for each bit.

    Yosys does not merge logic into a carry chain, which costs tables and time. A table tells
    whether the two bits to add differ, and, while C and D are low, the first of them.
    """
    carry, total = Const(0), Signal(len(bits), name=name)
    bits = [*bits, (0, *[Const(0)] * 4)][:len(bits) + len(bits) % 2]
    for n in range(0, len(bits), 2):
        after, sums = Signal(name=f"{name}_{n // 2}_carry"), Signal(2, name=f"{name}_{n // 2}_sums")
        ports = {}
        for half, (table, *inputs) in enumerate(bits[n:n + 2]):
            ports |= {f"p_INIT{half}": Const(table, 16), f"p_INJECT1_{half}": "NO",
                      f"o_S{half}": sums[half]}
            ports |= {f"i_{letter}{half}": bit for letter, bit in zip("ABCD", inputs)}
        m.submodules[f"{name}_{n // 2}"] = Instance("CCU2C", i_CIN=carry, o_COUT=after, **ports)
        m.d.comb += total[n:n + 2].eq(sums)
        carry = after
    return total


def memory_blocks(width, depth):
    """Block RAMs of a `BlockMemory`: none where LUT RAM is the better choice."""
    columns, rows, _, _ = cut(width, depth, ASPECTS)
    cells = -(-width // 4) * -(-depth // 16)
    return 0 if depth <= LUT_DEPTH and cells <= LUT_CELLS * columns * rows else columns * rows


def near_bits(width, depth):
    """Bits of a word that are in blocks, or in LUT RAM, near each other."""
    if not memory_blocks(width, depth):
        return NEAR_LUT_BITS
    _, _, bits, _ = cut(width, depth, ASPECTS)
    return NEAR_BLOCKS * bits


def BlockMemory(c):
    """Blocks with their output register."""
    if not memory_blocks(len(c.r_data), c.depth):
        return None     # Yosys infers LUT RAM, and the output register is in the same slices
    m = Module()
    m.d.comb += c.r_data.eq(tiled(m, c, ASPECTS, _block, latency=c.LATENCY))
    return m


def _block(bits, words, init, r_addr, w_en, w_addr, w_data):
    """One block, written by port A and read by port B: (instance, what is read)."""
    lanes = ADDRESS_BITS - ceil_log2(words)
    # the lowest bits of the write address of a wide word enable 9 bits each
    enables = {36: w_en.replicate(4), 18: Const(3, 2)}.get(bits, Const(0, 0))
    wide = bits > 18
    read = Signal(bits)
    parameters = {f"p_INITVAL_{n:02X}": value for n, value in _initial_values(bits, init)}
    return Instance(
        "DP16KD", **parameters,
        p_DATA_WIDTH_A=bits, p_DATA_WIDTH_B=bits, p_GSR="DISABLED", p_RESETMODE="SYNC",
        p_REGMODE_A="OUTREG" if wide else "NOREG", p_REGMODE_B="OUTREG",
        **scalars("i", "ADA", _padded(Cat(_padded(enables, lanes), w_addr), ADDRESS_BITS)),
        **scalars("i", "ADB", _padded(Cat(Const(0, lanes), r_addr), ADDRESS_BITS)),
        **scalars("i", "DIA", _padded(w_data[:18], 18)),
        **scalars("i", "DIB", _padded(w_data[18:], 18)),
        **scalars("o", "DOA" if wide else "DOB", read[:18]),
        **scalars("o", "DOB", read[18:]),
        i_WEA=Const(1) if wide else w_en, i_WEB=Const(0),
        **{f"i_{name}{port}": value for port in "AB" for name, value in (
            ("CLK", ClockSignal()), ("CE", Const(1)), ("OCE", Const(1)), ("RST", Const(0)))},
        **scalars("i", "CSA", Const(0, 3)), **scalars("i", "CSB", Const(0, 3))), read


def _padded(value, bits):
    """A value of that many bits, zeros above."""
    return Cat(value, Const(0, bits))[:bits]


def _initial_values(bits, init):
    """(number, value) of the parameters that are not zero: 16 units of 20 bits, the upper 2 unused.

    A unit is half a word of 36 bits, a word of 18, two of 9, or twice 9 bits of which narrower
    words take 8.
    """
    per_unit = {36: 1, 18: 1, 9: 2}.get(bits, 16 // bits)
    values = {}
    for n, word in enumerate(init):
        for half in range(2 if bits == 36 else 1):
            unit, place = (2 * n + half, 0) if bits == 36 else divmod(n, per_unit)
            offset = place * bits
            if bits < 9:
                offset += offset // 8   # bit 8 of each half is unused
            number, unit = divmod(unit, 16)
            values[number] = values.get(number, 0) | (
                word >> 18 * half & (1 << min(bits, 18)) - 1) << 20 * unit + offset
    return [(number, Const(value, 320)) for number, value in values.items() if value]
