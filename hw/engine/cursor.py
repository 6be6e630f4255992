"""Where in the line buffer the next word of the input goes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .layouts import up_to

__all__ = ["Cursor"]


class Cursor(wiring.Component):
    """Walks the words of incoming pixels through `px` memories that share the columns.

    Column `x` lies in memory `x mod px`; rows lie one after the other in a circle.

    Parameters
    ----------
    words : int
        Words of one pixel.
    row_words, rows : int
        Words of one row in one memory; rows of the circle.
    px : int
        Memories.

    Members
    -------
    next_word, next_pixel, next_row
        Advance; `next_pixel` and `next_row` come with the last `next_word` of a pixel or row.
    address, memory
        Where the word of this cycle goes; `memory` is one-hot.
    """

    def __init__(self, *, words, row_words, rows, px):
        self._words, self._row_words, self._rows, self._px = words, row_words, rows, px
        super().__init__({
            "next_word": In(1), "next_pixel": In(1), "next_row": In(1),
            "address": Out(up_to(row_words * rows - 1)), "memory": Out(px, init=1),
        })

    def elaborate(self, platform):
        m = Module()
        following = Signal.like(self.address, init=self._row_words if self._rows > 1 else 0)
        with m.If(self.next_row):
            m.d.sync += [self.address.eq(following), self.memory.eq(1)]
            with m.If(following == self._row_words * (self._rows - 1)):
                m.d.sync += following.eq(0)
            with m.Else():
                m.d.sync += following.eq(following + self._row_words)
        with m.Elif(self.next_pixel & ~self.memory[-1]):
            m.d.sync += [self.address.eq(self.address - (self._words - 1)),
                         self.memory.eq(self.memory << 1)]
        with m.Elif(self.next_word):
            m.d.sync += self.address.eq(self.address + 1)
            with m.If(self.next_pixel):
                m.d.sync += self.memory.eq(1)
        return m
