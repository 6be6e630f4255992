"""Rows of the input in block RAM: written once, read for every tap."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LineBuffer", "write_port"]


def write_port(address, px, bits):
    """Signature of the write side: `memory` is one-hot, or zero where nothing is written."""
    return wiring.Signature({"address": Out(address), "data": Out(unsigned(bits)),
                             "memory": Out(px)})


class LineBuffer(wiring.Component):
    """`px` memories that share the columns of each row, so that `px` neighbours are read at once.

    Column `x` is in memory `x mod px`. Reads take `kind.LATENCY` cycles.

    Parameters
    ----------
    kind : type
        `BlockMemory` or `SpreadMemory`.
    address : Shape
    px, bits, depth : int
        Memories; bits and number of words of each.

    Members
    -------
    write
        See `write_port`.
    read
        An address for each memory.
    data
        A word from each memory.
    """

    def __init__(self, kind, *, address, px, bits, depth):
        self._kind, self._depth = kind, depth
        super().__init__({"write": In(write_port(address, px, bits)),
                          "read": In(data.ArrayLayout(address, px)),
                          "data": Out(data.ArrayLayout(unsigned(bits), px))})

    def elaborate(self, platform):
        m = Module()
        for n in range(len(self.write.memory)):
            memory = self._kind(width=len(self.write.data), depth=self._depth)
            m.submodules[f"memory_{n}"] = memory
            m.d.comb += [
                memory.w_en.eq(self.write.memory[n]), memory.w_addr.eq(self.write.address),
                memory.w_data.eq(self.write.data),
                memory.r_addr.eq(self.read[n]), self.data[n].eq(memory.r_data),
            ]
        return m
