"""What an engine is made of: multipliers, memories and look-up tables, counted from its program.

Multipliers and memories are exact. Look-up tables are an estimate: for each part of the engine, a
number of bits that follows from the program, times tables per bit of the device family, which
`python -m bench.resources` measures and writes to `luts.json`.
"""

import json
from functools import cache
from pathlib import Path

from amaranth.hdl import signed

from golden.quantisation import dtype_bits

from .engine.beat_queue import BeatQueue
from .engine.engine import queue_depth
from .engine.layouts import Layouts
from .engine.look_ahead import LookAhead
from .engine.pipeline_queue import PipelineQueue
from .engine.rounding import FRACTION, Rounding
from .manifest import DeviceFigures
from .primitives.devices import number
from .primitives.memory import BankedMemory, BlockMemory, SpreadMemory
from .primitives.multiplier import Multiplier, MultiplierPair, WideMultiplier
from .primitives.serial import SerialMultipliers

__all__ = ["COEFFICIENTS", "device_figures", "memories", "memory_bits", "parts",
           "requantiser_multipliers", "tables"]

COEFFICIENTS = Path(__file__).with_name("luts.json")
# those that are not a `BlockMemory`: with a read port that has an enable, and with one that has
# no register
QUEUES, PLACES = ("line queue", "group queue", "look-ahead queue"), ("output places",)
SPREAD = ("line buffer", "weights", "parameters")   # each a `SpreadMemory`


