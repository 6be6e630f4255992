"""What the stages of the sequencer hand to each other."""

from functools import cached_property

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from .tap_tables import TapTables

__all__ = ["Layouts", "bank_of", "up_to"]


def up_to(value):
    """Shape of an unsigned number 0..value, at least one bit."""
    return unsigned(max(1, int(value).bit_length()))


def bank_of(payload):
    """The bank of loadable constants that a line or a tag names, as a list.

    It is empty where constants are built in.
    """
    return [payload.bank] if "bank" in payload.shape().members else []


class Layouts:
    """Payload layouts for one `Program`, each field as wide as the largest frame needs.

    Attributes
    ----------
    frame
        A frame that has begun to arrive: its size, its place in the line buffer, its weights;
        `end`, the number of the row that follows it, rows being counted over all frames.
    line
        One output row: which row taps are inside the frame, where its constants begin, which
        input rows it needs (all before `need`), and what it hands back when it is done;
        `pixels_after`, how many pixels follow its first block; whether it has at most one or two.
    tag
        Travels with a group of results from the sequencer to the output: `beat`, whether it
        makes an output beat; `first`, `last` and `end`, start of frame, end of line and end of
        frame on that beat; `bank` and `parameters`, the set of requantisation constants.
    group
        One group of results: which taps are inside the frame, and where they begin; `last`,
        whether its first word, column and row of taps are the last ones.
    visit
        One word of one tap of a group: one step, or a flag word of steps that are judged at once;
        whether it is the first one of the group, of its tap, of its row of taps. What its group
        says of addresses, it says as well.
    place
        The addresses of a visit.
    work
        A visit as the look-ahead leaves it: a mask of its steps.
    """

    def __init__(self, program):
        self._program = program

    @property
    def row_number(self):
        """Rows counted over all frames; two that are compared are less than half the range apart.

        A line may need the last row of its frame before the first one is written; rows may be
        written as far ahead as the line buffer holds, of a line that needs none of its frame.
        """
        program = self._program
        return unsigned((2 * program.height + program.line_rows).bit_length() + 1)

    @cached_property
    def frame(self):
        program = self._program
        height, width = program.layer.output_size(program.height, program.width)
        return data.StructLayout({
            "last_row": up_to(program.height - 1), "last_column": up_to(program.width - 1),
            "out_height": up_to(height), "out_width": up_to(width), "end": self.row_number,
            "slot": up_to(program.line_rows - 1), "bank": 1,
        })

    @property
    def _bank(self):
        return {"bank": 1} if self._program.loadable else {}

    @cached_property
    def tag(self):
        program = self._program
        return data.StructLayout({
            "beat": 1, "first": 1, "last": 1, "end": 1,
            "parameters": up_to(program.parameter_sets - 1),
            **self._bank,
        })

    @cached_property
    def release(self):
        """What the last step of a line hands back: rows of the line buffer, and the frame."""
        return data.StructLayout({"rows": up_to(self._program.height), "frame": 1})

    @cached_property
    def _row_fields(self):
        """What a line and its groups know of its row taps."""
        bank = self._program.bank
        return {"row_tap": up_to(len(TapTables(bank.rows, bank.clamps).offsets)),
                "row_taps": up_to(max(map(len, bank.rows))),
                "slot": up_to(self._program.line_rows - 1), "release": self.release}

    @cached_property
    def line(self):
        program, frame = self._program, self.frame.members
        block = program.phases[1] * program.folding.px
        return data.StructLayout({
            "pixels_after": signed(max(frame["out_width"].width, (2 * block).bit_length()) + 1),
            "one_pixel": 1, "one_position": 1, "two_positions": 1,
            **{name: frame[name] for name in ("last_column", "out_width")},
            **self._bank, **self._row_fields,
            "need": self.row_number, "first": 1, "last": 1,
            "row_kind": up_to(len(set(map(len, program.bank.rows))) - 1),
            "row_cut": up_to(self.most_row_cut),
            "weight": self.weight_address, "parameters": self.tag["parameters"].shape,
            **({"flag": self.flag_address} if program.looks_ahead else {}),
        })

    @property
    def most_row_cut(self):
        """Most row taps of a line that lie above the frame, and are left out."""
        if self._program.bank.clamps:
            return 0
        return max(sum(d < 0 for d in taps) for taps in self._program.bank.rows)

    @cached_property
    def group(self):
        program, layout = self._program, self._program.layout
        columns = program.bank.columns
        passed = max(map(len, columns)) + 1     # taps, at most, on the way to the next row
        return data.StructLayout({
            "tag": self.tag, **self._row_fields, "end_of_line": 1,
            "column_tap": up_to(len(TapTables(columns, program.bank.clamps).offsets)),
            "column_taps": up_to(max(map(len, columns))), "empty": 1, "last": 3,
            "position": self.position(layout.block_inputs),
            "weight": self.weight_address, "next_row": up_to(passed * layout.block_inputs),
            **({"left": self.left, "right": self.right} if program.folding.px > 1 else {}),
            **({"flag_position": self.position(program.flag_words), "flag": self.flag_address,
                "next_flag_row": up_to(passed * program.flag_words)}
               if program.looks_ahead else {}),
        })

    def position(self, words):
        """Where a block of channels begins in a row; outputs may go on beyond the last input."""
        program = self._program
        _, width = program.layer.output_size(program.height, program.width)
        positions = -(-width // (program.phases[1] * program.folding.px))
        return up_to(positions * program.bank.step[1] * program.layout.blocks * words - 1)

    @cached_property
    def visit(self):
        program, group = self._program, self.group.members
        return data.StructLayout({
            **{name: group[name] for name in (
                "tag", "release", "slot", "row_tap", "column_tap", "position", "weight",
                "next_row")},
            **{name: group[name] for name in (
                "left", "right", "flag_position", "flag", "next_flag_row") if name in group},
            "first": 1, "new_tap": 1, "new_row": 1, "last": 1, "empty": 1,
            **({"short": 1} if program.looks_ahead else {"needs_credit": 1}),
        })

    @cached_property
    def place(self):
        program, px = self._program, self._program.folding.px
        return data.StructLayout({
            "lines": data.ArrayLayout(self.line_address, px), "rotate": up_to(px - 1), "lanes": px,
            "weight": self.weight_address,
            **({"flag": self.flag_address} if program.looks_ahead else {}),
            **({"flag_lines": data.ArrayLayout(self.flag_line_address, px)}
               if program.skip_zeros else {}),
        })

    @cached_property
    def work(self):
        place = self.place.members
        return data.StructLayout({
            "tag": self.tag, "release": self.release,
            **{name: place[name] for name in ("weight", "lines", "rotate", "lanes")},
            "mask": unsigned(self._program.flag_bits), "last": 1,
        })

    @cached_property
    def step(self):
        """One cycle of the MAC array: addresses, and `mac`, what the array is told."""
        return data.StructLayout({"lines": self.place["lines"].shape,
                                  "weight": self.weight_address, "mac": self.mac})

    @cached_property
    def mac(self):
        """What the MAC array is told of a step."""
        place = self.place.members
        return data.StructLayout({"tag": self.tag, "rotate": place["rotate"],
                                  "lanes": place["lanes"], "first": 1, "last": 1})

    @property
    def sum(self):
        """Shape of an accumulator."""
        return signed(self._program.accumulator_bits)

    @property
    def turn_bits(self):
        """Bits of a parameter address that count the turns of one group."""
        return (self._program.turns - 1).bit_length()

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
        program = self._program
        return unsigned(program.quantisation.output_bits + (
            self.parameter_address.width if program.table_per_channel else program.loadable))

    @property
    def left(self):
        """Columns from the left edge to the last of the `px` lanes, at most what matters."""
        program = self._program
        px = program.folding.px
        return up_to(max(0, -program.reach[1][0]) + px + px * program.bank.step[1])

    @property
    def right(self):
        """Columns from the first lane to the right edge, counted from the leftmost tap."""
        low, high = self._program.reach[1]
        return up_to(high + self._program.folding.px - low)

    @property
    def weight_address(self):
        program = self._program
        return up_to((program.weight_bank if program.loadable else 0) + program.steps - 1)

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
