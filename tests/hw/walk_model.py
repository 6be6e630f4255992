"""The walk over a frame, written out from the order that `hw.program` promises.

Loops over pixels, phases and taps, and finds every address by counting: no pointers, no tables of
distances. What a stage is free to choose (an address of a lane outside the frame, a tap of a group
that has none) is left out of the dictionaries, so `matches` does not look at it.
"""

from functools import cached_property
from itertools import product

import numpy as np


def matches(seen, expected):
    """Whether all that is expected was seen; a field that the hardware does not have is 0."""
    if isinstance(expected, dict):
        return all(matches(seen.get(name, 0) if isinstance(seen, dict) else seen[name], value)
                   for name, value in expected.items())
    return expected is None or seen == expected


def assert_matches(seen, expected):
    assert len(seen) == len(expected)
    for n, (one, other) in enumerate(zip(seen, expected)):
        for name, value in other.items():
            assert name == "_at" or matches(one.get(name, 0), value), \
                f"item {n}: {name} is {one.get(name, 0)}, not {value}: {one}, not {other}"


class Group:
    """One group of results: output row n, columns from j on, phase q, channel block b, group g."""

    def __init__(self, walk, n, j, q, b, g):
        program, bank = walk.program, walk.program.bank
        self.walk, self.n, self.j, self.q, self.b, self.g = walk, n, j, q, b, g
        self.i, self.p = divmod(n, len(bank.rows))
        self.dys, self.dxs = bank.rows[self.p], bank.columns[q]
        self.pixels = walk.out_width - j * len(bank.columns)
        px = program.folding.px
        self.rows = [t for t, d in enumerate(self.dys) if 0 <= self.i + d < walk.height]
        self.columns = [t for t, d in enumerate(self.dxs)
                        if any(0 <= j + lane + d < walk.width for lane in range(px))
                        ] if q < self.pixels else []

    @property
    def tag(self):
        layout, px = self.walk.program.layout, self.walk.program.folding.px
        beat = self.q * px < self.pixels
        channels_end = (self.b, self.g) == (layout.blocks - 1, layout.block_outputs - 1)
        last = beat and channels_end and self.pixels <= (self.q + 1) * px
        number = self.b * layout.block_outputs + self.g
        if self.walk.program.bank.per_phase_parameters:
            phases = self.walk.program.phases
            number += (self.p * phases[1] + self.q) * layout.output_beats
        first = not any((self.n, self.j, self.q, self.b, self.g))
        return {"beat": int(beat), "first": int(first),
                "last": int(last), "end": int(last and self.n == self.walk.out_height - 1),
                "bank": self.walk.bank, "parameters": number}

    def stored(self, words):
        """Place of what is stored in program order, `words` for a tap, for each tap inside."""
        rows, columns = self.walk.program.bank.rows, self.walk.program.bank.columns
        layout = self.walk.program.layout
        before = sum(len(rows[p]) * len(columns[q]) * layout.output_beats
                     for p, q in product(range(len(rows)), range(len(columns)))
                     if (p, q) < (self.p, self.q))
        before += ((self.b * layout.block_outputs + self.g) * len(self.dys) * len(self.dxs))
        return {(y, x): (before + y * len(self.dxs) + x) * words
                for y in self.rows for x in self.columns}

    def bank_offset(self):
        return self.walk.bank * self.walk.program.steps

    def payload(self):
        """What the raster walk says of this group."""
        program, layout = self.walk.program, self.walk.program.layout
        bank, words = program.bank, layout.block_inputs
        block = self.j // program.folding.px
        group = {"tag": self.tag, "release": self.release, "need": self.need,
                 "slot": (self.walk.slot + self.i) % program.line_rows,
                 "row_taps": None if not self.columns else len(self.rows),
                 "column_taps": len(self.columns),
                 "position": block * layout.input_beats + self.b * words}
        if self.rows and self.columns:
            first = self.rows[0], self.columns[0]
            group |= {
                "row_tap": sum(map(len, bank.rows[:self.p])) + first[0],
                "column_tap": sum(map(len, bank.columns[:self.q])) + first[1],
                "weight": self.bank_offset() + self.stored(words)[first],
                "weight_row": len(self.dxs) * words}
            if program.looks_ahead:
                group |= {"flag": self.stored(program.flag_words)[first],
                          "flag_row": len(self.dxs) * program.flag_words,
                          "flag_position": (block * layout.blocks + self.b) * program.flag_words}
        return group

    def visits(self):
        """The taps inside the frame (their flag words), each as the address stage tells them.

        `_at` is for other models: input row, column of the first lane, channel block, first word.
        """
        program, layout = self.walk.program, self.walk.program.layout
        words = program.flag_words if program.looks_ahead else 1
        size = program.flag_bits if program.looks_ahead else layout.block_inputs
        weights, flags = self.stored(layout.block_inputs), self.stored(program.flag_words)
        found = []
        for y, x, word in product(self.rows, self.columns, range(words)):
            visit = {"weight": self.bank_offset() + weights[y, x] + word * size,
                     "length": min(size, layout.block_inputs - word * size), "last": 0,
                     "tag": self.tag, "release": {"rows": 0, "frame": 0}, "need": 0,
                     "_at": (self.i + self.dys[y], self.j + self.dxs[x], self.b, word * size),
                     **self._places(y, x, word, size)}
            if program.looks_ahead:
                visit["flag"] = flags[y, x] + word
            found.append(visit)
        found = found or [{"tag": self.tag, "length": 0}]
        found[0]["need"] = self.need
        found[-1] |= {"last": 1, "release": self.release}
        return found

    def _places(self, y, x, word, size):
        """Addresses of the lanes inside the frame, by definition of the line buffer."""
        program, layout = self.walk.program, self.walk.program.layout
        px = program.folding.px
        slot = (self.walk.slot + self.i + self.dys[y]) % program.line_rows
        lines, flag_lines, lanes, first = {}, {}, 0, self.j + self.dxs[x]
        for lane in range(px):
            column = first + lane
            if 0 <= column < self.walk.width:
                lanes |= 1 << lane
                lines[column % px] = (slot * program.row_words + column // px * layout.input_beats
                                      + self.b * layout.block_inputs + word * size)
                per_pixel = layout.blocks * program.flag_words
                flag_lines[column % px] = (
                    slot * -(-program.width // px) * per_pixel + column // px * per_pixel
                    + self.b * program.flag_words + word)
        places = {"lines": lines, "rotate": first % px, "lanes": lanes}
        if program.skip_zeros:
            places["flag_lines"] = flag_lines
        return places


class Walk:
    """All groups of one frame, in order.

    Parameters
    ----------
    program : Program
    height, width : int
        Of the input frame.
    slot, bank : int
        Row of the circle in which the frame begins; bank of its weights.
    """

    def __init__(self, program, height, width, slot=0, bank=0):
        self.program, self.height, self.width = program, height, width
        self.slot, self.bank = slot, bank
        self.out_height, self.out_width = program.layer.output_size(height, width)

    @property
    def frame(self):
        """What the input side says of the frame."""
        return {"last_row": self.height - 1, "last_column": self.width - 1,
                "out_height": self.out_height, "out_width": self.out_width,
                "slot": self.slot, "bank": self.bank}

    @cached_property
    def groups(self):
        px, phases = self.program.folding.px, self.program.phases[1]
        layout = self.program.layout
        lines = [[Group(self, n, j, q, b, g)
                  for j in range(0, -(-self.out_width // phases), px)
                  for q in range(phases) if px > 1 or j * phases + q < self.out_width
                  for b in range(layout.blocks) for g in range(layout.block_outputs)]
                 for n in range(self.out_height)]
        self._count_rows(lines)
        return sum(lines, [])

    def _count_rows(self, lines):
        """The rows that each line needs first, and needs last: a row goes when no line is left."""
        height, bank = self.height, self.program.bank
        lowest = min(d for taps in bank.rows for d in taps)
        needed = released = 0
        for n, groups in enumerate(lines):
            i, p = divmod(n, len(bank.rows))
            reaches = min(max([i + d + 1 for d in bank.rows[p]], default=0), height)
            need = height if n == self.out_height - 1 else max(needed, reaches)
            release = released
            if p == len(bank.rows) - 1:
                release = max(released, min(i + 1 + lowest, need))
            if n == self.out_height - 1:
                release = height
            for group in groups:
                group.need, group.release = 0, {"rows": 0, "frame": 0}
            groups[0].need = need - needed
            groups[-1].release = {"rows": release - released,
                                  "frame": int(n == self.out_height - 1)}
            needed, released = need, release

    def visits(self):
        return [visit for group in self.groups for visit in group.visits()]

    def steps(self, live=lambda visit, step: True):
        """The MAC steps, without those of which `live(visit, step)` says no."""
        found = []
        for group in self.groups:
            steps = [{"weight": visit["weight"] + n,
                      "lines": {k: a + n for k, a in visit["lines"].items()},
                      "mac": {"rotate": visit["rotate"], "lanes": visit["lanes"]}}
                     for visit in group.visits() for n in range(visit["length"]) if live(visit, n)]
            steps = steps or [{"mac": {"lanes": 0}}]
            for n, step in enumerate(steps):
                step["mac"] |= {"tag": group.tag, "first": int(n == 0),
                                "last": int(n == len(steps) - 1)}
            found += steps
        return found


def sizes(program, rng, count=3):
    """The largest frame, the smallest one, and others."""
    smallest = program.smallest(0), program.smallest(1)
    found = [(program.height, program.width), smallest]
    while len(found) < count:
        found.append(tuple(int(rng.integers(low, high + 1)) for low, high in zip(
            smallest, (program.height, program.width))))
    return np.array(found)[:count].tolist()


def walks(program, rng, count=3):
    """Frames that follow each other."""
    slot, found = 0, []
    for height, width in sizes(program, rng, count):
        bank = int(rng.integers(2)) if program.loadable else 0
        found.append(Walk(program, height, width, slot, bank))
        slot = (slot + height) % program.line_rows
    return found
