"""A case through golden and through the generated Verilog, and what differs from its answer."""

import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from golden.model import accumulate, forward
from golden.quantisation import requantise_scale
from golden.resize import denominator
from hw.export import make_program
from hw.options import Options
from sim.compiled import CompiledModel
from sim.design import Design

__all__ = ["Outcome", "check", "options_of"]

TIE = 1e-4  # of a code: how near the middle between two codes float arithmetic may go either way


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a case.

    Attributes
    ----------
    case : Case
    refused : str or None
        The message with which `hw.gen` refuses the layer.
    failure : str or None
        What golden or the Verilog does wrong, in one line.
    golden, verilog : int
        Codes that were compared.
    near : int
        Those of golden that differ by 1, next to a tie, where the case allows it.
    """

    case: object
    refused: str | None = None
    failure: str | None = None
    golden: int = 0
    verilog: int = 0
    near: int = 0


def check(case, verilog=True, cache=None):
    """The `Outcome` of a case; `verilog`: whether to compile and run the Verilog, too.

    Golden has to be right, and the Verilog equal to golden. What `hw.gen` refuses, golden need not
    know.
    """
    refused = design = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            options = options_of(case, Path(folder))
            if verilog:
                design = Design.generate(options, folder)
            else:
                make_program(options)
        except ValueError as error:
            refused = " ".join(str(error).split())
            if " must " not in refused:  # as every rule says
                return Outcome(case=case, failure=f"hw.gen fails: {refused}")
        try:
            codes, near = _check_golden(case)
            if design is not None:
                _compare(replace(case, codes=codes, near_ties=False), "Verilog",
                         _stream(design, case.frames, cache))
        except ValueError as error:
            failure = None if refused else f"golden refuses what hw.gen takes: {error}"
            return Outcome(case=case, refused=refused, failure=failure)
        except (AssertionError, RuntimeError, TimeoutError) as error:
            return Outcome(case=case, refused=refused, failure=str(error))
    return Outcome(case=case, refused=refused, golden=case.codes.size, near=near,
                   verilog=case.codes.size if design else 0)


def options_of(case, folder):
    """The `Options` of a case, its tensors written into a folder.

    The folding depends on the name of the case alone.
    """
    spec, tensors = case.spec, case.tensors
    fields = {option: spec[field] for option, field in OPTIONS.items() if field in spec}
    if "padding" in spec:
        fields["p"] = [rows for pair in spec["padding"] for rows in pair]
    parameters = spec.get("activation_parameters", [])
    fields["activation"] = ":".join(map(str, [spec.get("activation", "none"), *parameters]))
    if "weight" in tensors:
        fields["weight_bits"] = _bits(tensors["weight"])
    zero_points = {name: spec[name] for name in ("input_zero_point", "output_zero_point")
                   if name in spec}
    fields["weights"] = str(folder / "weights.npz")
    np.savez(fields["weights"], **tensors, **zero_points)
    for field in ("stride", "scale_factor", "upscale_factor"):
        if field in spec:
            fields["s"] = spec[field]
    height, width = case.frames.shape[2:]
    return Options.read(None, {**fields, **_folding(case), "height": height, "width": width,
                               "name": "layer"})


# option: field of the layer
OPTIONS = {"op": "op", "cin": "in_channels", "cout": "out_channels", "k": "kernel_size",
           "dilation": "dilation", "groups": "groups", "op_pad": "output_padding",
           "order": "order", "dtype": "dtype", "output_dtype": "output_dtype",
           "requant": "requant", "mode": "mode", "coordinates": "coordinates"}


def _bits(weight):
    """The fewest, and at least 2, that hold all weights."""
    return max(2, 1 + max(int(weight.max()), -1 - int(weight.min())).bit_length())


def _folding(case):
    """One of the smaller foldings that the layer allows."""
    spec, draw = case.spec, zlib.crc32(f"{case.source} {case.name}".encode())
    groups = spec.get("groups", spec["in_channels"])  # resize2d takes each channel by itself
    pi = 1 + draw % min(3, spec["in_channels"] // groups)
    po = 1 + draw // 3 % min(3, spec["out_channels"] // groups)
    strided = spec["op"] == "conv2d" and max(spec.get("stride", [1])) > 1
    one = po < spec["out_channels"] or strided or spec.get("mode") == "bilinear"
    px = 1 if one else 1 + draw // 9 % 3
    return {"pi": pi, "po": po, "px": px}


def _check_golden(case):
    """Golden against the answer; returns its codes, and how many next to ties differ by 1."""
    spec, tensors, frames = case.spec, case.tensors, case.frames
    if case.accumulators is not None:
        sums = np.stack([accumulate(spec, tensors, frame) for frame in frames])
        wrong = np.count_nonzero(sums != case.accumulators)
        assert not wrong, f"golden: {wrong} of {sums.size} accumulators differ"
    codes = np.stack([forward(spec, tensors, frame) for frame in frames])
    return codes, _compare(case, "golden", codes)


def _compare(case, name, codes):
    """Codes against those of a case; returns how many differ by 1, next to ties, if that may be."""
    assert codes.shape == case.codes.shape, \
        f"{name}: the output has shape {codes.shape}, not {case.codes.shape}"
    difference = np.abs(codes - case.codes)
    wrong = difference > 0
    if case.near_ties and wrong.any():
        wrong &= (difference > 1) | ~_near_ties(case)
    assert not wrong.any(), f"{name}: {np.count_nonzero(wrong)} of {codes.size} codes differ"
    return np.count_nonzero(difference)


def _near_ties(case):
    """Which results lie next to the middle between two codes, before they are rounded."""
    factor = requantise_scale(*(case.tensors[name] for name in (
        "input_scale", "weight_scale", "output_scale"))).astype(np.float64)
    if case.spec["op"] == "resize_conv2d":
        factor /= denominator(*(case.spec[field] for field in (
            "mode", "scale_factor", "coordinates")))
    sums = np.stack([accumulate(case.spec, case.tensors, frame) for frame in case.frames])
    return np.abs(sums * factor.reshape(-1, 1, 1) % 1 - 0.5) < TIE


def _stream(design, frames, cache):
    """The codes that come out of the Verilog, the frames sent back to back."""
    height, width = frames.shape[2:]
    beats, first, last = design.stream_beats(frames)
    count = design.output_beat_count(height, width)
    with CompiledModel(design.verilog, top=design.manifest.name, weights=False,
                       cache=cache) as model:
        data = model.stream(beats, first, last, expect=count * len(frames)).data
    return np.stack([design.output_codes(part, height, width)
                     for part in np.split(data, len(frames))])
