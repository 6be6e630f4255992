"""What an engine is made of: multipliers and memories, counted from its program."""

from .engine.beat_queue import BeatQueue
from .engine.engine import queue_depth
from .engine.layouts import Layouts
from .engine.look_ahead import LookAhead
from .engine.pipeline_queue import PipelineQueue
from .engine.rounding import Rounding
from .primitives.multiplier import WideMultiplier

__all__ = ["memories", "memory_bits", "requantiser_multipliers"]


def memories(program):
    """{name: (how many, bits of a word, words)} of every memory."""
    layouts, layout, px = Layouts(program), program.layout, program.folding.px
    units, banks = program.requantisers, 2 if program.loadable else 1
    found = {
        "line buffer": (px, program.line_word_bits, program.row_words * program.line_rows),
        "weights": (1, program.weight_word_bits, program.steps * banks),
        "parameters": (units, layouts.parameters.size, 1 << layouts.parameter_address.width),
        "line queue": (1, layouts.line.size, PipelineQueue.DEPTH),
        "group queue": (1, layouts.group.size, PipelineQueue.DEPTH),
        "output queue": (1, 8 * program.folding.po * px + 3, queue_depth(program)),
        "output places": (1, 8 * program.folding.po * px + 3, BeatQueue.AHEAD),
    }
    if program.quantisation.has_table:
        found["activation tables"] = (units * px, 8, 1 << layouts.table_address.width)
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
    return sum(count * width * depth for count, width, depth in memories(program).values())


def requantiser_multipliers(program):
    """18-bit multipliers of all requantisers."""
    if program.serial_requant:
        return 0
    blocks = WideMultiplier.blocks("generic", *Rounding.operands(program))
    return blocks * program.requantisers * program.folding.px
