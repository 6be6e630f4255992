"""How many cycles a frame takes: the closed form, for dense activations.

Tested against `golden.timing`, which knows the cycle of every beat, and against the Verilog.
"""

from functools import cached_property

import numpy as np

__all__ = ["Schedule"]

UNVISITED = -1
# cycles between events of the pipeline, see docs/timing.md
FRAME_TO_VISIT, ROW_TO_VISIT, QUEUE = 6, 1, 2


class Schedule:
    """Steps of every group of results of one frame.

    Parameters
    ----------
    program : Program
    height, width : int
        Input frame.
    """

    def __init__(self, program, height, width):
        self._bank, self._layout = program.bank, program.layout
        self._size = program.layer.output_size(height, width)
        self._lengths = height, width
        self._px = program.folding.px

    @cached_property
    def row_taps(self):
        """Array (output rows,) of taps inside the frame."""
        phases, height = self._bank.rows, self._lengths[0]
        return np.array([sum(0 <= n // len(phases) + d < height for d in phases[n % len(phases)])
                         for n in range(self._size[0])])

    @cached_property
    def column_taps(self):
        """Array (blocks of px columns, phases) of taps that meet the frame in some lane.

        -1 where no group is issued; a phase beyond the last pixel has no taps.
        """
        phases, width, px = self._bank.columns, self._lengths[1], self._px
        beyond = UNVISITED if px == 1 else 0
        blocks = range(0, (self._size[1] - 1) // len(phases) + 1, px)
        return np.array([[sum(j + px + d > 0 and j + d < width for d in taps)
                          if j * len(phases) + q < self._size[1] else beyond
                          for q, taps in enumerate(phases)] for j in blocks])

    @cached_property
    def groups(self):
        """Groups of results by number of steps: {steps: how many groups}."""
        columns = self.column_taps[self.column_taps >= 0]
        steps = self.row_taps[:, None] * columns * self._layout.block_inputs
        values, counts = np.unique(steps, return_counts=True)
        return {int(v): int(n) * self._layout.output_beats for v, n in zip(values, counts)}

    @property
    def shortest_group(self):
        """Cycles of the shortest group."""
        return max(1, min(self.groups))

    @property
    def cycles(self):
        """Cycles from one frame to the next when frames follow each other without a gap.

        A group without steps takes one cycle. Input that arrives later than it is needed, and
        output that is not taken, add to it.
        """
        return sum(max(1, steps) * count for steps, count in self.groups.items())

    def latency(self, result_latency):
        """Cycles from the first input beat to the first output beat, input without gaps.

        Parameters
        ----------
        result_latency : int
            Cycles from the last step of a group to its codes.
        """
        rows, height = self._bank.rows[0], self._lengths[0]
        needed = height if self._size[0] == 1 else max(0, min(height, max(rows, default=-1) + 1))
        arrived = needed * self._lengths[1] * self._layout.input_beats  # cycle of the last beat
        visit = max(1 + FRAME_TO_VISIT, arrived + ROW_TO_VISIT if needed else 0)
        columns = self.column_taps[0] if self._px > 1 else self.column_taps[0][:1]
        steps = sum(max(1, int(self.row_taps[0] * taps) * self._layout.block_inputs)
                    for taps in columns)
        gathered = 2 if self._px > 1 else 0
        return visit + steps + result_latency + gathered + QUEUE

    @property
    def useful_macs(self):
        """Multiplications of one frame without inserted zeros and taps outside the frame."""
        phases, width = self._bank.columns, self._lengths[1]
        columns = sum(0 <= n // len(phases) + d < width for n in range(self._size[1])
                      for d in phases[n % len(phases)])
        return int(self.row_taps.sum()) * columns * (self._layout.group_inputs
                                                     * self._layout.out_channels)
