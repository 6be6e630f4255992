"""Counts of which only one thing is asked: whether there are any."""

from amaranth.hdl import Mux, Signal

__all__ = ["some_left"]


def some_left(m, more, less, *, most, init, name):
    """Return whether a count is above 0; `more` and `less` of a cycle count in the next one.

    Made for a `less` that is late in its cycle because it depends on the result: it chooses between
    two outcomes, and reaches the count itself a cycle later. `more` had better be a register.

    Parameters
    ----------
    more, less : Value
        One comes, one goes; `less` only while there are any.
    most, init : int
        Largest count, and the first one.
    """
    count = Signal(range(max(2, most) + 1), init=init, name=name)
    some = Signal(init=init > 0, name=f"{name}_some")
    gone = Signal(name=f"{name}_gone")      # in the cycle before, and still counted
    above = {-1: 1, 0: count.any(), 1: count[1:].any(), 2: count[2:].any() | count[:2].all()}

    def left(n):
        return Mux(more, Mux(gone, above[n], above[n - 1]), Mux(gone, above[n + 1], above[n]))
    m.d.sync += [gone.eq(less), some.eq(Mux(less, left(1), left(0)))]
    with m.If(more ^ gone):
        m.d.sync += count.eq(count + Mux(gone, -1, 1))
    return some
