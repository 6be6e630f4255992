"""Which taps of a phase are inside the frame, as small tables of the distances to its edges."""

from amaranth.hdl import Const, Mux

from .delay import delay
from .lookup import clamp, lookup, table

__all__ = ["TapTables"]


class TapTables:
    """The taps of all phases of one axis, one after the other, each phase in ascending order.

    Those inside the frame are a first one and a count: `cut` lie before its beginning, and
    `inside` is where those beyond its end begin. Distances are limited to what matters.

    Where edges are repeated, no tap is left out, and those of a phase at an edge follow after all
    others: with the first one moved inside, with the last one, and with both.

    Parameters
    ----------
    phases : tuple of tuple of int
        Offsets of the taps of each phase.
    clamps : bool
        Whether edges are repeated; no tap is then more than one position outside.

    Attributes
    ----------
    offsets : list of int
        Offset of each tap.
    most : int
        From this distance on, no tap lies before the beginning.
    sizes : list of int
        Numbers of taps that phases have; a *kind* is an index into it.
    """

    def __init__(self, phases, clamps=False):
        self._phases, self._clamps = phases, clamps
        self.offsets = offsets = [d for taps in phases for d in taps]
        self._total = len(offsets)
        if clamps:
            self.offsets = [min(max(d, low), max(taps) - back) for back in (0, 1)
                            for low in (min(offsets), 0) for taps in phases for d in taps]
        self.most = max(1, -min(offsets))
        self._low, self._high = min(0, *offsets) - 1, max(0, *offsets)
        self.sizes = sorted({len(taps) for taps in phases})

    def start(self, m, phase, *, name):
        """Number of the first tap of a phase."""
        starts = [sum(map(len, self._phases[:n])) for n in range(len(self._phases))]
        return lookup(m, phase, starts, name=name)

    def kind(self, m, phase, *, name):
        """Which of `sizes` a phase has."""
        return lookup(m, phase, [self.sizes.index(len(taps)) for taps in self._phases], name=name)

    def size(self, m, phase, *, name):
        """Number of taps of a phase, two cycles later, where `choose` wants to know it."""
        if not self._clamps:
            return Const(0)
        return delay(m, lookup(m, phase, list(map(len, self._phases)), name=name), 2, name=name)

    def left_out(self, cut):
        """How many taps are not walked, of the `cut` that lie before the beginning."""
        return Const(0) if self._clamps else cut

    def choose(self, start, cut, inside, size):
        """(first, count) of the taps that count, of a phase with that `start`, `cut` and so on."""
        if self._clamps:
            return (start + Mux(cut.any(), self._total, 0)
                    + Mux(inside != size, 2 * self._total, 0), size)
        return start + cut, Mux(inside > cut, inside - cut, 0)

    def cut(self, m, phase, before, *, name):
        """Taps before the beginning, `before` positions away (0..most)."""
        return table(m, phase, before, [[sum(d < -n for d in taps) for n in range(self.most + 1)]
                                        for taps in self._phases], name=name)

    def after(self, m, distance, *, name):
        """A distance to the end, limited to what `inside` wants to know, a cycle later."""
        return clamp(m, distance, self._low, self._high, name=name)

    def inside(self, m, phase, after, *, name):
        """Taps that do not lie beyond the end, by what `after` made of the distance."""
        return table(m, phase, after, [[sum(d <= n for d in taps)
                                        for n in range(self._low, self._high + 1)]
                                       for taps in self._phases], name=name)
