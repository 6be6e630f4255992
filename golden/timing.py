"""The timing contract: at which cycle every beat is accepted and emitted.

An event model of `docs/timing.md`. It walks the output by definition (which kernel taps meet which
input rows and columns), knows the fixed latencies of the stages, and solves what waits for what,
one group of results after the other. Cycle numbers count rising clock edges.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from golden.liveness import Liveness

__all__ = ["EngineParameters", "Timing", "simulate", "Shape", "Input", "Output", "Model"]

# Cycles between events; `docs/timing.md` names each one.
FRAME_TO_GROUP = 17     # first beat of a frame consumed -> its first group is there
ROW_TO_GROUP = 12       # last beat of a row consumed -> a group that needs it is there
GROUP_TO_VISIT = 2      # a group is there -> its first visit, if none is before it
WORD_TO_STEP = 1        # a word of the look-ahead is taken -> its first step
ADDRESSES, ADDRESSES_OF_PIXELS = 4, 5
FLAGS = 2               # the flag word of a visit is read -> its live steps are known
OFFSET = 2              # a step of a word is issued -> its addresses
FREE = 5                # last step of a row is done -> the first beat of another in its place
NEXT_FRAME = 2          # last step of a frame is done -> the first beat of the next but one
MEMORY, MULTIPLIER, PAIR, WIDE_MULTIPLIER = 2, 4, 7, 7
SPREAD_MEMORY = 1 + MEMORY      # line buffer, weights, parameters
OPERANDS = 1            # out of the memories -> at the multipliers
SERIAL, DIGIT = 2, 2    # a product made in digits of so many bits -> their number and this
ACCUMULATE = 2          # into the accumulator, and out of it
MAGNITUDE, TO_MANTISSA, HIGH, SHIFT, CODE = 3, 4, 2, 3, 5   # stages of the rounding
LOOK_AHEAD_QUEUE = 2    # a word enters the queue of the look-ahead -> it is offered
QUEUE = 5               # a beat enters the output queue -> it is offered
CREDIT = 2              # a beat is taken -> the first step that its credit allows
SPARE_CREDITS = 5
LOOK_AHEAD_LEVEL = 8    # visits pause while more words than this are queued
FLAG_WORD = 16          # most steps that are judged in one cycle
FRAMES_IN_FLIGHT = 2
FLOAT32_MANTISSA, TFLITE_MULTIPLIER = 24, 31
TABLE_ACTIVATIONS = ("leaky_relu", "prelu", "tanh", "sigmoid", "hard_sigmoid")


@dataclass(frozen=True, kw_only=True)
class EngineParameters:
    """What of an engine its timing depends on, besides the layer.

    Attributes
    ----------
    pi, po, px : int
        Input channels, output channels and output pixels of a cycle.
    requantisers : int
        Output channels that are requantised in one cycle.
    magnitude_bits : int
        Width of the magnitude of accumulator plus bias.
    max_height : int
        Rows of the largest frame.
    skip_zeros, pruned : bool
        Whether steps without activations, and steps without weights, are skipped.
    pack : bool
        Whether two output channels share a multiplier.
    serial_requant : bool
        Whether the products of requantisation are made digit by digit.
    turn_interval : int
        Cycles from one channel of a requantiser to the next.
    """

    pi: int
    po: int
    px: int
    requantisers: int
    magnitude_bits: int
    max_height: int
    skip_zeros: bool = False
    pruned: bool = False
    pack: bool = False
    serial_requant: bool = False
    turn_interval: int = 1


@dataclass(frozen=True)
class Timing:
    """Cycles of every input beat, and of every output beat, in order."""

    accepted: np.ndarray
    emitted: np.ndarray


def simulate(spec, engine, frames, *, weight=None, gaps=None, ready=None, start=0):
    """Predict the cycle of every handshake.

    Parameters
    ----------
    spec : mapping
        The layer, as in `golden.model.forward`.
    engine : EngineParameters
    frames : list
        Of (height, width) or, for an engine that skips zeros, of arrays (channels, height, width)
        of input codes.
    weight : numpy.ndarray
        The weight tensor; needed where steps without weights are skipped.
    gaps : sequence of int, optional
        Cycles in which beat n is not yet offered after beat n - 1 was accepted. Default none.
    ready : sequence of bool, optional
        Whether output is accepted in cycle `start + n`, repeated for ever. Default always.
    start : int
        First cycle.

    Returns
    -------
    Timing
    """
    shape = Shape(spec, engine)
    model = Model(shape, Input(shape, sender(gaps), start), Output(shape, ready, start), start)
    for frame in frames:
        for _ in model.run(frame, weight):
            pass
    return Timing(np.array(model.input.accepted), np.array(model.output.emitted))


class _Axis:
    """Which taps meet which input position, by the definition of the layer."""

    def __init__(self, spec, axis):
        self.clamps = spec.get("mode") == "bilinear"
        self.phases, self.step, self._constant = 1, 1, 0
        kernel, dilation, before, after = 1, 1, 0, 0
        if spec["op"] != "resize2d":
            kernel, dilation = spec["kernel_size"][axis], spec["dilation"][axis]
            before, after = spec["padding"][axis]
        pads = before + after - dilation * (kernel - 1)
        # input offsets that kernel index k of phase p meets, and how much of each
        if spec["op"] == "conv_transpose2d":
            self.phases = spec["stride"][axis]
            self._constant = spec["output_padding"][axis] + 1 - self.phases - pads

            def met(p, k):
                offset, rest = divmod(p + before - k * dilation, self.phases)
                return {} if rest else {offset: 1}
        elif spec["op"] in ("resize2d", "resize_conv2d"):
            self.phases = spec["scale_factor"][axis]
            self._constant = pads - (self.phases - 1) * (spec["coordinates"] == "align_corners")

            def met(p, k):
                return _resized(spec, p + k * dilation - before, self.phases)
        else:
            if spec["op"] == "conv2d":
                self.step = spec.get("stride", (1, 1))[axis]
            else:
                self.phases = spec["upscale_factor"]
            self._constant = pads * self.phases

            def met(p, k):
                return {k * dilation - before: 1}
        meets = [[met(p, k) for k in range(kernel)] for p in range(self.phases)]
        self.taps = [sorted(set().union(*found)) for found in meets]
        # shares[p][t, k]: how much of the input at tap t of phase p kernel index k multiplies
        self.shares = [np.array([[one.get(d, 0) for one in found] for d in taps],
                                np.int64).reshape(-1, kernel)
                       for found, taps in zip(meets, self.taps)]
        self.low = min(d for taps in self.taps for d in taps)
        self.high = max(d for taps in self.taps for d in taps)

    def outputs(self, length):
        """Output length for an input length."""
        return (length * self.phases + self._constant - 1) // self.step + 1

    def inside(self, first, taps, lanes, length):
        """Numbers of the taps that meet the input in some of the `lanes` from `first` on."""
        first *= self.step
        return [t for t, d in enumerate(taps)
                if self.clamps or (first + lanes + d > 0 and first + d < length)]

    def pixels(self, first, phase, tap, lanes, length):
        """Slice of the input that a tap meets from position `first` on."""
        begin = first * self.step + self.taps[phase][tap]
        if self.clamps:
            begin = min(max(begin, 0), length - 1)
        return slice(max(0, begin), max(0, begin + lanes))


def _resized(spec, position, factor):
    """{input offset: share} of a position of the enlarged image."""
    if spec["mode"] == "nearest":
        return {position // factor: 1}
    half = spec["coordinates"] == "half_pixel"
    whole = 2 * factor if half else factor
    offset, part = divmod(2 * position + 1 - factor if half else position, whole)
    return {offset + n: share for n, share in enumerate((whole - part, part)) if share}


class Shape:
    """Channels, folding and latencies of one engine."""

    def __init__(self, spec, engine):
        self.spec, self.engine = spec, engine
        self.rows, self.columns = _Axis(spec, 0), _Axis(spec, 1)
        groups = spec["in_channels"] if spec["op"] == "resize2d" else spec["groups"]
        if spec["op"] == "sub_pixel_conv2d" and groups > 1 and not _shuffle_keeps_groups(spec):
            groups = 1
        inputs, outputs = spec["in_channels"] // groups, spec["out_channels"] // groups
        self.parallel = max(1, engine.po // outputs) if groups > 1 else 1
        self.inputs, self.outputs = inputs, outputs
        self.blocks = -(-groups // self.parallel)
        self.block_inputs = -(-inputs // engine.pi)
        self.block_outputs = 1 if self.parallel > 1 else -(-outputs // engine.po)
        self.input_beats = self.blocks * self.block_inputs
        window = self.rows.high - min(self.rows.low, 0) + 1
        step = self.rows.step
        self.line_rows = min(max(window, step) + max(1, step - 1), 2 * engine.max_height)
        self.flag_words = -(-self.block_inputs // FLAG_WORD)
        self.flag_bits = -(-self.block_inputs // self.flag_words)
        turns = -(-engine.po // engine.requantisers)
        self.interval = turns * engine.turn_interval
        table = MEMORY if spec["activation"] in TABLE_ACTIVATIONS else 0
        addresses = ADDRESSES_OF_PIXELS if engine.px > 1 else ADDRESSES
        self.flags = addresses + MEMORY + FLAGS
        self.addresses = OFFSET if engine.skip_zeros or engine.pruned else addresses
        self.latency = (self.addresses + SPREAD_MEMORY + OPERANDS
                        + (PAIR if engine.pack else MULTIPLIER)
                        + (engine.pi - 1).bit_length() + ACCUMULATE + SPREAD_MEMORY
                        + _rounding(spec, engine) + table
                        + (turns - 1) * engine.turn_interval)
        gathering = 2 * self.columns.phases if engine.px > 1 else 0
        self.credits = 1 << (self.latency + gathering + QUEUE + SPARE_CREDITS - 1).bit_length()

    def input_word(self, channel):
        """(block, word in the block) of an input channel."""
        group, within = divmod(channel, self.inputs)
        if self.parallel > 1:
            return group // self.parallel, 0
        return group, within // self.engine.pi

    def output_beat(self, channel):
        """Output beat of an output channel."""
        group, within = divmod(channel, self.outputs)
        if self.parallel > 1:
            return group // self.parallel
        return group * self.block_outputs + within // self.engine.po

    def kernels(self, weight, channel, p, q):
        """(input channel, kernel) of everything that an output channel of a phase adds up."""
        spec = self.spec
        if spec["op"] == "conv_transpose2d":
            group, within = divmod(channel, self.outputs)
            first = group * self.inputs
            return [(i, weight[i, within]) for i in range(first, first + self.inputs)]
        if spec["op"] == "sub_pixel_conv2d":
            factor = spec["upscale_factor"]
            place = p * factor + q
            channel = (channel * factor**2 + place if spec["order"] == "CRD"
                       else place * spec["out_channels"] + channel)
        size = spec["in_channels"] // spec["groups"]
        first = channel * spec["groups"] // len(weight) * size
        return [(first + n, kernel) for n, kernel in enumerate(weight[channel])]


def _rounding(spec, engine):
    """Latency of the rounding unit."""
    scheme, product, stages = spec["requant"], WIDE_MULTIPLIER, MAGNITUDE + SHIFT + 1 + CODE
    if engine.serial_requant:
        bits = {"onnxruntime": FLOAT32_MANTISSA, "tflite-reference": TFLITE_MULTIPLIER}
        product = SERIAL + -(-bits.get(scheme, spec["multiplier_bits"]) // DIGIT)
    if scheme == "onnxruntime":
        stages += 1 + (TO_MANTISSA if engine.magnitude_bits > FLOAT32_MANTISSA else 0)
    if scheme == "tflite-reference":
        stages += HIGH
    return stages + product


def _shuffle_keeps_groups(spec):
    """Whether each output channel of a pixel shuffle stays within one convolution group."""
    out, factor = spec["out_channels"], spec["upscale_factor"]
    channels = np.arange(out * factor**2)
    group = channels * spec["groups"] // len(channels)
    by_output = (group.reshape(out, -1) if spec["order"] == "CRD"
                 else group.reshape(-1, out).T)
    return bool((by_output == (np.arange(out) * spec["groups"] // out)[:, None]).all())


def sender(gaps):
    """When beat n is offered, beat n - 1 having been accepted in the cycle `last`."""
    def offered(n, last):
        return last + 1 + (gaps[n] if gaps is not None else 0)
    return offered


class Input:
    """The input side: skid buffer, row by row into the line buffer."""

    def __init__(self, shape, offered, start):
        self._shape = shape
        self._offered = offered
        self.accepted, self.row_done, self.frame_begun = [], [], []
        self.row_freed, self.frame_done = [], []
        self._before, self._last = (start - 2, start - 2), start - 1  # consumed; accepted

    def row(self, width, first):
        """Take in one row; rows and frames that it waits for must have been freed by now."""
        shape, number = self._shape, len(self.row_done)
        earliest = 0
        if number >= shape.line_rows:
            earliest = self.row_freed[number - shape.line_rows] + FREE
        if first and len(self.frame_begun) >= FRAMES_IN_FLIGHT:
            before = self.frame_done[len(self.frame_begun) - FRAMES_IN_FLIGHT]
            earliest = max(earliest, before + NEXT_FRAME)
        older, newer = self._before
        last, accepted = self._last, self.accepted
        for beat in range(width * shape.input_beats):
            last = max(self._offered(len(accepted), last), older + 1)
            accepted.append(last)
            older, newer = newer, max(last + 1, newer + 1, earliest)
            if beat == 0 and first:
                self.frame_begun.append(newer)
        self._before, self._last = (older, newer), last
        self.row_done.append(newer)


@dataclass(frozen=True)
class _End:
    """Of a group of results: whether it makes an output beat, and whether it ends its block."""

    makes_beat: bool
    of_block: bool


class Output:
    """The output side: gathers blocks, queues beats, gives credits."""

    def __init__(self, shape, ready, start):
        self._shape, self._start = shape, start
        self._ready = None if ready is None else np.asarray(ready, dtype=bool)
        if ready is not None:
            self._next_ready = _distances(self._ready)
        self.emitted, self._block = [], []
        self.taken = 0

    def credit(self):
        """First cycle in which another beat can be begun."""
        back = self.taken - self._shape.credits
        self.taken += 1
        return self.emitted[back] + CREDIT if back >= 0 else 0

    def group(self, last_step, end):
        """A group of results whose last step is at `last_step`."""
        done = last_step + self._shape.latency
        if self._shape.engine.px == 1:
            self._emit(done)
            return
        self._block.append(end.makes_beat)
        if end.of_block:
            for n, makes_beat in enumerate(self._block):
                if makes_beat:
                    self._emit(done + 2 + n)
            self._block = []

    def _emit(self, queued):
        offered = queued + QUEUE
        if self.emitted:
            offered = max(offered, self.emitted[-1] + 1)
        if self._ready is not None:
            offered += int(self._next_ready[(offered - self._start) % len(self._next_ready)])
        self.emitted.append(offered)


def _distances(ready):
    """For each cycle of a repeating pattern, how many cycles until it is ready."""
    if not ready.any():
        raise ValueError("ready must accept output in some cycle, not never")
    twice = np.flatnonzero(np.concatenate([ready, ready]))
    cycles = np.arange(len(ready))
    return twice[np.searchsorted(twice, cycles)] - cycles


class Model:
    """Visits, look-ahead and steps, between the two sides."""

    def __init__(self, shape, input, output, start):
        self.shape, self.input, self.output = shape, input, output
        self._visit = start - 1                 # last visit
        self._issuer_free = self._last_step = start - 1 - shape.interval
        self._rows_before = 0                   # rows of the frames before this one
        self._queue = deque()                   # (pushed, taken) of the words looked ahead
        self._held = None                       # steps of the word whose successor is not known

    def run(self, frame, weight):
        """One frame, a pause after each group of results; `frame` as in `simulate`."""
        shape, engine = self.shape, self.shape.engine
        codes = frame if isinstance(frame, np.ndarray) else None
        height, width = codes.shape[1:] if codes is not None else frame
        frames = len(self.input.frame_done)
        live = None
        if engine.skip_zeros or engine.pruned:
            live = Liveness(shape, codes if engine.skip_zeros else None,
                            weight if engine.pruned else None)
        needed = freed = 0
        outputs = shape.rows.outputs(height)
        columns = list(_blocks(shape, width))
        for n in range(outputs):
            i, p = divmod(n, shape.rows.phases)
            taps, row = shape.rows.taps[p], i * shape.rows.step
            rows = shape.rows.inside(i, taps, 1, height)
            if n == outputs - 1:
                needed = height
            elif taps:
                needed = max(needed, min(height, row + taps[-1] + 1))
            while len(self.input.row_done) < self._rows_before + max(1, needed):
                self._take_row(width)
            earliest = self.input.frame_begun[frames] + FRAME_TO_GROUP
            if needed:
                earliest = max(earliest, self.input.row_done[self._rows_before + needed - 1]
                               + ROW_TO_GROUP)
            for place, q, taps_inside, end in columns:
                for block in range(shape.blocks):
                    for group in range(shape.block_outputs):
                        words = (None if live is None else
                                 live.words((i, p, rows), (place, q, taps_inside), block, group))
                        steps = len(rows) * len(taps_inside) * shape.block_inputs
                        self._group(steps, words, earliest, end)
                        earliest = 0
                        yield
            release = freed
            if n == outputs - 1:
                release = height
            elif p == shape.rows.phases - 1:
                release = max(freed, min(row + shape.rows.step + shape.rows.low, needed))
            done = self._last_step + shape.addresses
            self.input.row_freed += [done] * (release - freed)
            freed = release
        self.input.frame_done.append(done)
        self._rows_before += height

    def _take_row(self, width):
        self.input.row(width, first=len(self.input.row_done) == self._rows_before)

    def _group(self, steps, words, earliest, end):
        """One group of results; `end` is what the output side wants to know of it."""
        if words is None:
            # a visit is a step
            begin = max(earliest + GROUP_TO_VISIT, self._last_step + 1)
            self._issue(begin, max(1, steps), first=True, last=True, end=end)
            return
        first = True
        for number, count in enumerate(words):
            self._visit = self._free_place(max(self._visit + 1, earliest + GROUP_TO_VISIT))
            earliest = 0
            known, last = self._visit + self.shape.flags, number == len(words) - 1
            if count or (last and self._held is None):
                if self._held is not None:
                    self._push(known, self._held, first, False, end)
                    first = False
                self._held = max(1, count)
            if last:
                self._push(known + 1, self._held, first, True, end)
                self._held = None

    def _free_place(self, cycle):
        """First cycle from `cycle` on in which the look-ahead queue takes another visit."""
        queue = self._queue
        while True:
            while queue and queue[0][1] < cycle - 1:
                queue.popleft()
            if sum(pushed < cycle - 1 for pushed, _ in queue) <= LOOK_AHEAD_LEVEL:
                return cycle
            cycle = queue[0][1] + 2

    def _push(self, cycle, steps, first, last, end):
        """A word enters the look-ahead queue, and leaves it as soon as the issuer is free."""
        taken = max(cycle + LOOK_AHEAD_QUEUE, self._issuer_free)
        self._queue.append((cycle, taken))
        self._issue(taken + WORD_TO_STEP, steps, first, last, end)

    def _issue(self, begin, steps, first, last, end):
        """Steps of one word, or one group, that may begin in cycle `begin`."""
        if first and end.makes_beat:
            begin = max(begin, self.output.credit())
        done = begin + steps - 1
        if last:
            done = self._last_step = max(done, self._last_step + self.shape.interval)
            self.output.group(done, end)
        self._issuer_free = done


def _blocks(shape, width):
    """(first column, phase, taps inside, its end) for each group of results of a line."""
    px, phases = shape.engine.px, shape.columns.phases
    outputs = shape.columns.outputs(width)
    for first in range(0, (outputs - 1) // phases + 1, px):
        pixels = outputs - first * phases
        for q in range(phases):
            if px == 1 and q >= pixels:
                break
            taps = shape.columns.taps[q] if q < pixels else []
            inside = shape.columns.inside(first, taps, px, width)
            yield first, q, inside, _End(q * px < pixels, q == phases - 1)
