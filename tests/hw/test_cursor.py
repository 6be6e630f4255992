"""The cursor against the definition of the line buffer."""

import random

import pytest
from bench_helpers import clocked

from hw.engine.cursor import Cursor


@pytest.mark.parametrize("words, columns, rows, px", (
    (1, 4, 3, 1), (3, 5, 2, 1), (1, 7, 4, 3), (2, 6, 3, 2), (2, 1, 1, 1), (3, 5, 1, 4),
    (1, 2, 2, 4)))
def test_every_word_has_its_place(words, columns, rows, px):
    rng = random.Random(words * columns)
    row_words = -(-columns // px) * words
    dut = Cursor(words=words, row_words=row_words, rows=rows, px=px)
    inputs, expected = [], []
    for row in range(3 * rows):
        width = rng.randint(1, columns)  # frames may be narrower than the largest one
        for x in range(width):
            for word in range(words):
                place = row % rows * row_words + x // px * words + word, 1 << x % px
                for pause in range(rng.randrange(3), -1, -1):
                    end = not pause and word == words - 1
                    inputs.append({"next_word": not pause, "next_pixel": end,
                                   "next_row": end and x == width - 1})
                    expected.append(list(place))
    assert clocked(dut, inputs, ("address", "memory")) == expected
