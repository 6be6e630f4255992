"""What the stages of the sequencer hand to each other."""

from functools import cached_property

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

__all__ = ["Layouts", "bank_of", "up_to"]


def up_to(value):
    """Shape of an unsigned number 0..value, at least one bit."""
    return unsigned(max(1, int(value).bit_length()))


def bank_of(tag):
    """The bank of loadable constants that a tag names, as a list: empty where they are built in."""
    return [tag.bank] if "bank" in tag.shape().members else []


class Layouts:
    """Payload layouts for one `Program`, each field as wide as the largest frame needs.

    Attributes
    ----------
    frame
        A frame that has begun to arrive: its size, its place in the line buffer, its weights.
    tag
        Travels with a group of results from the sequencer to the output: `beat`, whether it
        makes an output beat; `first`, `last` and `end`, start of frame, end of line and end of
        frame on that beat; `bank` and `parameters`, the set of requantisation constants.
    group
        One group of results: which taps are inside the frame, and where they begin.
    run
        Steps on consecutive words: one tap of one group (or one flag word of it).
    step
        One cycle of the MAC array: addresses, and `mac`, what the array is told.
    """

    def __init__(self, program):
        self._program = program

    @cached_property
    def frame(self):
        program = self._program
        height, width = program.layer.output_size(program.height, program.width)
        return data.StructLayout({
            "last_row": up_to(program.height - 1), "last_column": up_to(program.width - 1),
            "out_height": up_to(height), "out_width": up_to(width),
            "slot": up_to(program.line_rows - 1), "bank": 1,
        })

    @cached_property
    def tag(self):
        program = self._program
        return data.StructLayout({
            "beat": 1, "first": 1, "last": 1, "end": 1,
            "parameters": up_to(program.parameter_sets - 1),
            **({"bank": 1} if program.loadable else {}),
        })

    @cached_property
    def release(self):
        """What the last step of a group hands back: rows of the line buffer, and the frame."""
        return data.StructLayout({"rows": up_to(self._program.height), "frame": 1})

    @cached_property
    def group(self):
        program = self._program
        row_taps, column_taps = (sum(map(len, a)) for a in (program.bank.rows,
                                                            program.bank.columns))
        return data.StructLayout({
            "tag": self.tag, "release": self.release,
            "need": up_to(program.height),
            "slot": up_to(program.line_rows - 1),
            "row_tap": up_to(row_taps), "row_taps": up_to(max(map(len, program.bank.rows))),
            "column_tap": up_to(column_taps),
            "column_taps": up_to(max(map(len, program.bank.columns))),
            "position": self._position(program.layout.block_inputs),
            "flag_position": self._position(program.flag_words),
            **({"left": self.left, "right": self.right} if program.folding.px > 1 else {}),
            "weight": self.weight_address, "weight_row": up_to(program.steps),
            "flag": self.flag_address, "flag_row": up_to(program.steps),
        })

    def _position(self, words):
        """Where a block of channels begins in a row; outputs may go on beyond the last input."""
        program = self._program
        _, width = program.layer.output_size(program.height, program.width)
        positions = -(-width // (program.phases[1] * program.folding.px))
        return up_to(positions * program.layout.blocks * words - 1)

    @cached_property
    def run(self):
        program, group = self._program, self.group.members
        return data.StructLayout({
            **{name: shape for name, shape in group.items() if name not in
               ("row_taps", "column_taps", "weight_row", "flag_row")},
            "length": up_to(program.layout.block_inputs), "last": 1,
        })

    @cached_property
    def visit(self):
        """A run with its addresses."""
        program = self._program
        return data.StructLayout({
            "tag": self.tag, "release": self.release, "need": up_to(program.height),
            "lines": data.ArrayLayout(self.line_address, program.folding.px),
            "flag_lines": data.ArrayLayout(self.flag_line_address, program.folding.px),
            "rotate": up_to(program.folding.px - 1), "lanes": program.folding.px,
            "weight": self.weight_address, "flag": self.flag_address,
            "length": up_to(program.layout.block_inputs), "last": 1,
        })

    @cached_property
    def work(self):
        """A visit as the issuer takes it: with look-ahead, a mask of its steps."""
        visit = self.visit.members
        drop = ("need", "flag", "flag_lines")
        kept = {name: shape for name, shape in visit.items() if name not in drop}
        if self._program.looks_ahead:
            del kept["length"]
            kept["mask"] = unsigned(self._program.flag_bits)
        return data.StructLayout(kept)

    @cached_property
    def step(self):
        work = self.work.members
        return data.StructLayout({"lines": work["lines"], "weight": work["weight"],
                                  "mac": self.mac})

    @cached_property
    def mac(self):
        """What the MAC array is told of a step."""
        work = self.work.members
        return data.StructLayout({**{name: work[name] for name in ("tag", "rotate", "lanes")},
                                  "first": 1, "last": 1})

    @property
    def sum(self):
        """Shape of an accumulator."""
        return signed(self._program.accumulator_bits)

    @property
    def turn_bits(self):
        """Bits of a parameter address that count the turns of one group."""
        return (self._program.result_interval - 1).bit_length()

    @property
    def parameter_address(self):
        """`Cat(turn, set, bank)`."""
        return unsigned(self.turn_bits + self.tag["parameters"].width + self._program.loadable)

    @property
    def parameters(self):
        """One parameter record."""
        return data.StructLayout({name: signed(bits) if name == "bias" else unsigned(bits)
                                  for name, bits in self._program.parameter_fields})

    @property
    def table_address(self):
        """`Cat(code, parameter address)`, or `Cat(code, bank)` where all channels share a table."""
        return unsigned(8 + (self.parameter_address.width if self._program.table_per_channel
                             else self._program.loadable))

    @property
    def left(self):
        """Columns from the left edge to the last of the `px` lanes, at most what matters."""
        return up_to(max(0, -self._program.reach[1][0]) + 2 * self._program.folding.px)

    @property
    def right(self):
        """Columns from the first lane to the right edge, counted from the leftmost tap."""
        low, high = self._program.reach[1]
        return up_to(high + self._program.folding.px - low)

    @property
    def weight_address(self):
        program = self._program
        return up_to(program.steps * (2 if program.loadable else 1) - 1)

    @property
    def flag_address(self):
        program = self._program
        return up_to(program.steps // program.layout.block_inputs * program.flag_words)

    @property
    def line_address(self):
        return up_to(self._program.row_words * self._program.line_rows - 1)

    @property
    def flag_row_words(self):
        """Flag words of one row in one memory."""
        program = self._program
        return -(-program.width // program.folding.px) * program.layout.blocks * program.flag_words

    @property
    def flag_line_address(self):
        return up_to(self.flag_row_words * self._program.line_rows - 1)
