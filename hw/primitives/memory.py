"""Block memory with one write port and one registered read port."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .devices import elaborated, near, number
from .pipeline import delayed

__all__ = ["BankedMemory", "BlockMemory", "SpreadMemory"]


class BlockMemory(wiring.Component):
    """Memory with a write port and a read port of `LATENCY` cycles, never stalled.

    A word must not be read in the cycle in which it is written: the devices' block memories
    leave undefined what is read then, and the memory is exported without collision logic.

    Parameters
    ----------
    width, depth : int
        Bits of a word, words.
    init : list of int
        First words at power-up; the rest is zero.

    Members
    -------
    r_addr, r_data
        `r_data` is the word at what `r_addr` was `LATENCY` cycles before.
    w_en, w_addr, w_data
        Write port.
    """

    LATENCY = 2  # the array, and the output register without which the array is slow

    def __init__(self, *, width, depth, init=()):
        self._depth = max(2, depth)
        self._init = list(init)
        super().__init__(_ports(BlockMemory.address(depth), width))

    @staticmethod
    def address(depth):
        """Shape of an address."""
        return unsigned(ceil_log2(max(2, depth)))

    @property
    def depth(self):
        """Number of words."""
        return self._depth

    @property
    def init(self):
        """First words at power-up."""
        return self._init

    @staticmethod
    def blocks(device, width, depth):
        """Number of the device's block RAMs in use; None if that is up to the tools."""
        return number(device, "memory_blocks", lambda width, depth: None)(width, max(2, depth))

    def elaborate(self, platform):
        return elaborated(self, platform)

    def portable(self):
        """The form for any device."""
        m = Module()
        m.submodules.array = array = memory.Memory(
            shape=self.r_data.shape(), depth=self._depth, init=self._init,
            attrs={"no_rw_check": 1})
        read, write = array.read_port(), array.write_port()
        m.d.comb += [read.addr.eq(self.r_addr), write.en.eq(self.w_en),
                     write.addr.eq(self.w_addr), write.data.eq(self.w_data),
                     self.r_data.eq(delayed(m, read.data, "output"))]
        return m


class BankedMemory(BlockMemory):
    """Two banks in memories that have a single port: a bank that is written must not be read.

    The bank is the upper bit of an address. Otherwise as `BlockMemory`; there are no first words.

    Parameters
    ----------
    width, depth : int
        Bits of a word, words of a bank.
    """

    def __init__(self, *, width, depth):
        super().__init__(width=width, depth=2 * self.bank(depth))

    @staticmethod
    def address(depth):
        """As of `BlockMemory`."""
        return BlockMemory.address(2 * BankedMemory.bank(depth))

    @staticmethod
    def bank(depth):
        """Words from the beginning of a bank to that of the next one."""
        return 1 << ceil_log2(max(2, depth))

    @staticmethod
    def blocks(device, width, depth):
        """Number of the device's single-port memories in use; None if it has none."""
        depth = 2 * BankedMemory.bank(depth)
        return number(device, "single_port_blocks", lambda width, depth: None)(width, depth)


class SpreadMemory(wiring.Component):
    """A memory of so many blocks that they are all over the device.

    What comes to it is sent to blocks that are near each other first, a cycle before they get it.
    Otherwise as `BlockMemory`.

    Parameters
    ----------
    kind : type
        What it is made of, `BlockMemory` or `BankedMemory`.
    width, depth : int
        Bits of a word, and the depth that `kind` takes.
    init : list of int
        First words at power-up, of a `BlockMemory`.

    Members
    -------
    r_addr, r_data, w_en, w_addr, w_data
        As in `BlockMemory`.
    """

    LATENCY = 1 + BlockMemory.LATENCY

    def __init__(self, kind=BlockMemory, *, width, depth, init=()):
        self._kind, self._depth, self._init = kind, depth, init
        super().__init__(_ports(kind.address(depth), width))

    @staticmethod
    def parts(device, width, depth):
        """Bits of a word that are near each other."""
        part = number(device, "near_bits", lambda width, depth: width)(width, depth)
        return [min(part, width - first) for first in range(0, width, part)]

    @staticmethod
    def blocks(device, width, depth):
        """Number of the block RAMs in use of a device that has some."""
        return sum(BlockMemory.blocks(device, part, depth)
                   for part in SpreadMemory.parts(device, width, depth))

    def elaborate(self, platform):
        m = Module()
        first = 0
        for n, width in enumerate(self.parts(platform, len(self.r_data), self._depth)):
            bits = slice(first, first + width)
            m.submodules[f"part_{n}"] = memory = self._part(bits)
            for name in ("r_addr", "w_en", "w_addr"):
                sent = near(m, platform, getattr(self, name), f"{name}_{n}")
                m.d.comb += getattr(memory, name).eq(sent)
            m.d.comb += [memory.w_data.eq(delayed(m, self.w_data[bits], f"w_data_{n}")),
                         self.r_data[bits].eq(memory.r_data)]
            first += width
        return m

    def _part(self, bits):
        width = bits.stop - bits.start
        words = [word >> bits.start & (1 << width) - 1 for word in self._init]
        return self._kind(width=width, depth=self._depth, **({"init": words} if words else {}))


def _ports(address, width):
    """Members of a memory."""
    return {"r_addr": In(address), "r_data": Out(unsigned(width)),
            "w_en": In(1), "w_addr": In(address), "w_data": In(unsigned(width))}
