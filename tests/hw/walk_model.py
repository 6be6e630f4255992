"""The walk over a frame, written out from the order that `hw.program` promises.

Loops over pixels, phases and taps, and finds every address by counting: no pointers, no tables of
distances. What a stage is free to choose (an address of a lane outside the frame, a tap of a group
that has none) is left out of the dictionaries, so `matches` does not look at it.
"""

from functools import cached_property
from itertools import product

import numpy as np

from hw.engine.layouts import Layouts


def matches(seen, expected):
    """Whether all that is expected was seen; a field that the hardware does not have is 0."""
    if isinstance(expected, dict):
        return all(matches(seen.get(name, 0) if isinstance(seen, dict) else seen[name], value)
                   for name, value in expected.items())
    return expected is None or seen == expected


def assert_matches(seen, expected):
    """Fields whose names begin with `_` are for other models."""
    assert len(seen) == len(expected)
    for n, (one, other) in enumerate(zip(seen, expected)):
        for name, value in other.items():
            assert name[0] == "_" or matches(one.get(name, 0), value), \
                f"item {n}: {name} is {one.get(name, 0)}, not {value}: {one}, not {other}"


def first_tap(bank, phases, phase, first, edges):
    """Number of the first tap; those at edges (-1, 1, both) have others, after all the rest."""
    number = sum(map(len, phases[:phase])) + first
    if bank.clamps:
        number += ((-1 in edges) + 2 * (1 in edges)) * sum(map(len, phases))
    return number


def edges(positions, length):
    """Where positions are beyond an edge: -1, 1."""
    return {-1 if at < 0 else 1 for at in positions if not 0 <= at < length}


