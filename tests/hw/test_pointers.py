"""The running addresses against counting, and the ledger of rows against its invariants."""

import random

import pytest
from amaranth.hdl import signed, unsigned
from bench_helpers import clocked

from hw.engine.pointers import PhasePointer, PositionPointer, RowLedger


@pytest.mark.parametrize("sizes", ([[3]], [[4, 2], [1, 5]], [[2], [7], [3]]))
def test_phase_pointer_follows_the_stored_order(sizes):
    rng = random.Random(len(sizes))
    row_kinds = [rng.randrange(len(sizes)) for _ in range(3)]
    column_kinds = [rng.randrange(len(sizes[0])) for _ in range(4)]
    row_sizes = [sum(line[kind] for kind in column_kinds) for line in sizes]
    dut = PhasePointer(shape=unsigned(12), group_sizes=sizes, row_sizes=row_sizes,
                       kinds=(unsigned(2), unsigned(1)))
    inputs, expected = [], []
    for base in (0, 700, 40):
        inputs.append({"base": base, "load": 1, "next": rng.getrandbits(1)})
        expected.append(None)
        rows, blocks = rng.randint(1, 7), rng.randint(1, 3)
        for line in range(rows):
            p = line % 3
            start = base + sum(row_sizes[kind] for kind in row_kinds[:p])
            for block in range(blocks):
                for q, kind in enumerate(column_kinds):
                    address = start + sum(sizes[row_kinds[p]][k] for k in column_kinds[:q])
                    for step in range(rng.randrange(2), -1, -1):
                        end = q == 3
                        inputs.append({
                            "load": 0, "base": rng.getrandbits(12), "next": not step,
                            "row_kind": row_kinds[p], "column_kind": kind, "restart": end,
                            "next_row": end and block == blocks - 1, "first_row": p == 2})
                        expected.append(address)
    seen = clocked(dut, inputs, ("address",))
    assert [e if e is None else address for (address,), e in zip(seen, expected)] == expected


@pytest.mark.parametrize("blocks, words", ((1, 1), (1, 4), (3, 1), (2, 5)))
def test_position_pointer(blocks, words):
    rng = random.Random(blocks)
    dut = PositionPointer(shape=unsigned(10), pixel_words=blocks * words, block_words=words)
    inputs, expected = [], []
    for columns in (4, 1, 6):
        for j in range(columns):
            for q in range(2):
                for b in range(blocks):
                    end_b = b == blocks - 1
                    end_j = end_b and q == 1
                    for pause in range(rng.randrange(2), -1, -1):
                        inputs.append({
                            "next_channels": not pause, "first_channels": not pause and end_b,
                            "next_columns": not pause and end_j,
                            "first_columns": not pause and end_j and j == columns - 1})
                        expected.append([(j * blocks + b) * words])
    assert clocked(dut, inputs, ("address",)) == expected


LEDGERS = {
    "upsampling by two": ((-1, 0), (0, 1)), "one row": ((0,),), "far above": ((-9, -7), (-8,)),
    "far below": ((3, 5), (4,)), "a phase without taps": ((-1, 0), (), (1,)),
    "nine taps": (tuple(range(-4, 5)),), "the first phase reaches lowest": ((2, 4), (-3,), (0,)),
}


@pytest.mark.parametrize("phases", LEDGERS.values(), ids=LEDGERS)
@pytest.mark.parametrize("beyond", (-2, 0, 3))
def test_row_ledger(phases, beyond):
    """`beyond`: output positions that follow the last input row (or are missing)."""
    rng, most = random.Random(beyond), 6
    dut = RowLedger(phases=phases, height=most, below=signed(8))
    inputs, groups = [], []
    for height in (most, 3, 3 + beyond % 3, most):
        inputs.append({"load": 1, "rows": height, "next": 0})
        groups.append(None)
        lines = (height + beyond) * len(phases) - rng.randrange(len(phases))
        for n in range(lines):
            i, p = divmod(n, len(phases))
            size = rng.randint(1, 3)
            for g in range(size):
                inputs.append({"load": 0, "phase": p, "below": height - 1 - i, "next": 1,
                               "last_phase": p == len(phases) - 1, "last_line": n == lines - 1,
                               "end_of_line": g == size - 1})
                groups.append((height, i, p, g == 0, g == size - 1, n == lines - 1))
    lowest, totals = min(d for taps in phases for d in taps), None
    for (need, release), group in zip(clocked(dut, inputs, ("need", "release")), groups):
        if group is None:
            assert totals is None or totals == [height, height]
            totals = [0, 0]
            continue
        height, i, p, first, end, last = group
        assert first or not need, "rows are needed from the first group of a line on"
        assert end or not release, "rows are handed back by the last group of a line"
        before = totals.copy()
        totals[0] += need
        totals[1] += release
        assert totals[1] <= totals[0] <= height
        reached = min(height, max((i + d + 1 for d in phases[p]), default=0))
        assert totals[0] == (height if last else max(before[0], reached))
        if end and not last:
            done = min(i + 1 + lowest, totals[0]) if p == len(phases) - 1 else 0
            assert totals[1] == max(before[1], done)
    assert totals == [height, height]
