"""The phase bank folded onto an engine: every word, table, width and count that hardware needs.

The MAC steps of one output frame, in order::

    for i, p            input row position and row phase      (one output row)
      for block, q      px column positions and column phase
        for b, g        convolution groups and output-channel groups: one *group* of results
          for ty, tx    taps inside the frame
            for c       input-channel words: one *step*

One step is one cycle of the whole MAC array and one weight word. Weight words are stored in this
order, so that the address is a counter, and a tap outside the frame is a jump.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from golden.model import ACCUMULATOR_BITS
from golden.quantisation import requantise
from golden.resize import divide

from .folding import IDLE, ChannelLayout, Folding
from .layers import smallest_length
from .phase_bank import lower
from .primitives.memory import BankedMemory
from .primitives.multiplier import LutMultiplier, MultiplierPair
from .primitives.serial import SerialMultiplier
from .quantisation import Quantisation, lane_bits
from .schedule import Schedule

__all__ = ["Program"]

FLAG_WORD = 16  # steps that the look-ahead judges in one cycle


def bits_for(low, high):
    """Width of a signed number that holds low..high."""
    return max(int(high).bit_length(), int(-low - 1).bit_length() if low < 0 else 0) + 1


@dataclass(frozen=True, kw_only=True)
class Program:
    """A layer with its tensors, frame size and folding, and all that follows from them.

    Parameters
    ----------
    layer : hw.layers.Layer
    quantisation : Quantisation
    tensors : mapping of str to numpy.ndarray
        `weight`, `bias`, `input_scale`, `weight_scale`, `output_scale` and, for table
        activations, `pre_scale`, `pre_zero_point` and `slope`.
    height, width : int
        The largest input frame.
    folding : Folding
    skip_zeros : bool
        Drop steps whose activations are all zero.
    pack : bool
        Two output channels share a multiplier.
    lut_products : bool
        The MAC array is made of look-up tables alone.
    serial_requant : bool
        Requantise bit by bit, without multipliers.
    loadable : bool
        Weights come over their own stream instead of lying in the bitstream.
    spram : bool
        They lie in memories with a single port, one for each bank.
    """

    layer: object
    quantisation: Quantisation
    tensors: dict
    height: int
    width: int
    folding: Folding
    skip_zeros: bool = False
    pack: bool = False
    lut_products: bool = False
    serial_requant: bool = False
    loadable: bool = False
    spram: bool = False

    def __post_init__(self):
        self.layer.output_size(self.height, self.width)
        for derived in ("layout", "requantisation"):
            getattr(self, derived)  # raises where the folding, or the scales, do not fit
        if self.folding.px > 1 and (self.bank.step[1] > 1 or self.bank.clamps):
            raise ValueError("px must be 1 where a convolution has a stride, or the edges are "
                             f"repeated, not {self.folding.px}")
        if self.layer.weight_shape is None:
            self._check_resize()
        if self.pack:
            self._check_pack()
        if self.lut_products and self.weight_bits > LutMultiplier.MOST_BITS:
            raise ValueError(f"weight_bits must be at most {LutMultiplier.MOST_BITS} where "
                             f"lut_products is set, not {self.weight_bits}")
        if self.spram and not self.loadable:
            raise ValueError("loadable must be True where spram is set, not False")
        most = 32 if self.quantisation.requant == "tflite-reference" else ACCUMULATOR_BITS
        if self.accumulator_bits > most:
            raise ValueError(f"weight must keep every sum in {most} bits, but with kernel_size "
                             f"{self.layer.kernel_size} and {self.layout.group_inputs} input "
                             f"channels it may need {self.accumulator_bits} bits")

    def _check_resize(self):
        """Refuse a factor by which requantisation does not divide exactly."""
        if self.loadable:
            raise ValueError(f"loadable must be False for {self.layer.op}, which has no weights, "
                             "not True")
        whole, scheme = self.layer.denominator, self.quantisation
        low, high = scheme.input_range
        # both are monotonic: it is enough to look at the sums around each half
        sums = np.clip([np.arange(2 * low - 1, 2 * high + 2, 2) * whole // 2 + n
                        for n in (-1, 0, 1)], low * whole, high * whole)
        rounded = requantise(sums.reshape(1, -1), np.float32(1) / np.float32(whole), 0, low, high,
                             scheme=scheme.requant, bits=scheme.multiplier_bits)
        if not np.array_equal(rounded.reshape(-1), divide(sums, whole).reshape(-1)):
            raise ValueError(f"scale_factor must be one that requantisation ({scheme.requant}) "
                             f"divides by exactly, not {self.layer.scale_factor}")

    def _check_pack(self):
        if self.lut_products:
            raise ValueError("lut_products must be False where pack is set, not True")
        lanes, weights = self.folding.po // self.layout.parallel_groups, self.weight_array
        if lanes % 2:
            raise ValueError("po must give each convolution group an even number of lanes where "
                             f"two share a multiplier, not {lanes}")
        if self.weight_bits > MultiplierPair.B_BITS[-1]:
            raise ValueError(f"weight_bits must be at most {MultiplierPair.B_BITS[-1]} where two "
                             f"products share a multiplier, not {self.weight_bits}")
        if self.activation_bits > MultiplierPair.A_BITS[-1]:
            raise ValueError("dtype and input_zero_point must make operands of at most "
                             f"{MultiplierPair.A_BITS[-1]} bits where two products share a "
                             f"multiplier, and {self.quantisation.dtype} with "
                             f"{self.quantisation.input_zero_point} makes {self.activation_bits}")
        if weights.min() < -127:
            raise ValueError("weight must be at least -127 where two products share a multiplier, "
                             "not -128")

    @property
    def multipliers(self):
        """Multipliers of the MAC array."""
        return 0 if self.lut_products else self.folding.products // (2 if self.pack else 1)

    @property
    def stages(self):
        """The programs that data flows through: this one. A `ChainProgram` has several."""
        return (self,)

    @property
    def spec(self):
        """Layer and number formats, as `golden` and the manifest have them."""
        return {**self.layer.describe(), **self.quantisation.describe()}

    # --- shape ------------------------------------------------------------------------------

    @cached_property
    def bank(self):
        return lower(self.layer, self.tensors.get("weight"))

    @cached_property
    def layout(self):
        return ChannelLayout(self.layer.in_channels, self.layer.out_channels, self.bank.groups,
                             self.folding)

    @property
    def phases(self):
        return len(self.bank.rows), len(self.bank.columns)

    def smallest(self, axis):
        """Smallest input length that leaves an output."""
        return smallest_length(self.layer, axis)

    @cached_property
    def reach(self):
        """((lowest dy, highest dy), (lowest dx, highest dx)) over all phases."""
        return tuple((min(d), max(d)) for d in
                     ([o for taps in axis for o in taps] for axis in
                      (self.bank.rows, self.bank.columns)))

    @property
    def line_rows(self):
        """Rows that the line buffer holds: those that one output row needs, and one to fill.

        The last output row waits for the end of the frame: up to `step - 1` rows that none needs.
        """
        (low, high), step = self.reach[0], self.bank.step[0]
        return min(max(high - min(low, 0) + 1, step) + max(1, step - 1), 2 * self.height)

    @property
    def row_words(self):
        """Words of one row in one of the `px` memories of the line buffer."""
        return -(-self.width // self.folding.px) * self.layout.input_beats

    @property
    def activation_bits(self):
        """Width of `code - zero_point`, signed."""
        return bits_for(*self.quantisation.input_range)

    @property
    def input_beat_bits(self):
        """Width of a beat of the input stream."""
        return self.layout.input_lanes * lane_bits(self.quantisation.dtype)

    @property
    def output_beat_bits(self):
        """Width of a beat of the output stream."""
        return self.folding.px * self.folding.po * lane_bits(self.quantisation.output_dtype)

    @property
    def line_word_bits(self):
        return self.layout.input_lanes * self.activation_bits

    # --- weights ----------------------------------------------------------------------------

    @cached_property
    def weight_bits(self):
        """Width of a weight as the engine has it: more than that of the layer if some add up."""
        bits, gain = self.quantisation.weight_bits, self.bank.gain
        if gain == 1:
            return bits
        if self.loadable:
            return bits_for(-gain << bits - 1, (gain << bits - 1) - 1)
        filters = sum(self.bank.filters, [])
        return bits_for(min(int(f.min()) for f in filters), max(int(f.max()) for f in filters))

    @property
    def weight_word_bits(self):
        return self.folding.pi * self.folding.po * self.weight_bits

    @cached_property
    def weight_array(self):
        """Array (steps, pi, po) of weights in program order."""
        layout = self.layout
        parts = [self._fold(f) for row in self.bank.filters for f in row]
        return np.concatenate([p.reshape(-1, layout.folding.pi, layout.folding.po) for p in parts])

    def _fold(self, filters):
        """(out, in/groups, ty, tx) -> (output beat, ty, tx, input word, pi, po)."""
        layout, pi = self.layout, self.folding.pi
        padded = np.zeros((layout.out_channels + 1, layout.block_inputs * pi, *filters.shape[2:]),
                          dtype=np.int64)
        padded[:-1, :filters.shape[1]] = filters
        words = padded[layout.output_channels]  # an idle lane (-1) takes the zero row at the end
        words = words.reshape(*words.shape[:2], layout.block_inputs, pi, *filters.shape[2:])
        return words.transpose(0, 4, 5, 2, 3, 1)

    @cached_property
    def weight_words(self):
        """Weight memory as a list of ints: weights of an input side by side, as its multipliers."""
        return pack(self.weight_array.reshape(self.steps, -1), self.weight_bits)

    @property
    def steps(self):
        """Weight words, one for each step of all phases."""
        return sum(self.phase_steps(p, q) for p in range(self.phases[0])
                   for q in range(self.phases[1]))

    @property
    def weight_bank(self):
        """Weight words from the beginning of a loadable bank to that of the next one."""
        return BankedMemory.bank(self.steps) if self.spram else self.steps

    @property
    def weight_depth(self):
        """Weight words of the memory: two banks if they are loadable."""
        return self.weight_bank * (2 if self.loadable else 1)

    def phase_steps(self, p, q):
        """Steps of all output-channel groups of one phase."""
        return (len(self.bank.rows[p]) * len(self.bank.columns[q]) * self.layout.block_inputs
                * self.layout.output_beats)

    @cached_property
    def pruned(self):
        """Whether some step has only zero weights, for ever, so that dropping it saves cycles."""
        return not self.loadable and not self.weight_array.any(axis=(1, 2)).all()

    @cached_property
    def live_steps(self):
        """{(p, q): array (output beats, row taps, column taps)} of steps that have weights."""
        live, counts, start = self.weight_array.any(axis=(1, 2)), {}, 0
        for p, rows in enumerate(self.bank.rows):
            for q, columns in enumerate(self.bank.columns):
                end = start + self.phase_steps(p, q)
                counts[p, q] = live[start:end].reshape(
                    self.layout.output_beats, len(rows), len(columns),
                    self.layout.block_inputs).sum(axis=3)
                start = end
        return counts

    def useful_products(self, p, q):
        """Array (row taps, column taps) of products in one phase, of non-zero weights if pruned."""
        filters = self.bank.filters[p][q]
        if self.pruned:
            return np.count_nonzero(filters, axis=(0, 1))
        return np.full(filters.shape[2:], self.layer.group_inputs * self.layer.out_channels)

    @property
    def looks_ahead(self):
        return self.skip_zeros or self.pruned

    @cached_property
    def flag_words(self):
        """Flag words of one tap: steps are judged `flag_bits` at a time."""
        return -(-self.layout.block_inputs // FLAG_WORD)

    @cached_property
    def flag_bits(self):
        return -(-self.layout.block_inputs // self.flag_words)

    @property
    def tap_visits(self):
        """Visits of one tap: its steps or, with look-ahead, its flag words."""
        return self.flag_words if self.looks_ahead else self.layout.block_inputs

    @property
    def visit_steps(self):
        """Most steps of a visit."""
        return self.flag_bits if self.looks_ahead else 1

    @property
    def last_visit_steps(self):
        """Steps of the last visit of a tap."""
        return self.layout.block_inputs - self.visit_steps * (self.tap_visits - 1)

    @cached_property
    def weight_flags(self):
        """One int for each flag word in program order: bit n is set if its step n has weights."""
        live = self.weight_array.any(axis=(1, 2)).reshape(-1, self.layout.block_inputs)
        padded = np.zeros((len(live), self.flag_words * self.flag_bits), dtype=np.int64)
        padded[:, :live.shape[1]] = live
        return pack(padded.reshape(-1, self.flag_bits), 1)

    # --- results ----------------------------------------------------------------------------

    @cached_property
    def _sum_range(self):
        """(lowest, highest) sum of products, without and with the bias."""
        low, high = self.quantisation.input_range
        if self.loadable:
            most = 1 << (self.weight_bits - 1)
            terms = max(map(len, self.bank.rows)) * max(map(len, self.bank.columns))
            bound = terms * self.layout.group_inputs * most * max(-low, high)
            return (-bound, bound), (-bound - 2**31, bound + 2**31 - 1)
        sums, biased = [0], [0]
        for filters, channels in zip(sum(self.bank.filters, []), sum(self.bank.channels, [])):
            filters = filters.astype(np.int64)
            above = np.maximum(filters, 0).sum(axis=(1, 2, 3))
            below = np.minimum(filters, 0).sum(axis=(1, 2, 3))
            bounds = np.stack([above * low + below * high, above * high + below * low])
            sums.append(bounds)
            biased.append(bounds + np.asarray(self.tensors["bias"], dtype=np.int64)[channels])
        return tuple((min(int(np.min(s)) for s in part), max(int(np.max(s)) for s in part))
                     for part in (sums, biased))

    @property
    def accumulator_bits(self):
        """Width of an accumulator: the exact worst case of the real weights."""
        return bits_for(*self._sum_range[0])

    @property
    def biased_bits(self):
        """Width of accumulator plus bias."""
        return bits_for(*self._sum_range[1])

    @property
    def magnitude_bits(self):
        """Width of the largest magnitude of accumulator plus bias."""
        low, high = self._sum_range[1]
        return max(1, -low, high).bit_length()

    @cached_property
    def requantisation(self):
        scale = self.tensors["weight_scale"] / np.float32(self.layer.denominator)
        return self.quantisation.requantisation({**self.tensors, "weight_scale": scale},
                                                self.layer.parameter_channels)

    @cached_property
    def shift_range(self):
        """(smallest, largest) shift that the requantiser can be asked for."""
        if self.loadable:
            return self.quantisation.shift_range
        shift = self.requantisation.shift
        return int(shift.min()), int(shift.max())

    @cached_property
    def schedule(self):
        """The `Schedule` of the largest frame."""
        return Schedule(self, self.height, self.width)

    @cached_property
    def requantisers(self):
        """Output channels that are requantised in one cycle, for each of the `px` lanes.

        As few as keep up with the shortest group of a dense frame; with zeros skipped, with a
        group of which one step in `FLAG_WORD` is left.
        """
        return -(-self.folding.po // self._shortest_group)

    @property
    def _shortest_group(self):
        shortest = self.schedule.shortest_group // (FLAG_WORD if self.skip_zeros else 1)
        return max(1, shortest)

    @property
    def turns(self):
        """Output channels of a group that a requantiser works on, one after the other."""
        return -(-self.folding.po // self.requantisers)

    @cached_property
    def turn_interval(self):
        """Cycles from one channel to the next: a power of two, 1 where multipliers requantise.

        Products that are made bit by bit get as much time as the shortest group has to spare.
        """
        if not self.serial_requant:
            return 1
        product = SerialMultiplier.interval(self.quantisation.mantissa_bits)
        spare = max(1, self._shortest_group // self.turns)
        return 1 << min(spare.bit_length() - 1, (product - 1).bit_length())

    @property
    def result_interval(self):
        """Cycles that the requantisers take for the results of one group."""
        return self.turns * self.turn_interval

    # --- constants of the result path -------------------------------------------------------

    @property
    def parameter_sets(self):
        """Groups of output channels with constants of their own (those of each phase, if any)."""
        sets = self.phases[0] * self.phases[1] if self.bank.per_phase_parameters else 1
        return sets * self.layout.output_beats

    @cached_property
    def parameter_channels(self):
        """Array (parameter sets * turns, requantisers) of convolution channels, or -1."""
        banks = sum(self.bank.channels, []) if self.bank.per_phase_parameters else [
            self.bank.channels[0][0]]
        lanes = np.full((len(banks), self.layout.output_beats,
                         self.turns * self.requantisers), IDLE)
        for bank, channels in zip(lanes, banks):
            with_idle = np.append(channels, IDLE)  # index -1, an idle lane, stays -1
            bank[:, :self.folding.po] = with_idle[self.layout.output_channels]
        return lanes.reshape(-1, self.requantisers)

    @property
    def parameter_fields(self):
        """(name, bits) of one parameter record, lowest first.

        Of a bias that is built in, the bits matter that the sum has.
        """
        low, high = self.shift_range
        bias = 32 if self.loadable else min(32, self.biased_bits)
        return (("bias", bias), ("multiplier", self.quantisation.mantissa_bits),
                ("shift", max(1, (high - low).bit_length())))

    @cached_property
    def parameter_records(self):
        """Array like `parameter_channels` of records (Python ints); idle lanes have 0."""
        fields = dict(self.parameter_fields)
        values = {"bias": np.asarray(self.tensors["bias"], dtype=np.int64) & (
                      (1 << fields["bias"]) - 1),
                  "multiplier": self.requantisation.multiplier,
                  "shift": self.requantisation.shift - self.shift_range[0]}
        records, position = [0] * self.layer.parameter_channels, 0
        for name, bits in fields.items():
            records = [r | int(v) << position for r, v in zip(records, values[name])]
            position += bits
        return [[records[c] if c != IDLE else 0 for c in row] for row in self.parameter_channels]

    @property
    def table_per_channel(self):
        """Whether each channel has an activation table of its own."""
        return self.requantisation.table is not None and len(self.requantisation.table) > 1

    @cached_property
    def tables(self):
        """Array (parameter words or 1, requantisers, codes) of the activation tables."""
        table = self.requantisation.table
        if not self.table_per_channel:
            return np.broadcast_to(table, (1, self.requantisers, table.shape[1]))
        channel_of = np.zeros(self.layer.parameter_channels + 1, dtype=int)
        for channels in sum(self.bank.channels, []):  # a slope belongs to a shuffled channel
            channel_of[channels] = np.arange(self.layer.out_channels)
        return table[channel_of[self.parameter_channels]]


def pack(values, bits):
    """Rows of an integer array as Python ints, `bits` for each value, the first one lowest."""
    values = np.asarray(values, dtype=np.int64)
    planes = (values[:, :, None] >> np.arange(bits)) & 1
    data = np.packbits(planes.reshape(len(values), -1).astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in data]
