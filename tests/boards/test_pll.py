"""Dividers of PLLs, beside what the vendors' limits and the open tools' calculators say."""

import re
import subprocess
from fractions import Fraction

import pytest

from boards.pll import plan
from boards.registry import BOARDS
from sim.synthesis import TOOLS

MHZ = 1_000_000
REFERENCES = sorted({(board.target, board.reference) for board in BOARDS.values()})
LIMITS = (17, 23.7, 40, 47.3, 66.6, 99.9, 133.3, 180, 211.7, 270)


def calculated(target, reference, frequency):
    """(what the tool's calculator finds nearest to a frequency, its comparison), in Hz."""
    name, *options = {"ice40": ("yowasp-icepll",), "ecp5": ("yowasp-ecppll", "--highres")}[target]
    output, divider = {
        "ice40": (r"F_PLLOUT: +([\d.]+) MHz \(achieved\)", r"DIVR: +(\d+)"),
        "ecp5": (r"clkout1 frequency: ([\d.]+) MHz", r"Refclk divisor: (\d+)")}[target]
    text = subprocess.run([TOOLS / name, "-i", f"{reference / MHZ}", "-o",
                           f"{float(frequency) / MHZ}", *options],
                          capture_output=True, text=True).stdout
    divide = int(re.search(divider, text)[1]) + (target == "ice40")
    return MHZ * float(re.search(output, text)[1]), reference / divide


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("target, reference", REFERENCES)
def test_within_the_limits(target, reference, limit):
    found = plan(target, reference, limit * MHZ)
    values = found.parameters
    if target == "ecp5":
        comparison = Fraction(reference, values["CLKI_DIV"])
        feedback = comparison * values["CLKFB_DIV"]
        oscillator = feedback * values["CLKOP_DIV"]
        assert 10 * MHZ <= comparison and feedback <= 400 * MHZ
        assert 400 * MHZ <= oscillator <= 800 * MHZ
        assert found.frequency == oscillator / values["CLKOS_DIV"]
        assert all(1 <= values[name] <= 128 for name in ("CLKI_DIV", "CLKOP_DIV", "CLKOS_DIV"))
    else:
        comparison = Fraction(reference, values["DIVR"] + 1)
        oscillator = comparison * (values["DIVF"] + 1)
        assert 10 * MHZ <= comparison <= 133 * MHZ
        assert 533 * MHZ <= oscillator <= 1066 * MHZ
        assert found.frequency == oscillator / 2**values["DIVQ"]
        assert values["DIVR"] < 16 and values["DIVF"] < 128 and 1 <= values["DIVQ"] <= 6
    assert 0.95 * limit * MHZ < found.frequency <= limit * MHZ


@pytest.mark.parametrize("limit", LIMITS[1::3])
@pytest.mark.parametrize("target, reference", REFERENCES)
def test_as_the_calculators(target, reference, limit):
    """They make what was planned, and know nothing faster below the limit.

    But `ecppll` also compares below 10 MHz, which the data sheet does not allow.
    """
    found = plan(target, reference, limit * MHZ)
    same, _ = calculated(target, reference, found.frequency)
    assert same == pytest.approx(float(found.frequency), rel=1e-4)
    nearest, comparison = calculated(target, reference, limit * MHZ)
    if nearest <= limit * MHZ and comparison >= 10 * MHZ:
        assert nearest <= 1.0001 * found.frequency


@pytest.mark.parametrize("target, limit", [("ice40", 15.9), ("ecp5", 9)])
def test_too_slow(target, limit):
    with pytest.raises(ValueError, match="^clock must be one that the PLL makes from 12 MHz, not "
                                         f"at most {limit} MHz$"):
        plan(target, 12 * MHZ, limit * MHZ)


def test_exact():
    """A reference that does not divide: no rounding on the way."""
    assert plan("ecp5", 100 * MHZ, 133.4 * MHZ).frequency == Fraction(400 * MHZ, 3)


@pytest.mark.parametrize("limit", [0, -1e6, float("inf"), float("nan")])
@pytest.mark.parametrize("target", ["ecp5", "ice40"])
def test_limits_that_are_none(target, limit):
    with pytest.raises(ValueError, match="clock must be positive, not"):
        plan(target, 25_000_000, limit)
