"""Layers of which part is zero: activations that the engine skips, and pruned weights."""

from pathlib import Path

import numpy as np

from hw.export import make_program
from hw.options import Options
from sim.design import Design

from .layers import Case
from .measure import measure
from .rows import Row

__all__ = ["DENSITIES", "prune", "pruned_rows", "zero_rows"]

DENSITIES = (0.75, 0.5, 0.25, 0.1)
LAYER = {"k": 4, "s": 2, "p": 1, "height": 16, "width": 16, "cin": 64, "cout": 16, "po": 8}
SMALL = {**LAYER, "height": 8, "width": 8, "cin": 32, "cout": 8, "po": 4}
FRAMES = 3


def zero_rows(directory, rng, *, quick, progress=None):
    """Rows of an engine that skips zero activations, one for each density."""
    case = Case("zero activations", Options(**(SMALL if quick else LAYER), skip_zeros=True))
    design = Design.generate(case.options, directory)
    dense = [np.where(frame == design.spec["input_zero_point"], 1, frame)
             for frame in (design.random_frame(rng) for _ in range(2))]
    dense_cycles = measure(design, dense, progress=progress).cycles
    rows = []
    for density in DENSITIES[1:3] if quick else DENSITIES:
        frame = design.random_frame(rng, density=density)
        counted = measure(design, [frame] * FRAMES, progress=progress)
        live = frame != design.spec["input_zero_point"]
        rows.append(_row(case, f"zero activations {density}", counted, kind="zeros",
                         density=float(live.mean()), dense_cycles=dense_cycles,
                         useful=_macs(case, live)))
    return rows


def pruned_rows(directory, rng, *, quick, progress=None):
    """Row of an engine of whose weight steps half are zero.

    A quick run takes the dense cycles from the closed form, another one from the Verilog.
    """
    case = Case("pruned weights", Options(**(SMALL if quick else LAYER), pi=4))
    dense = make_program(case.options)
    dense_cycles = dense.schedule.cycles
    if not quick:
        design = Design.generate(case.options, Path(directory) / "dense")
        frames = [design.random_frame(rng) for _ in range(FRAMES)]
        dense_cycles = measure(design, frames, progress=progress).cycles
    weight, live = prune(dense.tensors["weight"], case.options, rng)
    path = Path(directory) / "pruned_weights.npz"
    np.savez(path, **{**dense.tensors, "weight": weight})
    design = Design.generate(case.options.model_copy(update={"weights": str(path)}), directory)
    frames = [design.random_frame(rng) for _ in range(FRAMES)]
    counted = measure(design, frames, progress=progress)
    uses = [_uses(case, axis).sum(axis=0) for axis in (0, 1)]
    useful = np.einsum("cokl,k,l->", live, *uses)
    return [_row(case, "pruned weights", counted, kind="pruned", density=float(live.mean()),
                 dense_cycles=dense_cycles, useful=useful)]


def prune(weight, options, rng):
    """(weights, live): the weights of a random half of all steps set to zero.

    A step is one tap of `pi` input and `po` output channels.
    """
    cin, cout, *taps = weight.shape
    live = rng.permutation(np.arange(weight.size // (options.pi * options.po)) % 2 == 0)
    live = live.reshape(cin // options.pi, cout // options.po, *taps)
    live = live.repeat(options.pi, axis=0).repeat(options.po, axis=1)
    return np.where(live, weight, 0), live


def _uses(case, axis):
    """Array (input length, kernel length): whether the tap of that input meets an output."""
    layer, options = case.layer, case.options
    length = (options.height, options.width)[axis]
    place = (np.arange(length)[:, None] * layer.stride[axis] + np.arange(layer.kernel_size[axis])
             - layer.padding[axis][0])
    return (place >= 0) & (place < layer.output_length(axis, length))


def _macs(case, live):
    """MACs of a frame of which these input codes (channels, height, width) are not zero."""
    rows, columns = (_uses(case, axis).sum(axis=1) for axis in (0, 1))
    return case.options.cout * np.einsum("chw,h,w->", live, rows, columns)


def _row(case, name, counted, *, useful, **values):
    options = case.options
    return Row(name=name, layer=case.text, stride=options.factor[0], multipliers=case.multipliers,
               folding=(options.pi, options.po, options.px), cycles=counted.cycles,
               frame_cycles=counted.frame_cycles, useful_macs=round(float(useful)), **values)
