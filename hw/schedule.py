"""How many cycles a frame takes: the closed form, for dense activations.

Tested against `golden.timing`, which knows the cycle of every beat, and against the Verilog.
"""

from collections import Counter
from functools import cached_property

__all__ = ["Schedule"]

# cycles between events of the pipeline, see docs/timing.md
FRAME_TO_VISIT, ROW_TO_VISIT, LOOK_AHEAD, LOOK_AHEAD_PIXELS, QUEUE = 19, 14, 12, 13, 5


class Schedule:
    """Steps of every group of results of one frame.

    Parameters
    ----------
    program : Program
    height, width : int
        Input frame.
    """

    def __init__(self, program, height, width):
        self._program, self._bank, self._layout = program, program.bank, program.layout
        self._size = program.layer.output_size(height, width)
        self._lengths = height, width

    def _row(self, n):
        """(phase, taps inside the frame) of output row n."""
        i, p = divmod(n, len(self._bank.rows))
        return p, tuple(t for t, d in enumerate(self._bank.rows[p])
                        if self._bank.clamps or 0 <= i * self._bank.step[0] + d < self._lengths[0])

    def _column(self, first, q, lanes):
        """(phase, taps that meet the frame in some of the `lanes` columns from `first` on)."""
        if first * len(self._bank.columns) + q >= self._size[1]:
            return q, ()
        column = first * self._bank.step[1]
        return q, tuple(t for t, d in enumerate(self._bank.columns[q]) if self._bank.clamps or (
            column + lanes + d > 0 and column + d < self._lengths[1]))

    def _columns(self, lanes):
        """How many groups of a line there are of each (phase, taps)."""
        phases = len(self._bank.columns)
        last, last_phase = divmod(self._size[1] - 1, phases)
        return Counter(self._column(first, q, lanes) for first in range(0, last + 1, lanes)
                       for q in range(phases) if lanes > 1 or (first, q) <= (last, last_phase))

    @cached_property
    def _rows(self):
        """How many output rows there are of each (phase, taps)."""
        return Counter(map(self._row, range(self._size[0])))

    @cached_property
    def groups(self):
        """Groups of results by the cycles they take at least: {cycles: how many groups}.

        A cycle for each step that has weights, and for each flag word that is looked at.
        """
        program, found = self._program, Counter()
        words = program.flag_words if program.looks_ahead else 0
        for (p, rows), lines in self._rows.items():
            for (q, columns), count in self._columns(program.folding.px).items():
                taps = len(rows) * len(columns)
                if program.pruned:
                    live = program.live_steps[p, q][:, rows][:, :, columns].sum(axis=(1, 2))
                else:
                    live = [taps * self._layout.block_inputs] * self._layout.output_beats
                for steps in live:
                    found[max(1, int(steps), taps * words)] += lines * count
        return dict(found)

    @property
    def shortest_group(self):
        """Cycles of the shortest group."""
        return min(self.groups)

    @property
    def cycles(self):
        """Cycles from one frame to the next when frames follow each other without a gap.

        Exact for dense weights, and a lower bound for pruned ones. Input that arrives later than
        it is needed, and output that is not taken, add to it.
        """
        return sum(cycles * count for cycles, count in self.groups.items())

    def latency(self, result_latency):
        """Cycles from the first input beat to the first output beat, input without gaps.

        Exact for dense weights and activations.

        Parameters
        ----------
        result_latency : int
            Cycles from the last step of a group to its codes.
        """
        program, height = self._program, self._lengths[0]
        first_rows = self._bank.rows[0]
        needed = (height if self._size[0] == 1 else
                  max(0, min(height, max(first_rows, default=-1) + 1)))
        arrived = needed * self._lengths[1] * self._layout.input_beats  # cycle of the last beat
        visit = max(1 + FRAME_TO_VISIT, arrived + ROW_TO_VISIT if needed else 0)
        px = program.folding.px
        look_ahead = LOOK_AHEAD_PIXELS if px > 1 else LOOK_AHEAD
        groups = range(len(self._bank.columns)) if px > 1 else (0,)
        taps = [len(self._row(0)[1]) * len(self._column(0, q, px)[1]) for q in groups]
        steps = sum(max(1, n * self._layout.block_inputs) for n in taps)
        return (visit + (look_ahead if program.looks_ahead else 0) + steps - 1 + result_latency
                + (2 if px > 1 else 0) + QUEUE)

    @property
    def useful_macs(self):
        """Multiplications of one frame without inserted zeros and taps outside the frame.

        Where zero weights are skipped, without those, too.
        """
        total, pixels = 0, self._columns(1)
        for (p, rows), lines in self._rows.items():
            for (q, columns), count in pixels.items():
                products = self._program.useful_products(p, q)[rows, :][:, columns]
                total += lines * count * int(products.sum())
        return total
