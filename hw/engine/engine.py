"""The engine: a stream of input frames to a stream of output frames, and its registers."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..primitives.memory import BlockMemory, SpreadMemory
from .delay import delay
from .ingest import ERRORS, Beat, Geometry, Ingest
from .layouts import Layouts, bank_of
from .line_buffer import LineBuffer
from .loader import WeightBeat
from .mac_array import MacArray
from .output import Output
from .registers import AxiLite, Registers
from .requantiser import Requantiser
from .sequencer import Sequencer
from .skid import SkidBuffer
from .stores import Stores

__all__ = ["DataPath", "Engine", "result_latency", "queue_depth"]


def data_latency(program):
    """Cycles from the addresses of the last step of a group to its codes."""
    return SpreadMemory.LATENCY + MacArray.latency(program) + Requantiser.latency(program)


def result_latency(program):
    """Cycles from the last step of a group, as it is issued, to its codes."""
    return Sequencer.latency(program) + data_latency(program)


def queue_depth(program):
    """Places in the output queue: enough for a group in each cycle of the pipeline."""
    return 1 << (result_latency(program) + Output.latency(program) + 5 - 1).bit_length()


class DataPath(wiring.Component):
    """The engine of one layer, in the order that data flows.

    Parameters
    ----------
    program : Program

    Members
    -------
    i, o
        Input and output frames.
    i_weights
        Weight stream; never ready where the weights are built in.
    geometry
        Size and weights for the next frame.
    configured, bank
        As `Stores` gives them.
    errors
        One bit for each error of the streams, each high for a cycle.
    first, last
        High one cycle after a frame's first input beat is consumed, and after its last output beat
        is taken.
    """

    ERRORS = (*ERRORS, "weights_length")

    def __init__(self, program):
        self._program = program
        super().__init__({
            "i": In(stream.Signature(Beat(program.input_beat_bits))),
            "o": Out(stream.Signature(Beat(program.output_beat_bits))),
            "i_weights": In(stream.Signature(WeightBeat(program))),
            "geometry": In(Geometry(program)), "configured": Out(1), "bank": Out(1),
            "errors": Out(data.StructLayout({name: 1 for name in self.ERRORS})),
            "first": Out(1), "last": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        program, layouts = self._program, Layouts(self._program)
        px, depth = program.folding.px, queue_depth(program)
        m.submodules.skid = skid = SkidBuffer(self.i.payload.shape())
        m.submodules.ingest = ingest = Ingest(program)
        m.submodules.lines = lines = LineBuffer(
            SpreadMemory, address=layouts.line_address, px=px, bits=program.line_word_bits,
            depth=program.row_words * program.line_rows)
        m.submodules.sequencer = sequencer = Sequencer(program, credits=depth)
        m.submodules.stores = stores = Stores(program)
        m.submodules.mac_array = mac_array = MacArray(program)
        m.submodules.requantiser = requantiser = Requantiser(program)
        m.submodules.output = output = Output(program, depth=depth)
        connect(m, flipped(self.i), skid.i)
        connect(m, skid.o, ingest.i)
        connect(m, ingest.o_frame, sequencer.i_frame)
        connect(m, ingest.line, lines.write)
        connect(m, output.o, flipped(self.o))
        connect(m, flipped(self.i_weights), stores.i)
        if program.skip_zeros:
            m.submodules.flags = flags = LineBuffer(
                BlockMemory, address=layouts.flag_line_address, px=px, bits=program.flag_bits,
                depth=layouts.flag_row_words * program.line_rows)
            connect(m, ingest.flag, flags.write)
            m.d.comb += [flags.read.eq(sequencer.flag_read), sequencer.flag_data.eq(flags.data)]

        step, slack = sequencer.o, MacArray.slack(program, platform)
        m.d.comb += [
            ingest.geometry.eq(self.geometry), sequencer.written.eq(ingest.written),
            ingest.release.eq(sequencer.release), ingest.release_en.eq(sequencer.release_en),
            sequencer.departure.eq(output.departure),
            lines.read.eq(delay(m, step.lines, slack, name="lines_read")),
            stores.weight_read.eq(delay(m, step.weight, slack, name="weight_read")),
            mac_array.i.eq(delay(m, step.mac, SpreadMemory.LATENCY, name="step")),
            mac_array.i_valid.eq(delay(m, sequencer.o_valid, SpreadMemory.LATENCY,
                                       name="step_valid")),
            mac_array.lines.eq(lines.data), mac_array.weights.eq(stores.weight_data),
            requantiser.sums.eq(mac_array.sums), requantiser.i_valid.eq(mac_array.o_valid),
            requantiser.i_tag.eq(mac_array.tag),
            stores.parameters_read.eq(requantiser.parameters_read),
            requantiser.parameters_data.eq(stores.parameters_data),
            stores.tables_read.eq(requantiser.tables_read),
            requantiser.tables_data.eq(stores.tables_data),
            output.codes.eq(requantiser.codes), output.i_valid.eq(requantiser.o_valid),
            output.tag.eq(requantiser.tag),
        ]
        m.d.comb += [
            stores.begin.eq(ingest.o_frame.valid), stores.begin_bank.eq(self.geometry.bank),
            stores.end.eq(delay(m, sequencer.release_en & sequencer.release.frame,
                                data_latency(program), name="frame_end")),
            *[stores.end_bank.eq(bank) for bank in bank_of(requantiser.tag)],
            self.configured.eq(stores.configured), self.bank.eq(stores.bank),
            self.first.eq(delay(m, ingest.o_frame.valid, 1, name="first")),
            self.last.eq(output.end_of_frame),
            self.errors.weights_length.eq(stores.error),
            *[self.errors[name].eq(ingest.errors[name]) for name in ERRORS],
        ]
        return m


class Engine(wiring.Component):
    """The data path of each stage, one behind the other, and one set of registers.

    Parameters
    ----------
    program : Program or ChainProgram
    version : tuple of int
    digest : int
        For the registers.

    Members
    -------
    i, o
        Input and output frames.
    i_weights
        Weight stream of the first stage.
    bus
        AXI4-Lite registers.
    """

    def __init__(self, program, *, version, digest):
        self._program, self._version, self._digest = program, version, digest
        self._stages = stages = [DataPath(stage) for stage in program.stages]
        super().__init__({
            **{name: stages[0].signature.members[name] for name in ("i", "i_weights")},
            "o": stages[-1].signature.members["o"], "bus": In(AxiLite()),
        })

    def elaborate(self, platform):
        m = Module()
        stages = self._stages
        m.submodules.registers = registers = Registers(self._program, version=self._version,
                                                       digest=self._digest)
        for number, stage in enumerate(stages):
            m.submodules[f"stage_{number}"] = stage
        first, last = stages[0], stages[-1]
        connect(m, flipped(self.i), first.i)
        connect(m, flipped(self.i_weights), first.i_weights)
        connect(m, last.o, flipped(self.o))
        connect(m, flipped(self.bus), registers.bus)
        for before, stage in zip(stages, stages[1:]):
            connect(m, before.o, stage.i)
        errors = Signal.like(first.errors)
        m.d.comb += [
            first.geometry.eq(registers.geometry),
            registers.configured.eq(first.configured), registers.bank.eq(first.bank),
            registers.first.eq(first.first), registers.last.eq(last.last),
            errors.eq(reduce(or_, (stage.errors.as_value() for stage in stages))),
            *[registers.errors[name].eq(errors[name]) for name in DataPath.ERRORS],
        ]
        for n in range(1, len(stages)):
            self._follow(m, stages[n - 1].geometry, stages[n].geometry, self._program.stages[n])
        return m

    def _follow(self, m, before, geometry, program):
        """The size of a stage's frames, from that of the stage in front of it."""
        height, width = program.layer.output_size(program.height, program.width)
        size = Signal(geometry.shape(), init={
            "last_row": program.height - 1, "last_column": program.width - 1,
            "out_height": height, "out_width": width, "configured": 1})
        m.d.comb += geometry.eq(size)
        m.d.sync += [size.last_row.eq(before.out_height - 1),
                     size.last_column.eq(before.out_width - 1),
                     size.out_height.eq(before.out_height + height - program.height),
                     size.out_width.eq(before.out_width + width - program.width)]
