"""Takes new weights from their own stream while frames run."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
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
        beats += [int(code) & (tables.shape[-1] - 1) for code in tables.reshape(-1)]
    return beats


def beat_count(program):
    """Length of `weight_beats`."""
    table = program.tables if program.quantisation.has_table else None
    entries = 0 if table is None else table.size if program.table_per_channel else table.shape[-1]
    return (program.steps + entries
            + program.parameter_channels.size * record_beats(program))


def WeightBeat(program):
    """Payload of the weight stream."""
    return data.StructLayout({"data": unsigned(weight_beat_bits(program)), "last": 1})


class Loader(wiring.Component):
    """Fills the bank of the constants that no frame uses.

    A load takes effect, all at once, 2 cycles after its last beat is taken. It waits while a
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
    weight_en, weight, weight_word
        Write the word to this place; not through a register yet.
    record_en, record, place, unit
        Write the record to this parameter word of this unit.
    table_en, table
        Write the beat to this table entry of this unit.
    beat
        The beat.
    error
        High for one cycle: a load of a wrong length.
    """

    USERS = 64  # frames that can be in the pipeline at once
    SETTLE = 8  # cycles after a load before a bank can be seen to be free; a power of two

    def __init__(self, program):
        self._program = program
        layouts = Layouts(program)
        super().__init__({
            "i": In(stream.Signature(WeightBeat(program))),
            "begin": In(1), "begin_bank": In(1), "end": In(1), "end_bank": In(1),
            "configured": Out(1), "bank": Out(1), "error": Out(1),
            "weight_en": Out(1), "weight": Out(layouts.weight_address),
            "weight_word": Out(program.weight_word_bits),
            "record_en": Out(1), "record": Out(record_beats(program) * weight_beat_bits(program)),
            "place": Out(layouts.parameter_address),
            "unit": Out(up_to(program.requantisers - 1)),
            "table_en": Out(1), "table": Out(layouts.table_address),
            "beat": Out(weight_beat_bits(program)),
        })

    def elaborate(self, platform):
        m = Module()
        target = Signal()
        beat = Signal(self.i.payload.shape())
        taken, complete, dropping = (Signal(name=n) for n in ("taken", "complete", "dropping"))
        m.d.sync += [taken.eq(self.i.valid & self.i.ready), beat.eq(self.i.payload)]
        self._wait_for_bank(m, target)
        # beats up to the last one, less 1: the sign tells that the next beat is the last one
        last_beat = beat_count(self._program) - 1
        left = Signal(range(-1, max(1, last_beat)), init=last_beat - 1)
        m.d.comb += complete.eq(left[-1] & ~dropping)
        with m.If(taken & beat.last):
            m.d.sync += [left.eq(last_beat - 1), dropping.eq(0)]
            with m.If(complete):
                m.d.sync += [self.configured.eq(1), self.bank.eq(target), target.eq(~target)]
            with m.Else():
                m.d.comb += self.error.eq(~dropping)
        with m.Elif(taken):
            m.d.sync += left.eq(left - 1)
            with m.If(complete):
                m.d.sync += dropping.eq(1)
                m.d.comb += self.error.eq(1)
        self._place(m, taken, beat, Mux(complete, ~target, target), target)
        return m

    def _wait_for_bank(self, m, target):
        """Ready from the end of the last frame that uses the bank to the end of the load."""
        users = [Signal(range(self.USERS), name=f"users_{n}") for n in range(2)]
        used = Signal(2)
        settled = Signal(range(self.SETTLE + 1), init=self.SETTLE)
        for n, count in enumerate(users):
            begin = Signal(name=f"begin_{n}")
            end = Signal(name=f"end_{n}")
            m.d.sync += [begin.eq(self.begin & (self.begin_bank == n)),
                         end.eq(self.end & (self.end_bank == n)), used[n].eq(count.any())]
            with m.If(begin ^ end):
                m.d.sync += count.eq(count + Mux(end, -1, 1))
        with m.If(self.i.valid & self.i.ready & self.i.payload.last):
            m.d.sync += [self.i.ready.eq(0), settled.eq(0)]
        with m.Elif(~settled[-1]):
            m.d.sync += settled.eq(settled + 1)
        with m.Else():
            m.d.sync += self.i.ready.eq(~used.bit_select(target, 1))

    def _place(self, m, taken, beat, next_target, target):
        """Where each beat goes."""
        program, layouts = self._program, Layouts(self._program)
        last, beat = beat.last, beat.data
        word = Signal(layouts.weight_address)
        last_word = Signal(init=program.steps == 1)
        restart, next_part, next_unit, next_entry = (Signal(name=name) for name in (
            "restart", "next_part", "next_unit", "next_entry"))
        (_,), last_part = _count(m, [record_beats(program)], next_part, restart)
        (unit, turn, group), last_unit = _count(
            m, [program.requantisers, program.turns, program.parameter_sets], next_unit,
            restart)
        (entry,), last_entry = _count(m, [1 << program.quantisation.output_bits], next_entry,
                                      restart)
        earlier = Signal(max(1, len(self.record) - len(beat)))
        record = Cat(earlier[:len(self.record) - len(beat)], beat)
        place = Cat(turn[:layouts.turn_bits], group, target)
        m.d.comb += restart.eq(taken & last)
        m.d.sync += [
            self.record_en.eq(next_part & last_part),
            self.beat.eq(beat), self.record.eq(record),
            self.place.eq(place), self.unit.eq(unit),
            self.table.eq(Cat(entry, place if program.table_per_channel else target)),
        ]
        # what the beat is
        weights = Signal(init=1)
        parameters = Signal()
        tables = Signal()
        to_parameters = weights & last_word
        to_tables = parameters & last_part & last_unit
        m.d.comb += [
            next_part.eq(taken & parameters), next_entry.eq(taken & tables),
            next_unit.eq(taken & ((parameters & last_part) | (tables & last_entry))),
        ]
        m.d.comb += [self.weight_en.eq(taken & weights), self.weight.eq(word),
                     self.weight_word.eq(beat)]
        m.d.sync += self.table_en.eq(next_entry)
        with m.If(taken):
            m.d.sync += [
                weights.eq(last | (weights & ~last_word)),
                parameters.eq(~last & (to_parameters | (parameters & ~to_tables))),
                tables.eq(~last & (to_tables | tables)),
            ]
        with m.If(taken & weights):
            m.d.sync += [word.eq(word + 1), last_word.eq(
                word == Mux(target, program.weight_bank, 0) + program.steps - 2)]
        with m.If(next_part):
            m.d.sync += earlier.eq(record[len(beat):])
        with m.If(restart):
            m.d.sync += [word.eq(Mux(next_target, program.weight_bank, 0)),
                         last_word.eq(program.steps == 1)]


def _count(m, limits, step, restart):
    """Nested counters, the fastest first: (counters, whether this is the last step of all).

    Whether a counter is at its last value is known from the cycle before, so that no carry passes
    through a comparison.
    """
    counters, all_last = [], Const(1)
    for limit in limits:
        counter = Signal(up_to(limit - 1))
        last = Signal(init=limit == 1)
        with m.If(step & all_last):
            m.d.sync += [counter.eq(Mux(last, 0, counter + 1)),
                         last.eq(Mux(last, limit == 1, counter + 2 == limit))]
        with m.If(restart):
            m.d.sync += [counter.eq(0), last.eq(limit == 1)]
        counters.append(counter)
        all_last = all_last & last
    return counters, all_last
