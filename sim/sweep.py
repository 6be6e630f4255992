"""python -m sim.sweep: randomly drawn layers, generated, simulated, compared with golden."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from golden.quantisation import dtype_bits, dtype_range
from hw.export import make_program
from hw.layers import COORDINATES
from hw.options import CHAINS, Options, run
from hw.quantisation import ACTIVATIONS, SCHEMES

from .check import check
from .design import Design
from .stalls import STALLS

__all__ = ["app", "draw", "check_one"]

MOST_CYCLES, MOST_WEIGHTS = 12_000, 20_000


def draw(seed, directory):
    """`Options` of a random layer; writes its weight file into `directory`."""
    rng = np.random.default_rng(seed)
    while True:
        options = _draw_options(rng)
        try:
            stages = options.stages()
            if any(np.prod(stage.layer().weight_shape or 0) > MOST_WEIGHTS for stage in stages):
                continue
            path = Path(directory) / "weights.npz"
            np.savez(path, **_draw_all_tensors(rng, stages))
            options = options.model_copy(update={"weights": str(path)})
            if sum(p.schedule.cycles for p in make_program(options).stages) <= MOST_CYCLES:
                return options
        except ValueError:
            continue  # the folding, or the sizes, do not fit: draw again


def _draw_options(rng):
    def pick(*choices):
        return choices[rng.integers(len(choices))]

    op = pick("conv_transpose2d", "conv_transpose2d", "conv_transpose2d", "conv2d",
              "sub_pixel_conv2d", "resize2d", "resize_conv2d", *CHAINS)
    if op == "resize2d":
        return _draw_resize(rng, pick)
    groups = 1 if op == "separable_conv_transpose2d" else int(pick(1, 1, 1, 2, 3, 4))
    cin, cout = (groups * int(rng.integers(1, 9 if groups == 1 else 4)) for _ in range(2))
    kernel = tuple(int(min(16, rng.geometric(0.25))) for _ in range(2))
    stride = (int(rng.integers(1, 4)),) if op == "sub_pixel_conv2d" else tuple(
        int(min(8, rng.geometric(0.45))) for _ in range(2))
    dilation = tuple(int(pick(1, 1, 1, 2, 3)) for _ in range(2))
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    padding = tuple(int(rng.integers(0, max(extent[n // 2], 1) + 1)) for n in range(4))
    extra = {}
    if op == "resize_conv2d":
        extra = _draw_resizing(pick)
        if extra["mode"] == "bilinear":
            stride, padding = tuple(int(pick(1, 2, 4)) for _ in range(2)), (0,)
    if op == "bilinear_conv2d":
        extra["coordinates"] = pick(*COORDINATES)
    if op.endswith("conv_transpose2d") and rng.random() < 0.5:
        extra["op_pad"] = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation))
    activation = pick("none", "none", *ACTIVATIONS)
    parameters = {"clamp": ":0:60", "leaky_relu": ":0.1", "hard_sigmoid": ":0.2:0.5"}
    return Options(
        op=op, k=kernel, s=stride, p=pick(None, padding), dilation=dilation, groups=groups,
        cin=cin, cout=cout, order=pick("CRD", "DCR"), height=int(rng.integers(1, 10)),
        width=int(rng.integers(1, 10)), pi=int(rng.integers(1, cin // groups + 1)),
        po=int(rng.integers(1, cout + 1)),
        px=1 if op in CHAINS else int(pick(1, 1, 1, 2, 3, 4)),
        weight_bits=int(pick(8, 8, 4, rng.integers(2, 17))),
        dtype=pick("uint8", "int8", _drawn_dtype(rng)), output_dtype=pick(None, _drawn_dtype(rng)),
        activation=activation + parameters.get(activation, ""),
        requant=pick(*SCHEMES), multiplier_bits=int(rng.integers(8, 25)),
        skip_zeros=bool(rng.random() < 0.3),
        loadable=op not in CHAINS and bool(rng.random() < 0.3),
        pack=bool(rng.random() < 0.2), lut_products=bool(rng.random() < 0.2),
        serial_requant=bool(rng.random() < 0.2), name="drawn", **extra)


def _drawn_dtype(rng):
    return f"{'u' * int(rng.integers(2))}int{rng.integers(4, 17)}"


def _draw_resizing(pick):
    return {"mode": pick("nearest", "bilinear"), "coordinates": pick(*COORDINATES)}


def _draw_resize(rng, pick):
    channels = int(rng.integers(1, 6))
    return Options(
        op="resize2d", s=tuple(int(rng.integers(1, 9)) for _ in range(2)), cin=channels,
        cout=channels, height=int(rng.integers(1, 8)), width=int(rng.integers(1, 8)),
        po=int(rng.integers(1, channels + 1)), px=int(pick(1, 1, 2)), dtype=_drawn_dtype(rng),
        skip_zeros=bool(rng.random() < 0.3), serial_requant=bool(rng.random() < 0.2),
        lut_products=bool(rng.random() < 0.2), name="drawn", **_draw_resizing(pick))


def _draw_all_tensors(rng, stages):
    """Tensors of a layer or, with the names of its stages, of a chain."""
    found = [_draw_tensors(rng, stage, stage.layer()) for stage in stages]
    if len(found) == 1:
        return found[0]
    before, behind = found
    behind["input_zero_point"] = before.get("output_zero_point", before["input_zero_point"])
    return {f"{n}.{name}": value for n, part in enumerate(found) for name, value in part.items()}


def _draw_tensors(rng, options, layer):
    if layer.weight_shape is None:
        low, high = dtype_range(options.dtype)
        return {"input_zero_point": rng.integers(low, high + 1)}
    channels, largest = layer.parameter_channels, (1 << options.weight_bits - 1) - 1
    output_dtype = options.output_dtype or options.dtype
    weight = rng.integers(-largest - (not options.pack), largest + 1, layer.weight_shape)
    if rng.random() < 0.3:
        weight[rng.random(weight.shape) < rng.choice([0.3, 0.7, 0.95])] = 0
    quarter, output_quarter = (1 << dtype_bits(dtype) - 2 for dtype in (options.dtype,
                                                                        output_dtype))
    spread = quarter * largest * np.sqrt(weight.size / channels)
    peak = min(3 * int(spread), 2**31 - 1)
    scale = output_quarter / spread * rng.uniform(0.3, 3, channels)
    return {"weight": weight, "bias": rng.integers(-peak, peak + 1, channels),
            "weight_scale": scale.astype(np.float32),
            "input_scale": np.float32(0.25), "output_scale": np.float32(0.25),
            "pre_scale": np.float32(0.2), "slope": rng.uniform(-0.5, 1.5, layer.out_channels),
            **{name: rng.integers(*dtype_range(dtype), endpoint=True) for name, dtype in (
                ("input_zero_point", options.dtype), ("output_zero_point", output_dtype),
                ("pre_zero_point", output_dtype))}}


def check_one(seed, cache):
    """Draw, generate, simulate and compare one layer; returns what `sim.check.check` returns.

    Parameters
    ----------
    seed : int
    cache : pathlib.Path
        As in `CompiledModel`.

    Raises
    ------
    AssertionError, RuntimeError
        With the options of the layer.
    """
    rng = np.random.default_rng([seed, 1])
    with tempfile.TemporaryDirectory() as directory:
        options = draw(seed, directory)
        try:
            design = Design.generate(options, directory)
            return check(design, stalls=STALLS[seed % len(STALLS)], seed=seed,
                         density=float(rng.choice([1, 0.5, 0.1])), cache=cache)
        except (AssertionError, RuntimeError, TimeoutError) as error:
            shown = {k: v for k, v in options.model_dump(mode="json").items() if v is not None}
            raise AssertionError(f"seed {seed}: {error}; {shown}") from error


def sweep(count: Annotated[int, typer.Option(help="layers to draw", min=1)] = 1000,
          seed: Annotated[int, typer.Option(help="seed of the first layer", min=0)] = 0):
    """Check randomly drawn layers on their generated Verilog, each value and each cycle number."""
    console = Console(highlight=False)
    values = cycles = failed = 0
    with tempfile.TemporaryDirectory() as cache:
        for number in track(range(seed, seed + count), description="layers", console=console):
            try:
                compared = check_one(number, Path(cache))
            except AssertionError as error:
                console.print(str(error), markup=False, soft_wrap=True)
                failed += 1
            else:
                values, cycles = values + compared[0], cycles + compared[1]
    console.print(f"{count - failed} of {count} layers equal to golden: {values:,} values, "
                  f"{cycles:,} cycle numbers", soft_wrap=True)
    sys.exit(1 if failed else 0)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(sweep)

if __name__ == "__main__":
    run(app)
