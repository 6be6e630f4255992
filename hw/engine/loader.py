"""Takes new weights from their own stream while frames run."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layouts, up_to

__all__ = ["Loader", "WeightBeat", "weight_beat_bits", "weight_beats"]


def weight_beat_bits(program):
    """Width of a beat of the weight stream: one weight word, in whole bytes."""
    return -(-program.weight_word_bits // 8) * 8


def record_beats(program):
    """Beats of one parameter record."""
    bits = sum(bits for _, bits in program.parameter_fields)
    return -(-bits // weight_beat_bits(program))


def weight_beats(program):
    """The beats of the weight stream as a list of ints, for the weights of the program.

    Weight words in program order, one to a beat; parameter records, lowest part first, unit after
    unit and word after word; activation tables, one code to a beat, in the same order.
    """
    bits = weight_beat_bits(program)
    beats = list(program.weight_words)
    for word in program.parameter_records:
        for record in word:
            beats += [record >> (bits * n) & ((1 << bits) - 1)
                      for n in range(record_beats(program))]
    if program.quantisation.has_table:
        tables = program.tables if program.table_per_channel else program.tables[:, :1]
        beats += [int(code) & 0xFF for code in tables.reshape(-1)]
    return beats


def beat_count(program):
    """Length of `weight_beats`."""
    table = program.tables if program.quantisation.has_table else None
    entries = 0 if table is None else table.size if program.table_per_channel else 256
    return (program.steps + entries
            + program.parameter_channels.size * record_beats(program))


def WeightBeat(program):
    """Payload of the weight stream."""
    return data.StructLayout({"data": unsigned(weight_beat_bits(program)), "last": 1})


class Loader(wiring.Component):
    """Fills the bank of the constants that no frame uses.

    A load takes effect, all at once, for frames that begin after its last beat. It waits while a
    frame still uses the bank. A load of another length than `weight_beats` sets its error bit and
    is dropped.

    Parameters
    ----------
    program : Program

    Members
    -------
    i
        Weight stream.
    begin, begin_bank, end, end_bank
        A frame begins to use a bank; a frame is through with it.
    configured, bank
        Whether there are weights, and which bank the next frame is to use.
    weight_en, weight
        Write the beat to this weight word.
    record_en, record, place, unit
        Write the record to this parameter word of this unit.
    table_en, table
        Write the beat to this table entry of this unit.
    error
        High for one cycle: a load of a wrong length.
    """

    USERS = 64  # frames that can be in the pipeline at once

    def __init__(self, program):
        self._program = program
        layouts = Layouts(program)
        super().__init__({
            "i": In(stream.Signature(WeightBeat(program))),
            "begin": In(1), "begin_bank": In(1), "end": In(1), "end_bank": In(1),
            "configured": Out(1), "bank": Out(1), "error": Out(1),
            "weight_en": Out(1), "weight": Out(layouts.weight_address),
            "record_en": Out(1), "record": Out(record_beats(program) * weight_beat_bits(program)),
            "place": Out(layouts.parameter_address),
            "unit": Out(up_to(program.requantisers - 1)),
            "table_en": Out(1), "table": Out(layouts.table_address),
        })

    def elaborate(self, platform):
        m = Module()
        target, taken = Signal(), Signal()
        users = [Signal(range(self.USERS), name=f"users_{n}") for n in range(2)]
        for n, count in enumerate(users):
            m.d.sync += count.eq(count + (self.begin & (self.begin_bank == n))
                                 - (self.end & (self.end_bank == n)))
        m.d.comb += [self.i.ready.eq(Mux(target, users[1], users[0]) == 0),
                     taken.eq(self.i.valid & self.i.ready)]
        last_beat = beat_count(self._program) - 1
        beats, dropping, complete = Signal(up_to(last_beat + 1)), Signal(), Signal()
        m.d.comb += complete.eq((beats == last_beat) & ~dropping)
        with m.If(taken & self.i.payload.last):
            m.d.sync += [beats.eq(0), dropping.eq(0)]
            with m.If(complete):
                m.d.sync += [self.configured.eq(1), self.bank.eq(target), target.eq(~target)]
            with m.Else():
                m.d.comb += self.error.eq(~dropping)
        with m.Elif(taken):
            m.d.sync += beats.eq(beats + 1)
            with m.If(complete):
                m.d.sync += dropping.eq(1)
                m.d.comb += self.error.eq(1)
        self._place(m, taken, target)
        return m

    def _place(self, m, taken, target):
        """Where each beat goes."""
        program, layouts = self._program, Layouts(self._program)
        beat = self.i.payload.data
        word, part = Signal(layouts.weight_address), Signal(up_to(record_beats(program) - 1))
        turn, group = Signal(max(1, layouts.turn_bits)), Signal(layouts.tag["parameters"].shape)
        entry, earlier = Signal(8), Signal(max(1, len(self.record) - len(beat)))
        per_channel = program.table_per_channel
        m.d.comb += [
            self.weight.eq(word + Mux(target, program.steps, 0)),
            self.record.eq(Cat(earlier[:len(self.record) - len(beat)], beat)),
            self.place.eq(Cat(turn[:layouts.turn_bits], group, target)),
            self.table.eq(Cat(entry, self.place if per_channel else target)),
        ]

        def next_unit():
            m.d.sync += self.unit.eq(self.unit + 1)
            with m.If(self.unit == program.requantisers - 1):
                m.d.sync += [self.unit.eq(0), turn.eq(turn + 1)]
                with m.If(turn == program.result_interval - 1):
                    m.d.sync += [turn.eq(0), group.eq(group + 1)]

        def start_again():
            with m.If(taken & self.i.payload.last):
                m.d.sync += [s.eq(0) for s in (word, part, self.unit, turn, group, entry)]
                m.next = "WEIGHTS"

        last_unit = ((self.unit == program.requantisers - 1)
                     & (turn == program.result_interval - 1)
                     & (group == program.parameter_sets - 1))
        with m.FSM():
            with m.State("WEIGHTS"):
                m.d.comb += self.weight_en.eq(taken)
                with m.If(taken):
                    m.d.sync += word.eq(word + 1)
                    with m.If(word == program.steps - 1):
                        m.next = "PARAMETERS"
                start_again()
            with m.State("PARAMETERS"):
                with m.If(taken):
                    m.d.sync += [earlier.eq(self.record[len(beat):]), part.eq(part + 1)]
                    with m.If(part == record_beats(program) - 1):
                        m.d.comb += self.record_en.eq(1)
                        m.d.sync += part.eq(0)
                        next_unit()
                        with m.If(last_unit):
                            m.d.sync += group.eq(0)
                            m.next = "TABLES"
                start_again()
            with m.State("TABLES"):
                m.d.comb += self.table_en.eq(taken)
                with m.If(taken):
                    m.d.sync += entry.eq(entry + 1)
                    with m.If(entry == 255):
                        next_unit()
                start_again()
