"""The constants of a layer: weights, requantisation parameters, activation tables."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..primitives.memory import BankedMemory, BlockMemory, SpreadMemory
from .layouts import Layouts
from .loader import Loader, WeightBeat

__all__ = ["Stores"]


class Stores(wiring.Component):
    """Memories for all constants; loadable ones are double, and filled while frames run.

    Parameters
    ----------
    program : Program

    Members
    -------
    weight_read, weight_data
        Read port, `SpreadMemory.LATENCY` cycles.
    parameters_read, parameters_data
        Likewise.
    tables_read, tables_data
        Read ports, `BlockMemory.LATENCY` cycles.
    i, begin, begin_bank, end, end_bank, configured, bank, error
        As in `Loader`.
    """

    def __init__(self, program):
        self._program = program
        layouts, px = Layouts(program), program.folding.px
        units = program.requantisers
        super().__init__({
            "weight_read": In(layouts.weight_address),
            "weight_data": Out(program.weight_word_bits),
            "parameters_read": In(layouts.parameter_address),
            "parameters_data": Out(data.ArrayLayout(layouts.parameters, units)),
            "tables_read": In(data.ArrayLayout(layouts.table_address, units * px)),
            "tables_data": Out(data.ArrayLayout(program.quantisation.output_bits, units * px)),
            "i": In(stream.Signature(WeightBeat(program))),
            "configured": Out(1), "bank": Out(1),
            "begin": In(1), "begin_bank": In(1), "end": In(1), "end_bank": In(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        program, layouts = self._program, Layouts(self._program)
        built_in = not program.loadable
        m.submodules.weights = weights = self._weight_memory()
        m.d.comb += [weights.r_addr.eq(self.weight_read), self.weight_data.eq(weights.r_data)]
        parameters, tables = [], []
        turns, stride = program.turns, 1 << layouts.turn_bits
        for unit in range(program.requantisers):
            records = [0] * (len(program.parameter_records) // turns * stride)
            for n, word in enumerate(program.parameter_records):
                records[n // turns * stride + n % turns] = word[unit]
            memory = SpreadMemory(width=layouts.parameters.size,
                                  depth=1 << layouts.parameter_address.width,
                                  init=records if built_in else ())
            m.submodules[f"parameters_{unit}"] = memory
            m.d.comb += [memory.r_addr.eq(self.parameters_read),
                         self.parameters_data[unit].eq(memory.r_data)]
            parameters.append(memory)
        if program.quantisation.has_table:
            for n in range(program.requantisers * program.folding.px):
                memory = BlockMemory(
                    width=program.quantisation.output_bits, depth=1 << layouts.table_address.width,
                    init=self._table(n % program.requantisers) if built_in else ())
                m.submodules[f"table_{n}"] = memory
                m.d.comb += [memory.r_addr.eq(self.tables_read[n]),
                             self.tables_data[n].eq(memory.r_data)]
                tables.append(memory)
        if program.loadable:
            m.submodules.loader = loader = Loader(program)
            connect(m, flipped(self.i), loader.i)
            m.d.comb += [
                *[getattr(loader, n).eq(getattr(self, n)) for n in ("begin", "end", "begin_bank",
                                                                    "end_bank")],
                *[getattr(self, n).eq(getattr(loader, n)) for n in ("configured", "bank", "error")],
                weights.w_addr.eq(loader.weight), weights.w_en.eq(loader.weight_en),
                weights.w_data.eq(loader.weight_word),
            ]
            for n, memory in enumerate(parameters):
                m.d.comb += [memory.w_addr.eq(loader.place), memory.w_data.eq(loader.record),
                             memory.w_en.eq(loader.record_en & (loader.unit == n))]
            for n, memory in enumerate(tables):
                mine = (loader.unit == n % program.requantisers) | (not program.table_per_channel)
                m.d.comb += [memory.w_addr.eq(loader.table), memory.w_en.eq(loader.table_en & mine),
                             memory.w_data.eq(loader.beat)]
        else:
            m.d.comb += self.configured.eq(1)
        return m

    def _weight_memory(self):
        program = self._program
        if program.spram:
            return SpreadMemory(BankedMemory, width=program.weight_word_bits, depth=program.steps)
        return SpreadMemory(width=program.weight_word_bits, depth=program.weight_depth,
                            init=() if program.loadable else program.weight_words)

    def _table(self, unit):
        program, stride = self._program, 1 << Layouts(self._program).turn_bits
        size = 1 << program.quantisation.output_bits
        codes = [0] * (size * len(program.tables) // program.turns * stride
                       if program.table_per_channel else size)
        for n, word in enumerate(program.tables):
            place = n // program.turns * stride + n % program.turns
            codes[size * place:size * (place + 1)] = [int(c) & (size - 1) for c in word[unit]]
        return codes

