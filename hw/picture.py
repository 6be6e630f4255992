"""A picture of a layer's phases: which kernel tap meets which input pixel, and what each costs.

Both axes are drawn up to kernel 9 and 4 phases an axis; beyond, only the larger axis, since rows
and columns of a phase are independent of each other. An SVG of fixed width.
"""

import math

import numpy as np

from .checkerboard import checkerboard_notes
from .drawing import CHARACTER, EMPTY, PIXEL, ZERO, Grid, colour, page
from .export import write_whole
from .layers import Resize2d
from .phase_view import PhaseView

__all__ = ["check_suffix", "draw", "write_picture"]

LARGEST_KERNEL, MOST_PHASES = 9, 4  # an axis, with both axes in one picture
TABLE_WIDTH = 690                   # of a picture of one axis, pixels
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
    view = PhaseView(layer)
    if max(layer.kernel_size) <= LARGEST_KERNEL and max(view.phases) <= MOST_PHASES:
        blocks, notes = _both_axes(view), [_legend(view)]
    else:
        axis = max((1, 0), key=lambda a: layer.kernel_size[a] * view.phases[a])
        blocks = _one_axis(view, axis)
        notes = [(f"Only {AXES[axis]}s are drawn: kernel above {LARGEST_KERNEL} or more than "
                  f"{MOST_PHASES} phases an axis."), _axis_legend(view, axis)]
    uneven = [f"{note[0].upper()}{note[1:]}." for note in checkerboard_notes(layer)]
    return page(TITLES[layer.op], _settings(layer), blocks, [*notes, view.summary, *uneven])


def _legend(view):
    if isinstance(view.layer, Resize2d):
        cell = f"the share of that input pixel, in parts of {view.layer.denominator}"
    elif view.merged:
        cell = "the kernel rows, then columns, added up for that input pixel"
    else:
        cell = "the kernel row, column that meets that input pixel"
    pixel = f"{_output_name(view, 0)}, {_output_name(view, 1)}"
    names = "Phase p, q: output pixels" if math.prod(view.phases) > 1 else "Output pixels"
    return f"{names} {pixel}. In a cell: {cell}."


def _axis_legend(view, axis):
    name = AXES[axis]
    if isinstance(view.layer, Resize2d):
        whole = sum(view.layer.shares(axis)[0].values())
        cell = f"the share of that input {name}, in parts of {whole}"
    elif view.merged:
        cell = f"the kernel {name}s, added up for that input {name}"
    else:
        cell = f"the kernel {name} that meets that input {name}"
    names = (f"Phase {'pq'[axis]}: output {name}s" if view.phases[axis] > 1
             else f"Output {name}s")
    return f"{names} {_output_name(view, axis)}. In a cell: {cell}."


def _output_name(view, axis):
    """An output row or column, such as `2i + p`."""
    count = view.phases[axis]
    return f"{count}{'ij'[axis]} + {'pq'[axis]}" if count > 1 else "ij"[axis]


def _both_axes(view):
    overview = [_output(view)]
    if view.zeros or view.repeats:
        overview.insert(0, _naive(view))
    rows, columns = (1, 1) if view.shared else view.phases
    return [[overview], [[_phase(view, p, q) for q in range(columns)] for p in range(rows)]]


def _phase(view, p, q):
    """The taps of one phase, or of all phases where they are the same."""
    count = math.prod(view.phases)
    fill = PIXEL if view.shared and count > 1 else _colour(view, p, q)
    unions = view.union(0), view.union(1)
    cells = [[(EMPTY, ())] * len(unions[1]) for _ in unions[0]]
    for dy, rows in zip(view.offsets[0][p], view.kernels[0][p]):
        for dx, columns in zip(view.offsets[1][q], view.kernels[1][q]):
            cells[unions[0].index(dy)][unions[1].index(dx)] = fill, _label(view, rows, columns)
    taps = view.taps(p, q)
    heading = _shared_heading(view, count) if view.shared else f"Phase {p}, {q}"
    return Grid([heading, _cost(view, taps)], cells,
                (36, 34), columns=[_input(view, 1, o) for o in unions[1]],
                rows=[_input(view, 0, o) for o in unions[0]])


def _colour(view, p, q, dark=False):
    return colour(p * view.phases[1] + q, math.prod(view.phases), dark)


def _label(view, rows, columns):
    """The lines of text in a cell, of the kernel rows and columns that meet in it."""
    if isinstance(view.layer, Resize2d):
        return (str(rows[0] * columns[0]),)
    lines = _indices(rows), _indices(columns)
    return lines if view.merged else (",".join(lines),)


def _cost(view, taps):
    return f"{_count(taps, 'tap')} × {view.inputs:,} = {_count(taps * view.inputs, 'MAC')}"


def _output(view):
    """Some periods of the output, each pixel with the number of its taps."""
    height, width = (max(4, 2 * n) // n * n for n in view.phases)
    phases = [[(n % view.phases[0], m % view.phases[1]) for m in range(width)]
              for n in range(height)]
    cells = [[(_colour(view, p, q), (str(view.taps(p, q)),)) for p, q in row] for row in phases]
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
            fill = ZERO if not met else _colour(view, p, q, dark) if inside else PIXEL
            cells[-1].append((fill, (f"{ky},{kx}",) if met and inside else ()))
    products, useful = math.prod(view.layer.kernel_size), view.taps(p, q)
    caption = (["Naive: zeros between pixels",
                f"phase {p}, {q}: {products - useful} of {products} are × 0"] if view.zeros else
               ["Naive: pixels repeated", f"phase {p}, {q}: {products} taps, {useful} pixels"])
    if max(view.layer.dilation) > 1:
        caption.append("rows, columns between taps left out")
    return Grid(caption, cells, (26, 26), columns=_first_labels(view, 1, columns),
                rows=_first_labels(view, 0, rows),
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
    offsets = view.union(axis)
    labels = [*(_input(view, axis, o) for o in offsets),
              *(_indices(k) for taps in view.kernels[axis] for k in taps)]
    width = max(34, max(map(len, labels)) * CHARACTER + 10)
    if len(offsets) * width > TABLE_WIDTH:
        half = (TABLE_WIDTH // width - 1) // 2
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
    table = Grid(["Phases" if view.phases[axis] > 1 else "Taps"], cells, (width, 18), rows=rows,
                 ends=ends, columns=["…" if o is None else _input(view, axis, o) for o in offsets])
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


def _input(view, axis, offset):
    """The input row or column of an offset, such as `i−1` or `2j`."""
    name = f"{view.step[axis] if view.step[axis] > 1 else ''}{'ij'[axis]}"
    return name if offset == 0 else f"{name}{'+' if offset > 0 else '−'}{abs(offset)}"


def _first_labels(view, axis, window):
    """A label at the first position of each input pixel."""
    labels, last = [], None
    for offset, _ in window:
        labels.append("" if offset is None or offset == last else _input(view, axis, offset))
        last = offset if offset is not None else last
    return labels


def _indices(kernels):
    """Neighbouring kernel indices in short: 3, 3+4 or 3–5."""
    if len(kernels) > 2:
        return f"{kernels[0]}–{kernels[-1]}"
    return "+".join(map(str, kernels))
