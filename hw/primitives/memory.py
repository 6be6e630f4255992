"""Block memory with one write port and one registered read port."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .devices import elaborated, number
from .pipeline import delayed

__all__ = ["BankedMemory", "BlockMemory"]


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
        address = unsigned(ceil_log2(self._depth))
        super().__init__({
            "r_addr": In(address), "r_data": Out(unsigned(width)),
            "w_en": In(1), "w_addr": In(address), "w_data": In(unsigned(width)),
        })

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
    def bank(depth):
        """Words from the beginning of a bank to that of the next one."""
        return 1 << ceil_log2(max(2, depth))

    @staticmethod
    def blocks(device, width, depth):
        """Number of the device's single-port memories in use; None if it has none."""
        depth = 2 * BankedMemory.bank(depth)
        return number(device, "single_port_blocks", lambda width, depth: None)(width, depth)
