"""Dividers of a PLL: the fastest clock that is not above a limit.

The limits are those of Lattice's FPGA-TN-02200 and FPGA-DS-02012 (ECP5), FPGA-TN-02052 and
FPGA-DS-02029 (iCE40), and the cells behave as `ecppll` and `icepll` have it.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf

__all__ = ["Plan", "plan"]

MHZ = 1_000_000


@dataclass(frozen=True)
class Plan:
    """How a PLL makes its clock.

    Attributes
    ----------
    reference : int
        Frequency of the clock that it starts from, in Hz.
    frequency : Fraction
        Frequency of the clock that it makes, in Hz: exact.
    parameters : dict
        Those of the cell that depend on the frequencies.
    """

    reference: int
    frequency: Fraction
    parameters: dict


def plan(target, reference, at_most):
    """The fastest clock of a device family's PLL that is not above a limit.

    Of several ways to make it, it is that with the fastest comparison, thus the least jitter.

    Parameters
    ----------
    target : str
        `ecp5` or `ice40`.
    reference : int
        In Hz.
    at_most : float or Fraction
        The limit, in Hz.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If the PLL makes no clock that slow from that reference.
    """
    if not 0 < at_most < inf:
        raise ValueError(f"clock must be positive, not {at_most / MHZ:g} MHz")
    ways = {"ecp5": _ecp5, "ice40": _ice40}[target](reference, at_most)
    best = max(ways, key=lambda way: way[:2], default=None)
    if best is None:
        raise ValueError(f"clock must be one that the PLL makes from {reference / MHZ:g} MHz, "
                         f"not at most {float(at_most) / MHZ:g} MHz")
    return Plan(reference, best[0], best[2])


def _ecp5(reference, at_most):
    """(frequency, comparison, parameters) of each way of an EHXPLLL with feedback from CLKOP.

    The clock comes from CLKOS: its divider is free, that of CLKOP multiplies.
    """
    for divide in range(1, 41):
        for feedback in range(1, 41):
            comparison = Fraction(reference, divide)
            output = comparison * feedback
            if not (10 * MHZ <= comparison <= 400 * MHZ and output <= 400 * MHZ):
                continue
            for multiply in range(ceil(400 * MHZ / output), int(800 * MHZ / output) + 1):
                slow = max(1, ceil(output * multiply / Fraction(at_most)))
                frequency = output * multiply / slow
                if slow <= 128 and 10 * MHZ <= frequency <= 400 * MHZ:
                    yield frequency, comparison, {
                        "CLKI_DIV": divide, "CLKFB_DIV": feedback,
                        "CLKOP_DIV": multiply, "CLKOP_CPHASE": multiply - 1,
                        "CLKOS_DIV": slow, "CLKOS_CPHASE": slow - 1}


def _ice40(reference, at_most):
    """(frequency, comparison, parameters) of each way of an SB_PLL40 with simple feedback."""
    for divide in range(1, 17):
        comparison = Fraction(reference, divide)
        if not 10 * MHZ <= comparison <= 133 * MHZ:
            continue
        for exponent in range(1, 7):
            fastest = min(Fraction(at_most) * 2**exponent, 1066 * MHZ)
            multiply = min(int(fastest / comparison), 128)
            frequency = comparison * multiply / 2**exponent
            if 533 * MHZ <= comparison * multiply and 16 * MHZ <= frequency <= 275 * MHZ:
                yield frequency, comparison, {
                    "DIVR": divide - 1, "DIVF": multiply - 1, "DIVQ": exponent,
                    "FILTER_RANGE": _filter(comparison)}


def _filter(comparison):
    """Range of the loop filter."""
    limits = (17, 26, 44, 66, 101)
    return 1 + sum(comparison >= limit * MHZ for limit in limits)
