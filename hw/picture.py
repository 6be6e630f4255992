"""A picture of a layer's phases: which kernel tap meets which input pixel, and what each costs.

Both axes are drawn up to kernel 9 and 4 phases an axis; beyond, only the larger axis, since rows
and columns of a phase are independent of each other. An SVG of fixed width.
"""

import math
from dataclasses import replace

import numpy as np

from .checkerboard import checkerboard_notes
from .drawing import EMPTY, PIXEL, ZERO, Grid, colour, page
from .export import write_whole
from .phase_bank import lower

__all__ = ["check_suffix", "draw", "write_picture"]

LARGEST_KERNEL, MOST_PHASES = 9, 4  # an axis, with both axes in one picture
MOST_OFFSETS = 19                   # input pixels in a picture of one axis, others left out
STRIP = 32                          # cells in a line of a picture of one axis
AXES = "row", "column"
TITLES = {"conv_transpose2d": "Transposed convolution", "conv2d": "Convolution",
          "sub_pixel_conv2d": "Sub-pixel convolution", "resize2d": "Resize",
          "resize_conv2d": "Resize, then convolution"}
SETTINGS = {  # shown unless they are this
    "kernel_size": None, "stride": [1, 1], "upscale_factor": None, "scale_factor": None,
    "mode": None, "coordinates": None, "padding": [[0, 0], [0, 0]], "output_padding": [0, 0],
    "dilation": [1, 1], "groups": 1}


def check_suffix(path):
    """Raise `ValueError` unless `path` ends in .svg."""
    if path.suffix != ".svg":
        raise ValueError(f"picture must end in .svg, not {str(path)!r}")


def write_picture(layer, path):
    """Write the picture of `layer` to `path`, whole; `ValueError` unless that ends in .svg."""
    check_suffix(path)
    write_whole(path.parent, {path.name: draw(layer).encode()})


def draw(layer):
    """The picture of `layer`, the text of an SVG file."""
    view = View(layer)
    if max(layer.kernel_size) <= LARGEST_KERNEL and max(view.phases) <= MOST_PHASES:
        blocks, notes = _both_axes(view), [_legend(view)]
    else:
        axis = max((1, 0), key=lambda a: layer.kernel_size[a] * view.phases[a])
        blocks = _one_axis(view, axis)
        notes = [(f"Only {AXES[axis]}s are drawn: kernel above {LARGEST_KERNEL} or more than "
                  f"{MOST_PHASES} phases an axis."), _axis_legend(view, axis)]
    uneven = [f"{note[0].upper()}{note[1:]}." for note in checkerboard_notes(layer)]
    return page(TITLES[layer.op], _settings(layer), blocks, [*notes, view.summary, *uneven])


class View:
    """What a picture tells of a layer: its bank, and the kernel indices in the bank's taps.

    Attributes
    ----------
    offsets : tuple of sequence
        `offsets[axis][phase]`: the input offset of each tap.
    kernels : tuple of sequence
        `kernels[axis][phase]`: for each tap, the kernel indices that meet in it.
    phases : (int, int)
        Number of vertical and horizontal phases.
    inputs : int
        Input channels of each output channel.
    """

    def __init__(self, layer):
        bank = _single(layer)
        self.layer, self.offsets = layer, (bank.rows, bank.columns)
        self.kernels = _kernels(layer, 0), _kernels(layer, 1)
        self.phases = len(bank.rows), len(bank.columns)
        self.inputs = layer.in_channels // layer.groups

    @property
    def merged(self):
        """Whether any tap is the sum of several of the kernel's."""
        return any(len(k) > 1 for axis in self.kernels for taps in axis for k in taps)

    @property
    def shared(self):
        """Whether all phases have the same taps, so that one drawing says all."""
        return all(taps == axis[0] for axes in (self.offsets, self.kernels)
                   for axis in axes for taps in axis)

    @property
    def zeros(self):
        """Whether a naive engine would insert zeros."""
        return self.layer.op == "conv_transpose2d" and self.phases != (1, 1)

    @property
    def repeats(self):
        """Whether a naive engine would repeat pixels."""
        return (self.layer.op == "resize_conv2d" and self.layer.mode == "nearest"
                and self.phases != (1, 1))

    @property
    def summary(self):
        """What all phases cost together, in one line."""
        products = math.prod(sum(map(len, axis)) for axis in self.offsets) * self.inputs
        period = math.prod(self.phases)
        naive = period * math.prod(self.layer.kernel_size) * self.inputs
        text = f"MACs of an output channel, taps × input channels: {products:,}"
        if period > 1:
            text += f" over all {self.phases[0]} × {self.phases[1]} phases"
        if self.zeros:
            text += f", {naive:,} with the inserted zeros"
        if self.repeats:
            text += f", {naive:,} on the enlarged image"
        return text + "."

    def taps(self, p, q):
        return len(self.offsets[0][p]) * len(self.offsets[1][q])

    def colour(self, p, q, dark=False):
        return colour(p * self.phases[1] + q, math.prod(self.phases), dark)

    def union(self, axis):
        """The offsets that any phase has, ascending."""
        return sorted({offset for taps in self.offsets[axis] for offset in taps})

    def enlarged(self, axis, phase):
        """(position in the image that a naive engine filters, kernel index), ascending."""
        layer = self.layer
        steps = [(k * layer.dilation[axis] - layer.padding[axis][0], k)
                 for k in range(layer.kernel_size[axis])]
        sign = -1 if self.zeros else 1  # a transposed convolution is one with the kernel flipped
        return sorted((phase + sign * step, k) for step, k in steps)

    def pixel(self, axis, position):
        """The input offset at a position of that image, or None for an inserted zero."""
        offset, remainder = divmod(position, self.phases[axis])
        return None if self.zeros and remainder else offset

    def busiest(self, axis):
        """The first of the phases with the most taps."""
        counts = [len(taps) for taps in self.offsets[axis]]
        return counts.index(max(counts))


