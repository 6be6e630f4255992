"""Forms of the primitives on Lattice iCE40: `SB_RAM40_4K`, and an UltraPlus' blocks."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, signed

from .pipeline import delayed
from .tiles import cut, tiled

__all__ = ["CELLS", "FABRIC_OUTPUT", "PAIR_BLOCKS", "PAIR_SPARE", "PART_BITS", "SINGLE_PORT_BLOCKS",
           "BankedMemory", "BlockMemory", "Multiplier", "MultiplierPair", "memory_blocks",
           "multiplier_blocks", "queue_blocks", "single_port_blocks"]

CELLS = ("SB_MAC16", "SB_RAM40_4K", "SB_SPRAM256KA")
SINGLE_PORT_BLOCKS = 4  # of an UltraPlus
PAIR_BLOCKS = 1     # of a MultiplierPair
PAIR_SPARE = 4      # cycles of a MultiplierPair beyond those of its block
FABRIC_OUTPUT = True    # the output register of a block memory is in the fabric
PART_BITS = 16      # unsigned bits of an operand of a block
FLIP_FLOPS = 64     # of a memory that is too small for a block
ASPECTS = ((16, 256), (8, 512), (4, 1024), (2, 2048))


def _block(m, ports, **parameters):
    """An instance with all its registers: nextpnr does not time what is in a block."""
    output = Signal(32)
    zeros = {f"i_{name}": Const(0) for name in (
        "AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP",
        "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI",
        "SIGNEXTIN")}
    registers = {f"p_{name}": Const(1) for name in (
        "A_REG", "B_REG", "C_REG", "D_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG",
        "PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2")}
    selects = {f"p_{half}OUTPUT_SELECT": Const(1, 2) for half in ("TOP", "BOT")}
    # the addend is C or D, not the sum before
    addends = {f"p_{half}ADDSUB_UPPERINPUT": Const(1) for half in ("TOP", "BOT")}
    m.submodules.block = Instance(
        "SB_MAC16", **zeros, **registers, **selects, **addends,
        **{f"p_{name}": value for name, value in parameters.items()},
        **{f"i_{name}": value for name, value in ports.items()},
        i_CLK=ClockSignal(), i_CE=Const(1), o_O=output)
    return output


def _fits(shape):
    return shape.width <= 16


def multiplier_blocks(a, b):
    """Blocks of a `Multiplier`."""
    return 1 if _fits(Const(0, a).shape()) and _fits(Const(0, b).shape()) else None


def Multiplier(c):
    """One block as 16 x 16 bits, if the operands fit."""
    a, b = c.a.shape(), c.b.shape()
    if not multiplier_blocks(a, b):
        return None
    m = Module()
    operands = {}
    for name, value in (("A", c.a), ("B", c.b)):
        operands[name] = Signal(type(value.shape())(16, value.shape().signed), name=name.lower())
        m.d.comb += operands[name].eq(value)
    product = _block(m, operands | {"C": Const(0, 16), "D": Const(0, 16)},
                     A_SIGNED=Const(a.signed), B_SIGNED=Const(b.signed), MODE_8x8=Const(0),
                     TOPADDSUB_LOWERINPUT=Const(2, 2), BOTADDSUB_LOWERINPUT=Const(2, 2),
                     TOPADDSUB_CARRYSELECT=Const(0, 2), BOTADDSUB_CARRYSELECT=Const(0, 2))
    m.d.comb += c.p.eq(product)
    return m


def MultiplierPair(c):
    """One block as twice 8 x 8 bits: of `a` without its lowest bit, for which the block adds `b`.

    The block takes three cycles; those that are left over are spent before it.
    """
    m = Module()
    wait = c.LATENCY - c.late - 3
    a = Signal(signed(9))
    m.d.comb += a.eq(c.a)
    a = delayed(m, a, "a_in", wait)
    ports, lowest = {"A": a[1:].replicate(2)}, []
    for half, value in (("b1", c.b1), ("b0", c.b0)):
        wide = Signal(signed(8), name=half)
        m.d.comb += wide.eq(value)
        operand = delayed(m, wide, f"{half}_in", wait)
        extra = delayed(m, Mux(a[0], operand, 0), f"{half}_extra")
        addend = Signal(signed(16), name=f"{half}_addend")
        m.d.comb += addend.eq(extra.as_signed() >> 1)
        ports[half] = operand
        ports["C" if half == "b1" else "D"] = addend
        lowest.append(delayed(m, extra[0], f"{half}_lowest", 2))
    ports["B"] = Cat(ports.pop("b0"), ports.pop("b1"))
    sums = _block(m, ports, A_SIGNED=Const(1), B_SIGNED=Const(1), MODE_8x8=Const(1),
                  TOPADDSUB_LOWERINPUT=Const(1, 2), BOTADDSUB_LOWERINPUT=Const(1, 2),
                  TOPADDSUB_CARRYSELECT=Const(0, 2), BOTADDSUB_CARRYSELECT=Const(0, 2))
    m.d.comb += [c.p1.eq(Cat(lowest[0], sums[16:]).as_signed()),
                 c.p0.eq(Cat(lowest[1], sums[:16]).as_signed())]
    return m


def memory_blocks(width, depth):
    """Block RAMs of a `BlockMemory`: none where a few flip-flops do."""
    columns, rows, _, _ = cut(width, depth, ASPECTS)
    return 0 if width * depth <= FLIP_FLOPS else columns * rows


def queue_blocks(width, depth):
    """Block RAMs that Yosys makes of a memory whose read port has a register."""
    bits, words = ASPECTS[0]
    return -(-width // bits) * -(-depth // words)


def BlockMemory(c):
    """Blocks, and a register after them, for they have none."""
    if not memory_blocks(len(c.r_data), c.depth):
        return None
    m = Module()
    m.d.comb += c.r_data.eq(delayed(m, tiled(m, c, ASPECTS, _memory, latency=1), "output"))
    return m


def _memory(bits, words, init, r_addr, w_en, w_addr, w_data):
    """One block: (instance, what is read)."""
    # narrow words share a row of 16 bits: each bit is between those of the other words
    lanes = 16 // bits
    read = Signal(bits)
    places = range((lanes - 1) // 2, 16, lanes)
    values = {}
    for n, word in enumerate(init):
        lane, row = divmod(n, 256)
        spread = sum((word >> bit & 1) << bit * lanes + lane for bit in range(bits))
        values[row // 16] = values.get(row // 16, 0) | spread << row % 16 * 16
    mode = Const(lanes.bit_length() - 1, 32)
    instance = Instance(
        "SB_RAM40_4K", p_READ_MODE=mode, p_WRITE_MODE=mode,
        **{f"p_INIT_{n:X}": Const(value, 256) for n, value in values.items() if value},
        i_RCLK=ClockSignal(), i_RCLKE=Const(1), i_RE=Const(1), i_RADDR=_address(r_addr),
        i_WCLK=ClockSignal(), i_WCLKE=Const(1), i_WE=w_en, i_WADDR=_address(w_addr),
        i_MASK=Const(0, 16),
        i_WDATA=Cat(w_data[n // lanes] if n in places and n // lanes < len(w_data) else Const(0)
                    for n in range(16)),
        o_RDATA=Cat(read[n // lanes] if n in places else Signal(name=f"unused_{n}")
                    for n in range(16)))
    return instance, read


def single_port_blocks(width, depth):
    """Single-port memories of a `BankedMemory` of so many words in all."""
    columns, rows, _, _ = cut(width, depth, _single_port_aspects(depth))
    return columns * rows


def BankedMemory(c):
    """Single-port memories, of which no two banks share one, and a register after them."""
    m = Module()
    read = tiled(m, c, _single_port_aspects(c.depth), _single_port, latency=1)
    m.d.comb += c.r_data.eq(delayed(m, read, "output"))
    return m


def _single_port_aspects(depth):
    return [(16, min(16384, depth // 2))]


def _single_port(bits, words, init, r_addr, w_en, w_addr, w_data):
    """One memory: (instance, what is read)."""
    read = Signal(16)
    instance = Instance(
        "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_CHIPSELECT=Const(1), i_WREN=w_en,
        i_ADDRESS=Cat(Mux(w_en, w_addr, r_addr), Const(0, 14))[:14],
        i_MASKWREN=Const(15, 4), i_DATAIN=Cat(w_data, Const(0, 16))[:16],
        i_STANDBY=Const(0), i_SLEEP=Const(0), i_POWEROFF=Const(1), o_DATAOUT=read)
    return instance, read[:bits]


def _address(address):
    return Cat(address, Const(0, 11))[:11]
