"""From sums to codes: bias, scale, rounding, activation."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..primitives.memory import BlockMemory
from .delay import delay
from .layouts import Layouts, bank_of, up_to
from .rounding import Rounding

__all__ = ["Requantiser"]


class Requantiser(wiring.Component):
    """Requantises the sums of one group in `result_interval` turns, the lanes sharing units.

    ReLU and clamp are the limits of the rounding; every other activation is a table of 256 codes
    behind it.

    Parameters
    ----------
    program : Program

    Members
    -------
    sums, i_valid, i_tag
        As `MacArray` gives them, at least `result_interval` cycles apart.
    parameters_read, parameters_data
        Address of a parameter word, and the records of all `requantisers` units,
        `BlockMemory.LATENCY` cycles later.
    tables_read, tables_data
        An address for the table of each unit of each pixel, and the code, likewise.
    codes
        Code of pixel x and output lane o at `[x * po + o]`, `latency(program)` cycles later.
    o_valid, tag
        Whether there are codes, and their group.
    """

    def __init__(self, program):
        self._program = program
        layouts, folding = Layouts(program), program.folding
        lanes, units = folding.px * folding.po, folding.px * program.requantisers
        super().__init__({
            "sums": In(data.ArrayLayout(layouts.sum, lanes)),
            "i_valid": In(1), "i_tag": In(layouts.tag),
            "parameters_read": Out(layouts.parameter_address),
            "parameters_data": In(data.ArrayLayout(layouts.parameters, program.requantisers)),
            "tables_read": Out(data.ArrayLayout(layouts.table_address, units)),
            "tables_data": In(data.ArrayLayout(8, units)),
            "codes": Out(data.ArrayLayout(8, lanes)), "o_valid": Out(1), "tag": Out(layouts.tag),
        })

    @staticmethod
    def turn_latency(program):
        """Cycles from a turn to its codes."""
        table = BlockMemory.LATENCY if program.quantisation.has_table else 0
        return BlockMemory.LATENCY + Rounding.latency(program) + table

    @classmethod
    def latency(cls, program):
        """Cycles from sums to codes."""
        return 1 + cls.turn_latency(program) + program.result_interval

    def elaborate(self, platform):
        m = Module()
        program = self._program
        interval, units, px = program.result_interval, program.requantisers, program.folding.px
        values, tag, last_turn = self._take_turns(m, interval, units)
        delayed = [delay(m, v, BlockMemory.LATENCY, name=f"value_{n}")
                   for n, v in enumerate(values)]
        table_set = self.parameters_read if program.table_per_channel else Cat(bank_of(tag))
        if len(table_set):
            table_set = delay(m, table_set, BlockMemory.LATENCY + Rounding.latency(program),
                              name="table_set")
        for x in range(px):
            for u in range(units):
                unit, record = x * units + u, self.parameters_data[u]
                m.submodules[f"rounding_{unit}"] = rounding = Rounding(program)
                m.d.comb += [
                    rounding.accumulator.eq(delayed[unit]), rounding.bias.eq(record.bias),
                    rounding.multiplier.eq(record.multiplier), rounding.shift.eq(record.shift),
                    self.tables_read[unit].eq(Cat(rounding.code, table_set)),
                ]
                code = (self.tables_data[unit] if program.quantisation.has_table
                        else rounding.code)
                # codes of earlier turns wait for the last one
                for turn in reversed(range(interval)):
                    code = delay(m, code, 1, name=f"code_{unit}_{turn}")
                    if turn * units + u < program.folding.po:
                        m.d.comb += self.codes[x * program.folding.po + turn * units + u].eq(code)
        m.d.comb += [
            self.o_valid.eq(delay(m, last_turn, self.turn_latency(program) + 1, name="last_turn")),
            self.tag.eq(delay(m, tag, self.turn_latency(program) + 1, name="tag")),
        ]
        return m

    def _take_turns(self, m, interval, units):
        """The sums of this turn, their tag, and whether it is the last turn of its group."""
        program, lanes = self._program, self.sums.shape().length
        po = program.folding.po
        waiting = [[Signal(Layouts(program).sum, name=f"waiting_{turn}_{n}")
                    for n in range(units * program.folding.px)] for turn in range(interval)]
        tag, turn, busy = Signal(self.i_tag.shape()), Signal(up_to(interval - 1)), Signal()
        with m.If(self.i_valid):
            m.d.sync += [tag.eq(self.i_tag), turn.eq(0), busy.eq(1)]
            for lane in range(lanes):
                x, o = divmod(lane, po)
                m.d.sync += waiting[o // units][x * units + o % units].eq(self.sums[lane])
        with m.Else():
            m.d.sync += turn.eq(turn + 1)
            m.d.sync += [here.eq(after) for turn_here, turn_after in zip(waiting, waiting[1:])
                         for here, after in zip(turn_here, turn_after)]
            with m.If(turn == interval - 1):
                m.d.sync += busy.eq(0)
        m.d.comb += self.parameters_read.eq(
            Cat(turn[:Layouts(program).turn_bits], tag.parameters, bank_of(tag)))
        return waiting[0], tag, busy & (turn == interval - 1)