def _single(layer, weight=None):
    """The bank of `layer` with one channel, whose taps are those of all channels."""
    layer = replace(layer, in_channels=1, out_channels=1, groups=1)
    return lower(layer, np.ones(layer.weight_shape, int) if weight is None else weight)


def _kernels(layer, axis):
    """For each phase, the kernel indices in each of its taps along `axis`.

    Found by what `lower` makes of kernels that are 1 in one row (column) and 0 elsewhere.
    """
    shape = replace(layer, in_channels=1, out_channels=1, groups=1).weight_shape
    found = None
    for k in range(layer.kernel_size[axis]):
        weight = np.zeros(shape, int)
        np.moveaxis(weight, 2 + axis, 0)[k] = 1
        bank = _single(layer, weight)
        offsets, others = (bank.rows, bank.columns)[::1 if axis == 0 else -1]
        other = next(n for n, taps in enumerate(others) if taps)
        found = found or [[[] for _ in taps] for taps in offsets]
        for phase, taps in enumerate(found):
            kernel = bank.filters[phase][other] if axis == 0 else bank.filters[other][phase]
            hits = kernel.any(axis=(0, 1, 3 - axis))
            for tap in np.flatnonzero(hits):
                taps[tap].append(k)
    return found


def _legend(view):
    pixel = ", ".join(_output_position(n, name) for n, name in zip(view.phases, ("i + p", "j + q")))
    cells = ("kernel rows, and below them columns, whose weights are added" if view.merged
             else "kernel row, column")
    return (f"Phase p, q makes the output pixels {pixel}. In a cell: the {cells}, at that input "
            "pixel.")


def _axis_legend(view, axis):
    position = _output_position(view.phases[axis], ("i + p", "j + q")[axis])
    cells = f"kernel {AXES[axis]}" + ("s, whose weights are added," if view.merged else "")
    return (f"Phase {'pq'[axis]} makes the output {AXES[axis]}s {position}. In a cell: the "
            f"{cells} at that input {AXES[axis]}.")


def _output_position(phases, text):
    return text[0] if phases == 1 else f"{phases}{text}"


def _both_axes(view):
    overview = [_output(view)]
    if view.zeros or view.repeats:
        overview.insert(0, _naive(view))
    rows, columns = (1, 1) if view.shared else view.phases
    return [[overview], [[_phase(view, p, q) for q in range(columns)] for p in range(rows)]]


def _phase(view, p, q):
    """The taps of one phase, or of all phases where they are the same."""
    count = math.prod(view.phases)
    fill = PIXEL if view.shared and count > 1 else view.colour(p, q)
    unions = view.union(0), view.union(1)
    cells = [[(EMPTY, ())] * len(unions[1]) for _ in unions[0]]
    for dy, rows in zip(view.offsets[0][p], view.kernels[0][p]):
        for dx, columns in zip(view.offsets[1][q], view.kernels[1][q]):
            lines = _indices(rows), _indices(columns)
            cells[unions[0].index(dy)][unions[1].index(dx)] = (
                fill, lines if view.merged else (",".join(lines),))
    taps = view.taps(p, q)
    heading = _shared_heading(view, count) if view.shared else f"Phase {p}, {q}"
    return Grid([heading, _cost(view, taps)], cells,
                (36, 34), columns=[_offset("j", o) for o in unions[1]],
                rows=[_offset("i", o) for o in unions[0]])


def _cost(view, taps):
    return f"{_count(taps, 'tap')} × {view.inputs:,} = {_count(taps * view.inputs, 'MAC')}"


