"""The options of a layer: one model for the command lines, for TOML files and for manifests."""

import contextlib
import inspect
import re
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from rich.console import Console

from .chain import Chain
from .folding import ChannelLayout, Folding
from .layers import (
    COORDINATES,
    MODES,
    Conv2d,
    ConvTranspose2d,
    Resize2d,
    ResizeConv2d,
    SubPixelConv2d,
)
from .quantisation import ACTIVATIONS, SCHEMES

__all__ = ["CHAINS", "Options", "application", "exit_codes", "run"]


# of Verilog-2005 (IEEE 1364, annex B), and of SystemVerilog what one might call a module
KEYWORDS = frozenset("""
    always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign
    default defparam design disable edge else end endcase endconfig endfunction endgenerate
    endmodule endprimitive endspecify endtable endtask event for force forever fork function
    generate genvar highz0 highz1 if ifnone incdir include initial inout input instance integer
    join large liblist library localparam macromodule medium module nand negedge nmos nor
    noshowcancelled not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1
    pulldown pullup pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat
    rnmos rpmos rtran rtranif0 rtranif1 scalared showcancelled signed small specify specparam
    strong0 strong1 supply0 supply1 table task time tran tranif0 tranif1 tri tri0 tri1 triand
    trior trireg unsigned use uwire vectored wait wand weak0 weak1 while wire wor xnor xor
    bit byte class do final global int interface logic new null package program property pure
    rand ref return sequence static string struct super tagged this type union var virtual void
""".split())


def _numbers(value):
    """`"3"`, `"3,4"`, 3 or [3, 4] as a tuple of ints."""
    if isinstance(value, str):
        value = value.split(",")
    values = value if isinstance(value, (list, tuple)) else [value]
    try:
        if not values:
            raise ValueError
        return tuple(int(_whole(v)) for v in values)
    except (TypeError, ValueError):
        raise ValueError("must be whole numbers separated by commas") from None


def _whole(value):
    """What is not a truth value or a fraction, of which TOML has both."""
    if isinstance(value, (bool, float)):
        raise ValueError("must be a whole number")
    return value


CHAINS = ("separable_conv_transpose2d", "bilinear_conv2d")
Sizes = Annotated[tuple[int, ...], BeforeValidator(_numbers)]
Whole = Annotated[int, BeforeValidator(_whole)]


