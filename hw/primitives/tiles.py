"""Memories made of several block RAMs of one device."""

from amaranth.hdl import Cat, Signal
from amaranth.utils import ceil_log2

from .pipeline import delayed

__all__ = ["cut", "tiled"]


def cut(width, depth, aspects):
    """Fewest blocks (columns, rows, bits and words of each); of equals those of fewest rows."""
    cuts = [(-(-width // bits), -(-depth // words), bits, words) for bits, words in aspects]
    return min(cuts, key=lambda cut: (cut[0] * cut[1], cut[1]))


def tiled(m, memory, aspects, block, *, latency):
    """What is read from blocks that hold a `BlockMemory`, `latency` cycles after its address.

    Several rows are told apart after they are read.

    Parameters
    ----------
    aspects : list of (int, int)
        Bits and words that a block may have.
    block : function
        From bits, words, initial words, read address, write enable, address and data of a block
        to its instance and what it reads.
    latency : int
        Of a block.
    """
    width = len(memory.r_data)
    columns, rows, bits, words = cut(width, memory.depth, aspects)
    inner = ceil_log2(words)
    found = []
    for y in range(rows):
        data = []
        for x in range(columns):
            part = slice(x * bits, min(width, (x + 1) * bits))
            first = y * words
            init = [word >> x * bits & (1 << bits) - 1
                    for word in memory.init[first:first + words]]
            enable = memory.w_en & (memory.w_addr[inner:] == y)
            m.submodules[f"block_{y}_{x}"], read = block(
                bits, words, init, memory.r_addr[:inner], enable, memory.w_addr[:inner],
                memory.w_data[part])
            data.append(read)
        found.append(Cat(data)[:width])
    if rows == 1:
        return found[0]
    read = Signal(width, name="row_read")
    with m.Switch(delayed(m, memory.r_addr[inner:], "row", latency)):
        for y, word in enumerate(found):
            with m.Case(y):
                m.d.comb += read.eq(word)
    return read