class Line:
    """Output row n: position i, phase p."""

    def __init__(self, walk, n):
        program, px = walk.program, walk.program.folding.px
        self.walk, self.n = walk, n
        self.i, self.p = divmod(n, len(program.bank.rows))
        self.row = self.i * program.bank.step[0]
        self.dys = program.bank.rows[self.p]
        self.edges = edges([self.row + d for d in self.dys], walk.height)
        self.rows = [t for t, d in enumerate(self.dys)
                     if program.bank.clamps or 0 <= self.row + d < walk.height]
        self.last = n == walk.out_height - 1
        phases, layout = program.phases[1], program.layout
        self.groups = [Group(self, j, q, b, g)
                       for j in range(0, -(-walk.out_width // phases), px)
                       for q in range(phases) if px > 1 or j * phases + q < walk.out_width
                       for b in range(layout.blocks) for g in range(layout.block_outputs)]

    @property
    def rows_needed(self):
        """Rows of the frame that must be there: the last line waits for the whole frame."""
        reach = self.row + max(self.dys, default=-1 - self.row) + 1
        return max(0, min(self.walk.height, self.walk.height if self.last else reach))

    @property
    def release(self):
        """A row goes when no line is left that needs it, once all phases are done with it."""
        walk, bank = self.walk, self.walk.program.bank
        offsets, step = [d for taps in bank.rows for d in taps], bank.step[0]

        def gone(positions):    # but not before it is needed
            return max(0, min(walk.height, positions * step + min(offsets),
                              (positions - 1) * step + max(offsets) + 1)) if positions else 0
        if self.last:
            return {"rows": walk.height - gone(self.i), "frame": 1}
        done = self.p == len(bank.rows) - 1
        return {"rows": gone(self.i + 1) - gone(self.i) if done else 0, "frame": 0}

    @property
    def row_fields(self):
        """What a line and its groups know of the rows."""
        walk, bank = self.walk, self.walk.program.bank
        return {"release": self.release, "row_taps": len(self.rows),
                "row_tap": first_tap(bank, bank.rows, self.p, self.rows[0], self.edges)
                if self.rows else None,
                "slot": (walk.slot + self.row) % walk.program.line_rows}

    def payload(self):
        """What the line walker says of this line."""
        walk, program = self.walk, self.walk.program
        bank, layout = program.bank, program.layout
        block = program.phases[1] * program.folding.px
        taps = self.groups[0].taps_before * layout.output_beats
        line = {**self.row_fields, "first": int(self.n == 0), "last": int(self.last),
                "need": walk.row_number(self.rows_needed) if self.rows_needed else None,
                "last_column": walk.width - 1, "out_width": walk.out_width, "bank": walk.bank,
                "pixels_after": walk.out_width - block, "one_pixel": int(walk.out_width == 1),
                "one_position": int(walk.out_width <= block),
                "two_positions": int(walk.out_width <= 2 * block),
                "row_kind": sorted({len(taps) for taps in bank.rows}).index(len(self.dys)),
                "row_cut": self.rows[0] if self.rows else None,
                "weight": walk.bank * program.weight_bank + taps * layout.block_inputs,
                "parameters": self.groups[0].tag["parameters"]}
        if program.looks_ahead:
            line["flag"] = taps * program.flag_words
        return line


def last_of(program, rows, columns):
    """Whether the first word, column and row of so many taps are the last ones: bits 0, 1, 2."""
    words = program.flag_words if program.looks_ahead else program.layout.block_inputs
    empty = not rows or not columns
    return sum((empty or count == 1) << n for n, count in enumerate((words, columns, rows)))


class Group:
    """One group of results: of a line, columns from j on, phase q, channel block b, group g."""

    def __init__(self, line, j, q, b, g):
        walk = line.walk
        program = walk.program
        self.line, self.walk, self.j, self.q, self.b, self.g = line, walk, j, q, b, g
        self.column = j * program.bank.step[1]
        self.dxs = program.bank.columns[q]
        self.edges = edges([self.column + d for d in self.dxs], walk.width)
        self.pixels = walk.out_width - j * len(program.bank.columns)
        px = program.folding.px
        self.columns = [t for t, d in enumerate(self.dxs) if program.bank.clamps or any(
            0 <= self.column + lane + d < walk.width for lane in range(px))
                        ] if q < self.pixels else []
        self.empty = not (line.rows and self.columns)

    @property
    def tag(self):
        layout, px = self.walk.program.layout, self.walk.program.folding.px
        beat = self.q * px < self.pixels
        channels_end = (self.b, self.g) == (layout.blocks - 1, layout.block_outputs - 1)
        last = beat and channels_end and self.pixels <= (self.q + 1) * px
        number = self.b * layout.block_outputs + self.g
        if self.walk.program.bank.per_phase_parameters:
            phases = self.walk.program.phases
            number += (self.line.p * phases[1] + self.q) * layout.output_beats
        first = not any((self.line.n, self.j, self.q, self.b, self.g))
        return {"beat": int(beat), "first": int(first),
                "last": int(last), "end": int(last and self.line.last),
                "bank": self.walk.bank, "parameters": number}

    @property
    def taps_before(self):
        """Taps of all phases that are stored before this one."""
        rows, columns = self.walk.program.bank.rows, self.walk.program.bank.columns
        return sum(len(rows[p]) * len(columns[q])
                   for p, q in product(range(len(rows)), range(len(columns)))
                   if (p, q) < (self.line.p, self.q))

    def stored(self, words):
        """Place of what is stored in program order, `words` for a tap, for each tap inside."""
        layout, rows = self.walk.program.layout, self.line.dys
        before = (self.taps_before * layout.output_beats
                  + (self.b * layout.block_outputs + self.g) * len(rows) * len(self.dxs))
        return {(y, x): (before + y * len(self.dxs) + x) * words
                for y in self.line.rows for x in self.columns}

    @property
    def bank_offset(self):
        return self.walk.bank * self.walk.program.weight_bank

    @property
    def same(self):
        """What a group and its visits have in common."""
        program, px = self.walk.program, self.walk.program.folding.px
        fields = {"tag": self.tag, "slot": self.line.row_fields["slot"], "empty": int(self.empty),
                  "last": last_of(self.walk.program, len(self.line.rows), len(self.columns))}
        if px > 1:
            low, high = program.reach[1]
            fields |= {"left": min(self.j + px - 1, max(1, px - low)),
                       "right": min(max(self.walk.width - 1 - self.j, low), high + px) - low}
        return fields

    @property
    def places(self):
        """Where the words of this group begin, in a row and in a row of flags."""
        layout, block = self.walk.program.layout, self.column // self.walk.program.folding.px
        return (block * layout.input_beats + self.b * layout.block_inputs,
                (block * layout.blocks + self.b) * self.walk.program.flag_words)

    def payload(self):
        """What the group walker says of this group."""
        program, line, bank = self.walk.program, self.line, self.walk.program.bank
        group = {**self.same, **line.row_fields, "end_of_line": int(self is line.groups[-1]),
                 "column_taps": len(self.columns), "position": self.places[0]}
        if program.looks_ahead:
            group["flag_position"] = self.places[1]
        if self.empty:
            return group
        visits = self._words()
        group |= {"column_tap": first_tap(bank, bank.columns, self.q, self.columns[0], self.edges),
                  "weight": visits[0]["_place"]["weight"]}
        if program.looks_ahead:
            group["flag"] = visits[0]["_place"]["flag"]
        if len(line.rows) > 1:
            end = len(visits) // len(line.rows)  # where the second row of taps begins
            for name, of in (("next_row", "weight"), ("next_flag_row", "flag")):
                if of in visits[0]["_place"]:
                    group[name] = visits[end]["_place"][of] - visits[end - 1]["_place"][of]
        return group

    def visits(self):
        """The steps of the taps inside the frame, or their flag words; one that is empty if none.

        `_place` is where its data are, `_length` the number of steps, `_at` the input row, the
        column of the first lane, the channel block and the first word.
        """
        group = self.payload()
        addresses = {name: group[name] for name in (
            "position", "weight", "next_row", "flag_position", "flag", "next_flag_row")
            if name in group}
        return [addresses | word for word in self._words()]

    def _words(self):
        """The visits without the addresses of their group."""
        program, layout, bank = self.walk.program, self.walk.program.layout, self.walk.program.bank
        words = program.tap_visits
        size = program.flag_bits if program.looks_ahead else 1
        weights, flags = self.stored(layout.block_inputs), self.stored(program.flag_words)
        start = [first_tap(bank, phases, n, 0, at) for phases, n, at in (
            (bank.rows, self.line.p, self.line.edges), (bank.columns, self.q, self.edges))]
        found = []
        for y, x, word in product(self.line.rows, self.columns, range(words)):
            visit = {**self.same, "row_tap": start[0] + y, "column_tap": start[1] + x,
                     "new_tap": int(word == 0),
                     "new_row": int(word == 0 and x == self.columns[0]),
                     "_length": min(size, layout.block_inputs - word * size),
                     "_at": (*self._pixel(y, x), self.b, word * size),
                     "_place": {**self._places(y, x, word, size), "weight":
                                self.bank_offset + weights[y, x] + word * size}}
            if program.looks_ahead:
                visit["short"] = int(word == words - 1)
                visit["_place"]["flag"] = flags[y, x] + word
            found.append(visit)
        found = found or [{**self.same, "_length": 0, "_place": {"lanes": 0}}]
        for n, visit in enumerate(found):
            first, last = n == 0, n == len(found) - 1
            end = last and self is self.line.groups[-1]
            visit |= {"first": int(first), "last": int(last),
                      "release": self.line.release if end else {"rows": 0, "frame": 0}}
            if not program.looks_ahead:
                visit["needs_credit"] = int(first and self.tag["beat"])
        return found

    def _pixel(self, y, x):
        """Input row of a tap, and input column of its first lane."""
        at, walk = (self.line.row + self.line.dys[y], self.column + self.dxs[x]), self.walk
        if not walk.program.bank.clamps:
            return at
        return tuple(min(max(n, 0), size - 1) for n, size in zip(at, (walk.height, walk.width)))

    def _places(self, y, x, word, size):
        """Addresses of the lanes inside the frame, by definition of the line buffer."""
        program, layout = self.walk.program, self.walk.program.layout
        px = program.folding.px
        row, first = self._pixel(y, x)
        slot = (self.walk.slot + row) % program.line_rows
        lines, flag_lines, lanes = {}, {}, 0
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
    """All lines of one frame, and their groups, in order.

    Parameters
    ----------
    program : Program
    height, width : int
        Of the input frame.
    slot, bank : int
        Row of the circle in which the frame begins; bank of its weights.
    begin : int
        Rows of the frames before.
    """

    def __init__(self, program, height, width, slot=0, bank=0, begin=0):
        self.program, self.height, self.width = program, height, width
        self.slot, self.bank, self.begin = slot, bank, begin
        self.out_height, self.out_width = program.layer.output_size(height, width)

    def row_number(self, row):
        """The number of a row of this frame, as the hardware counts."""
        return (self.begin + row) % (1 << Layouts(self.program).row_number.width)

    @property
    def frame(self):
        """What the input side says of the frame."""
        return {"last_row": self.height - 1, "last_column": self.width - 1,
                "out_height": self.out_height, "out_width": self.out_width,
                "end": self.row_number(self.height), "slot": self.slot, "bank": self.bank}

    @cached_property
    def lines(self):
        return [Line(self, n) for n in range(self.out_height)]

    @property
    def groups(self):
        return [group for line in self.lines for group in line.groups]

    def visits(self):
        return [visit for group in self.groups for visit in group.visits()]

    def steps(self, live=lambda visit, step: True):
        """The MAC steps, without those of which `live(visit, step)` says no."""
        found = []
        for group in self.groups:
            steps = [{"weight": visit["_place"]["weight"] + n,
                      "lines": {k: a + n for k, a in visit["_place"]["lines"].items()},
                      "mac": {name: visit["_place"][name] for name in ("rotate", "lanes")}}
                     for visit in group.visits() for n in range(visit["_length"])
                     if live(visit, n)]
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


def follow(program, sizes, bank=lambda number: number % 2):
    """Frames of these sizes that follow each other, `bank` of each where there are two."""
    found, rows = [], 0
    for number, (height, width) in enumerate(sizes):
        found.append(Walk(program, height, width, rows % program.line_rows,
                          bank(number) if program.loadable else 0, rows))
        rows += height
    return found


def walks(program, rng, count=3):
    """Frames that follow each other."""
    return follow(program, sizes(program, rng, count), lambda number: int(rng.integers(2)))