class Options(BaseModel):
    """A layer, its number formats, its frame and its folding, as a user gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    op: Literal["conv_transpose2d", "conv2d", "sub_pixel_conv2d", "resize2d",
                "resize_conv2d", *CHAINS] = Field(
        "conv_transpose2d", description="kind of layer; separable_conv_transpose2d and "
        "bilinear_conv2d are two engines, one behind the other")
    k: Sizes | None = Field(None, description="kernel size, N or VERTICAL,HORIZONTAL, by default "
                            "4, of resize_conv2d and bilinear_conv2d 3")
    s: Sizes | None = Field(None, description="stride, or the factor that the layer enlarges by; "
                            "by default 2, of conv2d 1")
    p: Sizes | None = Field(None, description="padding: N, VERTICAL,HORIZONTAL or "
                            "TOP,BOTTOM,LEFT,RIGHT; by default the output is stride times the "
                            "input")
    op_pad: Sizes | None = Field(None, description="output padding of conv_transpose2d")
    dilation: Sizes = Field((1,), description="dilation")
    groups: Whole = Field(1, description="convolution groups")
    cin: Whole = Field(1, description="input channels")
    cout: Whole = Field(1, description="output channels")
    order: Literal["CRD", "DCR"] = Field("CRD", description="channel order of sub_pixel_conv2d")
    mode: Literal[MODES] = Field("nearest", description="resizing: " + " or ".join(MODES))
    coordinates: Literal[COORDINATES] = Field(
        "half_pixel", description="of resizing, as ONNX names them: " + ", ".join(COORDINATES))
    height: Whole = Field(64, description="rows of the largest input frame")
    width: Whole = Field(64, description="columns of the largest input frame")
    pi: Whole = Field(1, description="input channels per cycle")
    po: Whole = Field(1, description="output channels per cycle")
    px: Whole = Field(1, description="output pixels per cycle")
    weights: str = Field("auto", description="FILE.npz, bilinear, random, or auto: bilinear where "
                         "each channel is upscaled by itself, otherwise random")
    weight_bits: Whole = Field(8, description="width of a weight, 2 to 16")
    dtype: str = Field("uint8", description="input codes: uint4 to uint16 or int4 to int16")
    output_dtype: str | None = Field(None, description="output codes, by default as dtype")
    activation: str = Field("none", description="one of " + ", ".join(ACTIVATIONS) + "; with "
                            "parameters as in clamp:0:6 or leaky_relu:0.1")
    requant: Literal[SCHEMES] = Field("onnxruntime", description="rounding scheme: "
                                      + ", ".join(SCHEMES))
    multiplier_bits: Whole = Field(16, description="multiplier width of the scheme compact")
    skip_zeros: bool = Field(False, description="skip steps whose activations are all zero")
    pack: bool = Field(False, description="two products from one multiplier; no weight may be -128")
    lut_products: bool = Field(False, description="products of look-up tables, not of multipliers")
    serial_requant: bool = Field(False, description="requantise bit by bit, without multipliers")
    loadable: bool = Field(False, description="load weights at run time, into a double buffer")
    spram: bool = Field(False, description="loadable weights in the UP5K's single-port memories")
    target: Literal["generic", "ecp5", "ice40"] = Field(
        "generic", description="device family whose multipliers and memories are instantiated")
    name: str | None = Field(None, description="name of the module and of the files")

    @classmethod
    def read(cls, path, overrides):
        """Options of a TOML file, with `overrides` (name: value) on top.

        Raises
        ------
        ValueError
            One line that names the field, its value and the rule.
        """
        values = {}
        if path is not None:
            if not path.is_file():
                raise ValueError(f"file must exist, not {str(path)!r}")
            try:
                values = tomllib.loads(path.read_text())
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"file must be TOML: {path}: {error}") from None
            if "weights" in values and values["weights"] not in ("auto", "bilinear", "random"):
                values["weights"] = str(path.parent / str(values["weights"]))
        try:
            return cls(**{**values, **overrides})
        except ValidationError as error:
            first = error.errors()[0]
            field = first["loc"][0]
            if first["type"] == "extra_forbidden":
                raise ValueError(f"{field} must be one of {', '.join(cls.model_fields)}") from None
            rule = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            rule = rule if rule.startswith("must") else f"must be {rule}"
            raise ValueError(f"{field} {rule}, not {first['input']!r}") from None

    def stages(self):
        """The options of each engine, in the order that data flows.

        Of a chain, `pi` and `po` are those of the second engine; the first one makes as many
        channels a cycle as the second one takes.

        Raises
        ------
        ValueError
            For an option that a chain has not, or a folding that does not suit its second layer.
        """
        if self.op not in CHAINS:
            return (self,)
        separable = self.op == "separable_conv_transpose2d"
        name, only = ("groups", 1) if separable else ("op_pad", None)
        if getattr(self, name) != only:
            raise ValueError(f"{name} must not be given for {self.op}, not {getattr(self, name)}")
        for name, only in ("px", 1), ("loadable", False):
            if getattr(self, name) != only:
                raise ValueError(f"{name} must be {only} for {self.op}, not {getattr(self, name)}")
        behind = {"op": "conv2d", "k": self.kernel, "s": None, "op_pad": None}
        if separable:
            behind |= {"k": (1,), "p": None, "dilation": (1,)}
        second = self.model_copy(update=behind)
        layer = second.layer()
        lanes = ChannelLayout(layer.in_channels, layer.out_channels, layer.groups,
                              Folding(pi=self.pi, po=self.po)).input_lanes
        before = {"cout": self.cin, "pi": 1, "po": lanes, "activation": "none", "pack": False,
                  "output_dtype": None}
        if separable:
            before |= {"op": "conv_transpose2d", "groups": self.cin}
        else:
            before |= {"op": "resize2d", "mode": "bilinear", "k": None, "p": None, "groups": 1,
                       "dilation": (1,)}
            before |= {"weights": "auto"} if self.weights == "random" else {}
        first = self.model_copy(update=before)
        height, width = first.layer().output_size(self.height, self.width)
        return first, second.model_copy(update={"height": height, "width": width})

    def layer(self):
        """The layer, or `Chain` of layers; `ValueError` where the options do not make one."""
        if self.op in CHAINS:
            return Chain(self.op, tuple(stage.layer() for stage in self.stages()))
        if self.op != "conv_transpose2d" and self.op_pad is not None:
            raise ValueError(f"op_pad must not be given for {self.op}, not {self.op_pad}")
        stride = self.factor
        resizing = {"scale_factor": stride, "mode": self.mode, "coordinates": self.coordinates}
        if self.op == "resize2d":
            for name, default in ("k", None), ("p", None), ("dilation", (1,)), ("groups", 1):
                if getattr(self, name) != default:
                    raise ValueError(f"{name} must not be given for resize2d, "
                                     f"not {getattr(self, name)}")
            return Resize2d(in_channels=self.cin, out_channels=self.cout, **resizing)
        common = {"in_channels": self.cin, "out_channels": self.cout, "groups": self.groups,
                  "kernel_size": self.kernel, "dilation": _pair("dilation", self.dilation)}
        extents = [d * (k - 1) + 1 for k, d in zip(common["kernel_size"], common["dilation"])]
        if self.op == "conv_transpose2d":
            extra = (_pair("op_pad", self.op_pad) if self.op_pad is not None else
                     tuple(max(0, s - e) if self.p is None else 0
                           for s, e in zip(stride, extents)))
            # like ONNX, the odd row goes to the beginning
            crops = [max(0, e + o - s) for e, o, s in zip(extents, extra, stride)]
            padding = self._padding([(c - c // 2, c // 2) for c in crops])
            return ConvTranspose2d(**common, padding=padding, stride=stride, output_padding=extra)
        if self.op == "resize_conv2d" and self.mode == "bilinear":
            return ResizeConv2d(**common, padding=self._padding([(0, 0)] * 2), **resizing)
        padding = self._padding([((e - 1) // 2, e - 1 - (e - 1) // 2) for e in extents])
        if self.op == "resize_conv2d":
            return ResizeConv2d(**common, padding=padding, **resizing)
        if self.op == "conv2d":
            return Conv2d(**common, padding=padding, stride=stride)
        if stride[0] != stride[1]:
            raise ValueError(f"s must be one factor for sub_pixel_conv2d, not {_text(self.s)}")
        return SubPixelConv2d(**common, padding=padding, upscale_factor=stride[0],
                              order=self.order)

    @property
    def kernel(self):
        """(vertical, horizontal) kernel size."""
        default = 3 if self.op in ("resize_conv2d", "bilinear_conv2d") else 4
        return _pair("k", self.k or (default,))

    @property
    def factor(self):
        """(vertical, horizontal) stride, or factor that the layer enlarges by."""
        return _pair("s", self.s or ((1,) if self.op == "conv2d" else (2,)))

    def _padding(self, default):
        if self.p is None:
            return tuple(default)
        if len(self.p) == 4:
            return self.p[:2], self.p[2:]
        return _pair("p", self.p, "N, VERTICAL,HORIZONTAL or TOP,BOTTOM,LEFT,RIGHT")

    def module_name(self):
        """The name of the module: a Verilog identifier."""
        kernel = "" if self.op == "resize2d" else f"_k{_short(self.kernel)}"
        scale = "" if self.factor == (1, 1) else f"_s{_short(self.factor)}"
        name = self.name or f"{self.op}{kernel}{scale}"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in KEYWORDS:
            raise ValueError(f"name must be a Verilog identifier, not {name!r}")
        return name

    def activation_and_parameters(self):
        """(kind, parameters) of the activation."""
        kind, *parameters = self.activation.split(":")
        try:
            return kind, tuple(float(v) for v in parameters)
        except ValueError:
            raise ValueError("activation must have numbers after its colons, "
                             f"not {self.activation!r}") from None


def _pair(field, values, form="N or VERTICAL,HORIZONTAL"):
    if len(values) not in (1, 2):
        raise ValueError(f"{field} must be {form}, not {_text(values)}")
    return (values * 2)[:2]


def _text(values):
    return ",".join(map(str, values))


def _short(pair):
    """`2` for (2, 2), `2x3` for (2, 3)."""
    return "x".join(map(str, pair[:1] if pair[0] == pair[1] else pair))


def application(function):
    """Make a command line of `function(options, **own)`: all layer options, and its own ones.

    Parameters of `function` after `options` are its own, declared as Typer wants them. The last
    argument of the command is a TOML file with the same names. A `ValueError` or `OSError` ends
    the command with one line on standard error and exit code 2, a check that failed
    (`RuntimeError`, `AssertionError`, `TimeoutError`) with exit code 1.
    """
    own = list(inspect.signature(function).parameters.values())[1:]
    layer = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=(
        Annotated[bool | None if field.annotation is bool else str | None, typer.Option(
            f"--{name.replace('_', '-')}", help=_help(field), show_default=False)]))
        for name, field in Options.model_fields.items()]

    def command(**arguments):
        overrides = {name: value for name in Options.model_fields
                     if (value := arguments.pop(name)) is not None}
        path = arguments.pop("config")
        with exit_codes():
            function(Options.read(path, overrides), **arguments)

    config = inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=(
        Annotated[Path | None, typer.Argument(help="TOML file with these options")]))
    parameters = [*[p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own], config, *layer]
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = function.__doc__
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False,
                      rich_markup_mode=None)
    app.command()(command)
    return app


@contextlib.contextmanager
def exit_codes():
    """What goes wrong inside ends the command with one line, as `application` says."""
    try:
        yield
    except (RuntimeError, AssertionError, TimeoutError) as error:
        _complain(error)
        raise typer.Exit(1) from None
    except (ValueError, OSError) as error:
        _complain(error)
        raise typer.Exit(2) from None


def run(app):
    """Run a command line; wrong usage, too, ends with one line and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:
        _complain(error.format_message())
        sys.exit(2)


def _complain(message):
    Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(
        f"error: {message}", markup=False)


def _help(field):
    default = field.default
    if default is None or default is False:
        return field.description
    default = _text(default) if isinstance(default, tuple) else default
    return f"{field.description} [default: {default}]"