def _output(view):
    """Some periods of the output, each pixel with the number of its taps."""
    height, width = (max(4, 2 * n) // n * n for n in view.phases)
    phases = [[(n % view.phases[0], m % view.phases[1]) for m in range(width)]
              for n in range(height)]
    cells = [[(view.colour(p, q), (str(view.taps(p, q)),)) for p, q in row] for row in phases]
    return Grid(["Output", "taps of each pixel"], cells, (26, 26))


def _naive(view):
    """The kernel over the image that a naive engine filters, for the phase with most taps."""
    p, q = view.busiest(0), view.busiest(1)
    rows, columns = (_window(view, axis, phase) for axis, phase in enumerate((p, q)))
    cells = []
    for dy, ky in rows:
        cells.append([])
        for dx, kx in columns:
            met = dy is not None and dx is not None
            inside = ky is not None and kx is not None
            dark = view.repeats and (met and (dy + dx) % 2)
            fill = ZERO if not met else view.colour(p, q, dark) if inside else PIXEL
            cells[-1].append((fill, (f"{ky},{kx}",) if met and inside else ()))
    products, useful = math.prod(view.layer.kernel_size), view.taps(p, q)
    caption = (["Naive: zeros between pixels",
                f"phase {p}, {q}: {products - useful} of {products} are × 0"] if view.zeros else
               ["Naive: pixels repeated", f"phase {p}, {q}: {products} taps, {useful} pixels"])
    if max(view.layer.dilation) > 1:
        caption.append("rows, columns between taps left out")
    return Grid(caption, cells, (26, 26), columns=_first_labels("j", columns),
                rows=_first_labels("i", rows),
                frame=tuple(int(d == 1) for d in view.layer.dilation))


def _window(view, axis, phase):
    """(input offset or None, kernel index or None) of the positions under the kernel.

    With their neighbours on both sides, except for a dilated kernel: it skips positions.
    """
    taps = view.enlarged(axis, phase)
    if view.layer.dilation[axis] == 1:
        taps = [(taps[0][0] - 1, None), *taps, (taps[-1][0] + 1, None)]
    return [(view.pixel(axis, position), k) for position, k in taps]


def _one_axis(view, axis):
    name = "ij"[axis]
    offsets = view.union(axis)
    if len(offsets) > MOST_OFFSETS:
        half = MOST_OFFSETS // 2
        offsets = [*offsets[:half], None, *offsets[-half:]]
    cells, rows, ends = [], [], []
    alone = all(taps == axes[axis][0] for axes in (view.offsets, view.kernels)
                for taps in axes[axis])
    for phase in range(1 if alone else view.phases[axis]):
        taps = dict(zip(view.offsets[axis][phase], view.kernels[axis][phase]))
        fill = colour(phase, view.phases[axis])
        cells.append([(EMPTY, ("…",)) if o is None else
                      (fill, (_indices(taps[o]),)) if o in taps else (EMPTY, ())
                      for o in offsets])
        rows.append(f"phase {phase}")
        ends.append(_count(len(taps), "tap"))
    if alone:
        rows = [_shared_heading(view, view.phases[axis])]
    table = Grid(["Phases" if view.phases[axis] > 1 else "Taps"], cells, (34, 18), rows=rows,
                 ends=ends, columns=["…" if o is None else _offset(name, o) for o in offsets])
    if not (view.zeros or view.repeats):
        return [[[table]]]
    return [[[_strip(view, axis)]], [[table]]]


def _strip(view, axis):
    """The taps of a naive engine along one axis, several lines of them if they are many."""
    phase = view.busiest(axis)
    cells = []
    for position, k in view.enlarged(axis, phase):
        offset = view.pixel(axis, position)
        dark = view.repeats and offset % 2
        cells.append((ZERO, ()) if offset is None else
                     (colour(phase, view.phases[axis], dark), (str(k),)))
    useful = len(view.offsets[axis][phase])
    cells += [(EMPTY, ())] * (-len(cells) % min(STRIP, len(cells)))
    what = "zeros between pixels" if view.zeros else "pixels repeated"
    return Grid([(f"Naive, phase {phase}: {what}, {view.layer.kernel_size[axis]} taps on "
                  f"{_count(useful, 'pixel')}")],
                [cells[n:n + STRIP] for n in range(0, len(cells), STRIP)], (24, 22))


def _shared_heading(view, count):
    if count == 1:
        return "One phase"
    own = view.layer.parameter_channels > view.layer.out_channels
    return f"All {count} phases, {'own' if own else 'the same'} weights"


def _settings(layer):
    spec = layer.describe()
    shown = [f"{name.replace('_', ' ')} {_text(spec[name])}"
             for name, usual in SETTINGS.items() if spec.get(name, usual) != usual]
    return ", ".join([*shown, f"channels {layer.in_channels:,} to {layer.out_channels:,}"])


def _text(value):
    """A setting as `hw.gen` takes it: one number where all are the same."""
    values = np.ravel(value).tolist()
    return ",".join(map(str, values[:1] if len(set(values)) == 1 else values))


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _offset(name, offset):
    return name if offset == 0 else f"{name}{'+' if offset > 0 else '−'}{abs(offset)}"


def _first_labels(name, window):
    """A label at the first position of each input pixel."""
    labels, last = [], None
    for offset, _ in window:
        labels.append("" if offset is None or offset == last else _offset(name, offset))
        last = offset if offset is not None else last
    return labels


def _indices(kernels):
    """Kernel indices in short: 3, 0–2 or 0+2."""
    if len(kernels) > 2 and kernels[-1] - kernels[0] == len(kernels) - 1:
        return f"{kernels[0]}–{kernels[-1]}"
    return "+".join(map(str, kernels))