def memories(program):
    """{name: (how many, bits of a word, words)} of every memory."""
    layouts, layout, px = Layouts(program), program.layout, program.folding.px
    units, code = program.requantisers, program.quantisation.output_bits
    found = {
        "line buffer": (px, program.line_word_bits, program.row_words * program.line_rows),
        "weights": (1, program.weight_word_bits, program.weight_depth),
        "parameters": (units, layouts.parameters.size, 1 << layouts.parameter_address.width),
        "line queue": (1, layouts.line.size, PipelineQueue.DEPTH),
        "group queue": (1, layouts.group.size, PipelineQueue.DEPTH),
        "output queue": (1, program.folding.po * px * code + 3, queue_depth(program)),
        "output places": (1, program.folding.po * px * code + 3, BeatQueue.AHEAD),
    }
    if program.quantisation.has_table:
        found["activation tables"] = (units * px, code, 1 << layouts.table_address.width)
    if program.skip_zeros:
        found["non-zero flags"] = (px, program.flag_bits,
                                   layouts.flag_row_words * program.line_rows)
    if program.pruned:
        found["weight flags"] = (1, program.flag_bits,
                                 program.steps // layout.block_inputs * program.flag_words)
    if program.looks_ahead:
        found["look-ahead queue"] = (1, layouts.work.size, LookAhead.DEPTH - 1)
    return {name: (count, width, max(2, depth)) for name, (count, width, depth) in found.items()}


def memory_bits(program):
    """Bits of all memories."""
    return sum(count * width * depth for stage in program.stages
               for count, width, depth in memories(stage).values())


def requantiser_multipliers(program, device="generic"):
    """Multipliers of all requantisers; 18-bit ones where there is no device."""
    if program.serial_requant:
        return 0
    blocks = WideMultiplier.blocks(device, *Rounding.operands(program))
    return blocks * program.requantisers * program.folding.px


def device_figures(program, device):
    """The `DeviceFigures` of a program on a device family, or None for the portable form."""
    if device == "generic":
        return None
    stages = [_stage_figures(stage, device) for stage in program.stages]
    return DeviceFigures(**{name: sum(getattr(figures, name) for figures in stages)
                            for name in DeviceFigures.model_fields})


def _stage_figures(program, device):
    single_port = BankedMemory.blocks(device, program.weight_word_bits, program.steps) if (
        program.spram) else 0
    return DeviceFigures(multipliers=_multipliers(program, device),
                         block_rams=_block_rams(program, device), single_port_rams=single_port,
                         luts=round(tables(_coefficients()[device], parts(program, device))))


def tables(coefficients, bits):
    """Look-up tables of the `parts` of an engine; a part without a coefficient takes none."""
    return sum(coefficients.get(part, 0) * count for part, count in bits.items())


@cache
def _coefficients():
    return json.loads(COEFFICIENTS.read_text())


def _multipliers(program, device):
    found = requantiser_multipliers(program, device)
    if program.multipliers:
        a, b = signed(program.activation_bits), signed(program.weight_bits)
        found += program.multipliers * (MultiplierPair.blocks(device) if program.pack
                                        else Multiplier.blocks(device, a, b))
    return found


def _block_rams(program, device):
    found = 0
    for name, (count, width, depth) in memories(program).items():
        if name in QUEUES:
            found += count * number(device, "queue_blocks", lambda width, depth: 0)(width, depth)
        elif name == "weights" and program.spram:
            continue
        elif name in SPREAD:
            found += count * SpreadMemory.blocks(device, width, depth)
        elif name not in PLACES:
            found += count * BlockMemory.blocks(device, width, depth)
    return found


def parts(program, device):
    """{part of the engine: bits that its look-up tables are in proportion to}."""
    layouts, folding, looks_ahead = Layouts(program), program.folding, program.looks_ahead
    units = folding.px * program.requantisers
    outputs = program.quantisation.output_bits * folding.px * folding.po
    return {
        "control": 1,
        "sequencer": sum(layout.size for layout in (layouts.line, layouts.group, layouts.visit,
                                                    layouts.place)),
        "look-ahead": layouts.work.size + program.flag_bits * folding.px if looks_ahead else 0,
        "loader": 1 if program.loadable else 0,
        "input": dtype_bits(program.quantisation.dtype) * program.layout.input_lanes,
        "pairs": program.multipliers if program.pack else 0,
        "products": folding.products * _product_bits(program) if program.lut_products else 0,
        "sums": folding.px * folding.po * _sum_bits(program),
        "requantisers": units,
        "requantiser bits": units * _rounding_bits(program, device),
        "requantiser delays": (units * program.quantisation.mantissa_bits
                               * Rounding.value_latency(program)),
        "serial products": units * _serial_bits(program) if program.serial_requant else 0,
        "output": outputs,
        "gathered pixels": (program.phases[1] + 1) * outputs if folding.px > 1 else 0,
    }


def _product_bits(program):
    """Bits of a product of look-up tables, which adds the activation for each bit of the weight."""
    return program.activation_bits * program.weight_bits


def _sum_bits(program):
    """Bits of the adders of one lane of the MAC array."""
    width = program.activation_bits + program.weight_bits
    terms, bits = program.folding.pi, 2 * program.accumulator_bits
    while terms > 1:
        width, bits, terms = width + 1, bits + terms // 2 * (width + 1), -(-terms // 2)
    return bits


def _serial_bits(program):
    """Bits of the operands of the serial multipliers of a requantiser."""
    a, b = Rounding.operands(program)
    return SerialMultipliers.count(b, program.turn_interval) * (a + b)


def _rounding_bits(program, device):
    """Bits of the adders and shifters of a requantiser."""
    a, b = Rounding.operands(program)
    excess, shift = Rounding.excess(program), dict(program.parameter_fields)["shift"]
    part = number(device, "PART_BITS", WideMultiplier.PART_BITS)
    bits = 2 * program.biased_bits + program.magnitude_bits
    if excess:
        bits += 4 * a
        shift = ((1 << shift) + excess - 1).bit_length()
    if a > part and not program.serial_requant:
        bits += -(-b // part) * (a + part)
    if b > part and not program.serial_requant:
        bits += a + b
    fraction = FRACTION if program.quantisation.requant == "onnxruntime" else 1
    if program.quantisation.requant == "tflite-reference":
        bits += a
    return bits + (fraction + Rounding.integer_bits(program)) * shift
