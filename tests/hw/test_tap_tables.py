"""The tables of taps against the frame that they are cut by."""

import pytest
from amaranth.hdl import signed
from sample_programs import PROGRAMS, program
from test_lookup import values

from hw.engine.tap_tables import TapTables

AXES = {
    **{f"{name} {axis}": phases for name in PROGRAMS for axis, phases in
       (("rows", program(name).bank.rows), ("columns", program(name).bank.columns))},
    "far before": ((-9, -7), (-8,)), "far beyond": ((3, 5), (4,)),
    "a phase without taps": ((-1, 0), (), (1,)), "nine taps": (tuple(range(-4, 5)),),
}


@pytest.mark.parametrize("phases", AXES.values(), ids=AXES)
def test_phases(phases):
    """Each has a kind, and a place where its taps begin."""
    taps, numbers = TapTables(phases), range(len(phases))
    ordered = [tap for phase in phases for tap in phase]
    assert taps.sizes == sorted(set(map(len, phases)))
    kinds = values(lambda m, i: taps.kind(m, i, name="kind"), 4, numbers)
    starts = values(lambda m, i: taps.start(m, i, name="start"), 4, numbers)
    assert [taps.sizes[kind] for kind in kinds] == list(map(len, phases))
    assert [tuple(ordered[start:start + len(phase)]) for start, phase in zip(starts, phases)] \
        == list(phases)


@pytest.mark.parametrize("phases", AXES.values(), ids=AXES)
def test_taps_inside(phases):
    """Those that are neither cut off before the beginning nor beyond the end of the frame."""
    taps, length = TapTables(phases), 12
    places = [(p, position) for p in range(len(phases)) for position in range(length + 6)]
    cuts = values(lambda m, i: taps.cut(m, i[5:], i[:5], name="cut"), 9,
                [p << 5 | min(position, taps.most) for p, position in places])

    def inside(m, i):
        after = taps.after(m, i[4:].as_signed(), name="after")
        return taps.inside(m, i[:4], after, name="inside")
    distances = [(length - 1 - position) << 4 | p for p, position in places]
    ends = values(inside, signed(12), [d for distance in distances for d in (distance, distance)])
    for (p, position), cut, end in zip(places, cuts, ends[1::2], strict=True):
        kept = [d for d in phases[p] if 0 <= position + d < length]
        assert list(phases[p][cut:max(cut, end)]) == kept
