"""From sums to codes: bias, scale, rounding, activation."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..primitives.memory import BlockMemory, SpreadMemory
from .delay import delay
from .layouts import Layouts, bank_of, up_to
from .lookup import pick
from .rounding import Rounding

__all__ = ["Requantiser"]


class Requantiser(wiring.Component):
    """Requantises the sums of one group in `turns`, the lanes sharing units.

    ReLU and clamp are the limits of the rounding; every other activation is a table of codes
    behind it.

    Parameters
    ----------
    program : Program

    Members
    -------
    sums, i_valid, i_tag
        As `MacArray` gives them, at least `result_interval` cycles apart; sums and tag stay
        until there are others.
    parameters_read, parameters_data
        Address of a parameter word, and the records of all `requantisers` units,
        `SpreadMemory.LATENCY` cycles later.
    tables_read, tables_data
        An address for the table of each unit of each pixel, and the code,
        `BlockMemory.LATENCY` cycles later.
    codes
        Code of pixel x and output lane o at `[x * po + o]`, `latency(program)` cycles later.
    o_valid, tag
        Whether there are codes, and their group.
    """

    def __init__(self, program):
        self._program = program
        layouts, folding = Layouts(program), program.folding
        lanes, units = folding.px * folding.po, folding.px * program.requantisers
        bits = program.quantisation.output_bits
        super().__init__({
            "sums": In(data.ArrayLayout(layouts.sum, lanes)),
            "i_valid": In(1), "i_tag": In(layouts.tag),
            "parameters_read": Out(layouts.parameter_address),
            "parameters_data": In(data.ArrayLayout(layouts.parameters, program.requantisers)),
            "tables_read": Out(data.ArrayLayout(layouts.table_address, units)),
            "tables_data": In(data.ArrayLayout(bits, units)),
            "codes": Out(data.ArrayLayout(bits, lanes)), "o_valid": Out(1),
            "tag": Out(layouts.tag),
        })

    @staticmethod
    def turn_latency(program):
        """Cycles from a turn to its codes."""
        table = BlockMemory.LATENCY if program.quantisation.has_table else 0
        return SpreadMemory.LATENCY + Rounding.latency(program) + table

    @classmethod
    def latency(cls, program):
        """Cycles from sums to codes."""
        return cls.turn_latency(program) + (program.turns - 1) * program.turn_interval

    def elaborate(self, platform):
        m = Module()
        program = self._program
        turns, units, px = program.turns, program.requantisers, program.folding.px
        turn, begins, last_begins = self._count_turns(m)
        arrived = delay(m, begins, self.turn_latency(program), name="arrived")
        tag = self.i_tag
        m.d.comb += self.parameters_read.eq(
            Cat(turn[:Layouts(program).turn_bits], tag.parameters, bank_of(tag)))
        values = self._chosen(m, turn, units)
        table_set = self.parameters_read if program.table_per_channel else Cat(bank_of(tag))
        if len(table_set):
            table_set = delay(m, table_set, SpreadMemory.LATENCY + Rounding.latency(program),
                              name="table_set")
        for x in range(px):
            for u in range(units):
                unit, record = x * units + u, self.parameters_data[u]
                m.submodules[f"rounding_{unit}"] = rounding = Rounding(program)
                m.d.comb += [
                    rounding.start.eq(delay(m, begins, SpreadMemory.LATENCY, name=f"start_{unit}")),
                    rounding.accumulator.eq(values[unit]), rounding.bias.eq(record.bias),
                    rounding.multiplier.eq(record.multiplier), rounding.shift.eq(record.shift),
                    self.tables_read[unit].eq(Cat(rounding.code, table_set)),
                ]
                code = (self.tables_data[unit] if program.quantisation.has_table
                        else rounding.code)
                # codes of earlier turns wait for the last one
                for n in reversed(range(turns)):
                    if n * units + u < program.folding.po:
                        m.d.comb += self.codes[x * program.folding.po + n * units + u].eq(code)
                    if n:
                        earlier = Signal.like(code, name=f"code_{unit}_{n}")
                        with m.If(arrived):
                            m.d.sync += earlier.eq(code)
                        code = earlier
        m.d.comb += [
            self.o_valid.eq(delay(m, last_begins, self.turn_latency(program), name="last_turn")),
            self.tag.eq(delay(m, tag, self.turn_latency(program), name="tag")),
        ]
        return m

    def _count_turns(self, m):
        """The turn of this cycle, 0 while there is none; whether it begins, as the last one."""
        program = self._program
        turns, pause = program.turns, (program.turn_interval - 1).bit_length()
        cycle = Signal(up_to(program.result_interval - 1))
        begins = Signal()
        if program.result_interval > 1:
            with m.If(cycle == program.result_interval - 1):
                m.d.sync += cycle.eq(0)
            with m.Elif(self.i_valid | (cycle != 0)):
                m.d.sync += cycle.eq(cycle + 1)
        turn = cycle[pause:]
        m.d.comb += begins.eq((self.i_valid | (cycle != 0)) & ~cycle[:pause].any())
        return turn, begins, begins & (turn == turns - 1)

    def _chosen(self, m, turn, units):
        """The sums of the turn, for each unit of each pixel, as late as their parameters."""
        program = self._program
        po, bits = program.folding.po, Layouts(program).turn_bits
        near, values = -(-bits // 2), []
        later = delay(m, turn, 1, name="turn")
        for unit in range(program.folding.px * units):
            x, u = divmod(unit, units)
            sums = [self.sums[x * po + o] for o in range(u, po, units)]
            some = []
            for n in range(0, len(sums), 1 << near):
                some.append(Signal(sums[0].shape(), name=f"some_{unit}_{n}"))
                m.d.sync += some[-1].eq(pick(sums[n:n + (1 << near)], turn[:near]))
            value = Signal(sums[0].shape(), name=f"value_{unit}")
            m.d.sync += value.eq(pick(some, later[near:bits]))
            values.append(delay(m, value, SpreadMemory.LATENCY - 2, name=f"value_{unit}"))
        return values
