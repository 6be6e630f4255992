"""How many cycles other accelerators of transposed convolutions take for one frame.

Closed forms of the three ways in which FINN computes the layer, read from their sources, and one
measured constant. `pe` and `simd` are output and input channels per cycle, so that `pe * simd` is
the number of multipliers. Each function gives None where the peer cannot run the layer.
"""

__all__ = ["PEERS", "YOUNGYANG", "YOUNGYANG_CYCLES", "best", "compare", "mm2im", "pixel_padding",
           "rev2d"]

# The deconvolution of github.com/youngyang00/FSRCNN-accelerater (b1ee86f, deconv_top.v): K9 S4,
# 16 to 1 channels, 180x320 to 720x1280, 144 multipliers. Counted on its Verilog with Verilator,
# from one frame to the next, input always valid and output always ready.
YOUNGYANG, YOUNGYANG_CYCLES = "YoungYang FSRCNN", 937_156

# mm2im: cycles per input row with and without skipping of cropped taps, and per frame
MM2IM_ROW, MM2IM_FRAME = {True: 21, False: 17}, -34


def rev2d(layer, height, width, *, pe, simd):
    """Gather by output phase: `deconv` of Xilinx/finn-hlslib, deconv.hpp (120c462).

    The closed form is `get_exp_cycles` of deconvolution.py in github.com/judeharis/finn (2d73c0f),
    without the overhead that it knows for stride 1 only: padded border pixels are computed with
    all their taps, the outputs beyond the crop are computed too, and the count stops at the last
    output that is kept. Their RTL simulations take 0.3 to 1 % more.
    """
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    padding = _one_padding(layer)
    if padding is None or not _folds(layer, pe, simd) or kernel % stride:
        return None
    pad = 0 if padding >= kernel - stride else (kernel - padding - 1) // stride
    crop = stride * pad - (kernel - stride - padding)
    columns = (width + 2 * pad + 1) * stride - kernel
    last_row, last_column = (stride * (n + 2 * pad + 1) - kernel - 1 - crop
                             for n in (height, width))
    return ((last_row * columns + last_column + 1) * (layer.out_channels // pe)
            * (kernel // stride)**2 * (layer.in_channels // simd))


def mm2im(layer, height, width, *, pe, simd, skip=True):
    """Scatter from each input pixel, then drain: MM2IM in its HLS version for FINN.

    `get_exp_cycles` of deconvolution_mm2im.py in github.com/judeharis/finn (0d913ec), fitted there
    to 70 RTL simulations, to 3 % or 6 cycles a row. `skip` leaves out taps that are cropped away.
    That code takes one padding for all four edges; here the form also serves an asymmetric crop,
    as the TensorFlow Lite version of MM2IM has it (github.com/gicLAB/SECDA-TFLite).
    """
    if not _square(layer) or any(layer.output_padding) or not _folds(layer, pe, simd):
        return None
    outputs = layer.output_size(height, width)
    taps = 1
    for axis, length in enumerate((height, width)):
        before, stride = layer.padding[axis][0], layer.stride[axis]
        kept = sum(0 <= i * stride + k - before < outputs[axis]
                   for i in range(length) for k in range(layer.kernel_size[axis]))
        taps *= kept if skip else length * layer.kernel_size[axis]
    groups = layer.out_channels // pe
    compute = taps * groups * (layer.in_channels // simd)
    drain = outputs[0] * outputs[1] * groups
    return compute + drain + max(0, MM2IM_ROW[skip] * height + MM2IM_FRAME)


def pixel_padding(layer, height, width, *, pe, simd):
    """Insert the zeros and convolve: FINN upstream (39f0c9a), infer_pixel_padding_deconv.py.

    Every output takes every tap of the kernel. The transformation reads one padding for all edges
    and no output padding.
    """
    if _one_padding(layer) is None or not _folds(layer, pe, simd):
        return None
    rows, columns = layer.output_size(height, width)
    return (rows * columns * layer.kernel_size[0] * layer.kernel_size[1]
            * (layer.in_channels // simd) * (layer.out_channels // pe))


PEERS = {"FINN rev2d": rev2d, "MM2IM": mm2im, "FINN pixel padding": pixel_padding}


def best(peer, layer, height, width, multipliers):
    """Cycles of a peer at its best `pe` and `simd` of this many multipliers, or None."""
    cycles = [peer(layer, height, width, pe=pe, simd=multipliers // pe)
              for pe in range(1, multipliers + 1) if multipliers % pe == 0]
    return min((n for n in cycles if n is not None), default=None)


def compare(layer, height, width, *, pe, simd):
    """{name: cycles} of all peers at this folding, and at a better one of as many multipliers."""
    found = {}
    for name, peer in PEERS.items():
        found[name] = peer(layer, height, width, pe=pe, simd=simd)
        if (fastest := best(peer, layer, height, width, pe * simd)) != found[name]:
            found[f"{name}, best folding"] = fastest
    return {name: cycles for name, cycles in found.items() if cycles is not None}


def _square(layer):
    return all(a == b for a, b in (layer.kernel_size, layer.stride, layer.padding)) and (
        layer.groups == 1 and layer.dilation == (1, 1))


def _one_padding(layer):
    """The padding that all four edges have, or None where the layer needs more than that."""
    edges = {p for axis in layer.padding for p in axis}
    if len(edges) > 1 or not _square(layer) or any(layer.output_padding):
        return None
    return edges.pop()


def _folds(layer, pe, simd):
    return layer.out_channels % pe == 0 and layer.in_channels % simd == 0
