"""Which MAC steps have something to add: activations and weights that are not all zero."""

import numpy as np

__all__ = ["Liveness"]


class Liveness:
    """Live steps of every visit of one frame.

    Parameters
    ----------
    shape : golden.timing.Shape
    codes : numpy.ndarray or None
        Input frame (channels, height, width); None where zero activations are not skipped.
    weight : numpy.ndarray or None
        Weight tensor of the layer; None where zero weights are not skipped.
    """

    def __init__(self, shape, codes, weight):
        self._shape = shape
        self._pixels = None if codes is None else self._find_pixels(codes)
        self._weights = None if weight is None else self._find_weights(np.asarray(weight, np.int64))

    def _find_pixels(self, codes):
        """Array (blocks, block inputs, height, width): does the word have a non-zero lane?"""
        shape = self._shape
        live = np.zeros((shape.blocks, shape.block_inputs, *codes.shape[1:]), dtype=bool)
        for channel, plane in enumerate(codes != shape.spec["input_zero_point"]):
            live[shape.input_word(channel)] |= plane
        return live

    def _find_weights(self, weight):
        """By row and column phase: array (output beats, row taps, column taps, block inputs)."""
        shape, spec = self._shape, self._shape.spec
        found = {}
        for p, rows in enumerate(shape.rows.taps):
            for q, columns in enumerate(shape.columns.taps):
                words = np.zeros((shape.blocks * shape.block_outputs, len(rows), len(columns),
                                  shape.block_inputs), dtype=bool)
                for o in range(spec["out_channels"]):
                    for i, kernel in shape.kernels(weight, o, p, q):
                        taps = shape.rows.shares[p] @ kernel @ shape.columns.shares[q].T
                        words[shape.output_beat(o), :, :, shape.input_word(i)[1]] |= taps != 0
                found[p, q] = words
        return found

    def words(self, row, column, block, group):
        """Live steps of each visit of a group, in order.

        Parameters
        ----------
        row : (int, int, list of int)
            Row position, row phase, taps inside the frame.
        column : (int, int, list of int)
            First column position, column phase, taps that meet the frame in some lane.
        block, group : int
            Block of channels; output group in it.
        """
        shape = self._shape
        (i, p, row_taps), (j, q, column_taps) = row, column
        counts = []
        for ty in row_taps:
            for tx in column_taps:
                live = np.ones(shape.block_inputs, dtype=bool)
                if self._pixels is not None:
                    y = shape.rows.pixels(i, p, ty, 1, self._pixels.shape[2])
                    x = shape.columns.pixels(j, q, tx, shape.engine.px, self._pixels.shape[3])
                    live = self._pixels[block, :, y, x].any(axis=(1, 2))
                if self._weights is not None:
                    beat = block * shape.block_outputs + group
                    live = live & self._weights[p, q][beat, ty, tx]
                counts += [int(live[n:n + shape.flag_bits].sum())
                           for n in range(0, shape.block_inputs, shape.flag_bits)]
        return counts or [0]
