"""The layers that are measured: those that others published, ragged ones, and a sweep of 216."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from hw.options import Options

from .peers import YOUNGYANG, YOUNGYANG_CYCLES, compare

__all__ = ["CASES", "Case", "sweep"]


@dataclass(frozen=True)
class Case:
    """A transposed convolution on an engine.

    Attributes
    ----------
    name : str
    options : Options
    peer_folding : (int, int), optional
        Output and input channels per cycle of the peers, where they were published with other
        ones than the engine's.
    measured_peers : dict of str to int
        Cycles of peers that have no closed form.
    quick : bool
        Whether a quick run has it.
    """

    name: str
    options: Options
    peer_folding: tuple | None = None
    measured_peers: dict = field(default_factory=dict)
    quick: bool = False

    @cached_property
    def layer(self):
        return self.options.layer()

    @property
    def multipliers(self):
        return self.options.pi * self.options.po * self.options.px

    @property
    def peers(self):
        """{name: cycles} of everyone else with as many multipliers."""
        options = self.options
        pe, simd = self.peer_folding or (options.po * options.px, options.pi)
        return self.measured_peers | compare(self.layer, options.height, options.width,
                                             pe=pe, simd=simd)

    @property
    def text(self):
        """The layer in short; the padding is that of the first and of the last edge."""
        layer, options = self.layer, self.options
        (before, after), extra = layer.padding[0], layer.output_padding[0]
        padding = f"P{before}" + (f"/{after}" if after != before else "")
        padding += f"+{extra}" if extra else ""
        return (f"K{layer.kernel_size[0]} S{layer.stride[0]} {padding} "
                f"{options.height}x{options.width} {options.cin}->{options.cout}")


def _dcgan(size, channels):
    """K4 S2 P1: a layer of DCGAN (A. Radford et al., 2015) in its usual PyTorch form.

    Eight million weights in a bitstream are of no use to anyone, so they are loaded.
    """
    return Case(f"DCGAN {size}x{size}", Options(
        k=4, s=2, p=1, height=size, width=size, cin=channels, cout=channels // 2, pi=64, po=4,
        dtype="int8", loadable=True), peer_folding=(16, 16))


ESPCN = {"k": 6, "s": 2, "p": 2, "height": 128, "width": 128, "cin": 32, "cout": 3}
FSRCNN = {"k": 9, "s": 4, "p": 4, "height": 180, "width": 320, "cin": 16, "cout": 1}

# Shapes and foldings of the peers, except for the ragged ones (a kernel that the stride does not
# divide has phases of several sizes), whose output is the stride times the input.
CASES = (
    # nearest resize and convolution, folded into one kernel: finn-examples, build/deconv_board
    Case("ESPCN", Options(**ESPCN, pi=4, po=3)),
    Case("ESPCN wide", Options(**ESPCN, pi=32, po=3)),
    _dcgan(4, 1024), _dcgan(8, 512), _dcgan(16, 256),
    Case("DCGAN 32x32", Options(k=4, s=2, p=1, height=32, width=32, cin=128, cout=3, pi=32, po=3)),
    # the last layer of FSRCNN (C. Dong et al., 2016)
    Case("FSRCNN", Options(**FSRCNN, pi=16)),
    Case("FSRCNN wide", Options(**FSRCNN, op_pad=3, pi=16, px=9),
         measured_peers={YOUNGYANG: YOUNGYANG_CYCLES}),
    # deconv_sweep_results.json of github.com/judeharis/finn
    Case("one multiplier", Options(k=4, s=2, p=1, height=8, width=8, cin=2, cout=3), quick=True),
    Case("ragged K3 S2", Options(k=3, s=2, height=32, width=32, cin=16, cout=8, pi=8, po=2),
         quick=True),
    Case("ragged K5 S2", Options(k=5, s=2, height=24, width=40, cin=32, cout=16, pi=16, po=4)),
    Case("ragged K7 S3", Options(k=7, s=3, height=20, width=30, cin=16, cout=8, pi=4, po=8)),
    Case("K9 S3", Options(k=9, s=3, height=20, width=30, cin=16, cout=4, pi=4, po=4), quick=True),
)

SWEEP = {"s": (1, 2), "cout": (16, 32, 64), "k": (3, 5, 7), "size": (7, 9, 11),
         "cin": (32, 64, 128, 256)}


def sweep():
    """The 216 layers of MM2IM, on 64 multipliers.

    `tconv_models_synth.json` of github.com/gicLAB/SECDA-TFLite, branch v2_prerelease; J. Haris and
    J. Cano, arXiv 2507.07683. Their padding is TensorFlow's "same": of an odd crop, the larger
    part is at the end.
    """
    for s, cout, k, size, cin in product(*SWEEP.values()):
        crop, pi = k - s, min(cin, 64)  # the wider the input, the sooner a frame begins
        options = Options(s=s, k=k, cin=cin, cout=cout, height=size, width=size, pi=pi,
                          po=64 // pi, p=(crop // 2, crop - crop // 2) * 2, dtype="int8",
                          loadable=True)
        yield Case(f"MM2IM S{s} K{k} {size}x{size} {cin}->{cout}", options)
