"""Counts of which only one thing is asked: whether there are any."""

from amaranth.hdl import Cat, Mux, Signal

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
    # above 0, 1 and 2
    above = Signal(3, init=sum((init > n) << n for n in range(3)), name=f"{name}_above")
    is_above = (count.any(), count[1:].any(), count[2:].any() | count[:2].all(), count[2:].any())

    def still(flags, n):
        """Whether the count will be above n, of flags that tell it of today's."""
        at_least = (1, *flags)      # 0, 1, and so on
        return Mux(more, Mux(gone, at_least[n + 1], at_least[n]),
                   Mux(gone, at_least[n + 2], at_least[n + 1]))
    m.d.sync += [gone.eq(less), some.eq(Mux(less, still(above, 1), still(above, 0))),
                 above.eq(Cat(still(is_above, n) for n in range(3)))]
    with m.If(more ^ gone):
        m.d.sync += count.eq(count + Mux(gone, -1, 1))
    return some
