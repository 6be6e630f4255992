"""Convolutions and the pixel shuffle on exact integers, by definition.

Feature maps are ``(channels, height, width)`` and all results are ``int64``. The layer parameters
have the names, order and meaning of PyTorch, with one extension: ``padding`` is
``((top, bottom), (left, right))``, so that asymmetric padding can be expressed.
"""

import numpy as np

from golden.checks import integer, magnitude, pair, tensor

__all__ = ["conv2d", "conv_transpose2d", "pixel_shuffle", "sub_pixel_conv2d"]


def _padding(padding):
    if np.shape(padding) != (2, 2):
        raise ValueError(f"padding must be ((top, bottom), (left, right)), not {padding!r}")
    return tuple(pair(f"padding[{axis}]", item, 0) for axis, item in enumerate(padding))


def _operands(x, weight, bias, groups, *, transposed):
    """Check the operands against each other and split their channels into groups.

    Returns ``x (g, ci, H, W)``, ``weight (g, co, ci, KH, KW)`` with ``ci`` and ``co`` channels per
    group, ``bias (g * co,)``, in a dtype in which every sum of products is exact.
    """
    x, weight = tensor("x", x, 3), tensor("weight", weight, 4)
    groups = integer("groups", groups, 1)
    kernel = weight.shape[2:]
    if weight.shape[0] % groups:
        raise ValueError(f"weight.shape[0] must be a multiple of groups={groups}, "
                         f"not {weight.shape[0]}")
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    if x.shape[0] != channels:
        raise ValueError(f"x must have the {channels} channels that weight {weight.shape} with "
                         f"groups={groups} asks for, not shape {x.shape}")
    x = x.reshape(groups, -1, *x.shape[1:])
    weight = weight.reshape(groups, -1, *weight.shape[1:])
    if transposed:
        weight = weight.swapaxes(1, 2)
    outputs = groups * weight.shape[1]

    bias = np.zeros(outputs, np.int64) if bias is None else tensor("bias", bias, 1)
    if bias.shape != (outputs,):
        raise ValueError(f"bias must have shape ({outputs},), not {bias.shape}")

    bound = magnitude(x) * magnitude(weight) * weight.shape[2] * kernel[0] * kernel[1]
    if bound + magnitude(bias) >= 2**63:
        raise ValueError(f"x, weight and bias must keep sums below 2**63, not up to {bound}")
    # float64 holds every integer below 2**53, hence every partial sum, and has a fast matmul.
    dtype = np.float64 if bound < 2**53 else np.int64
    return x.astype(dtype), weight.astype(dtype), bias


def conv_transpose2d(x, weight, bias=None, *, stride=(1, 1), padding=((0, 0), (0, 0)),
                     output_padding=(0, 0), dilation=(1, 1), groups=1):
    """Transposed convolution: every input adds its weighted kernel to the output.

    The products are scattered onto the whole canvas, ``canvas[y*SH + i*DH, x*SW + j*DW] +=
    x[y, x] * weight[i, j]``, then ``padding`` is cropped away. This is the definition given for
    ``torch.nn.ConvTranspose2d`` (PyTorch documentation) and ``ConvTranspose`` (ONNX operators):
    ``OH = (H - 1)*SH - top - bottom + DH*(KH - 1) + output_padding[0] + 1``, and ``OW`` alike.

    Parameters
    ----------
    x : array of int, (Cin, H, W)
    weight : array of int, (Cin, Cout // groups, KH, KW)
    bias : array of int, (Cout,), or None
    stride, dilation : pair of int, at least 1
    padding : ((top, bottom), (left, right)), at least 0
        Rows and columns to crop; more than the kernel is allowed.
    output_padding : pair of int, at least 0
        Extra rows at the bottom and columns at the right. PyTorch's limit, less than the stride or
        the dilation, is a restriction of PyTorch and not applied.
    groups : int, at least 1

    Returns
    -------
    int64 array, (Cout, OH, OW)

    Raises
    ------
    ValueError
        For a wrong shape, dtype or parameter, for an output without rows or columns, and when
        sums could leave int64.
    """
    stride, dilation = pair("stride", stride, 1), pair("dilation", dilation, 1)
    padding, output_padding = _padding(padding), pair("output_padding", output_padding, 0)
    x, weight, bias = _operands(x, weight, bias, groups, transposed=True)
    groups, outputs, _, *kernel = weight.shape
    size = x.shape[2:]

    extent = [s * (n - 1) + d * (k - 1) + 1 + extra for n, k, s, d, extra
              in zip(size, kernel, stride, dilation, output_padding)]
    if any(total - sum(crop) < 1 for total, crop in zip(extent, padding)):
        raise ValueError(f"padding must leave an output of at least 1 x 1 of the canvas "
                         f"{extent[0]} x {extent[1]}, not {padding!r}")

    canvas = np.zeros((groups, outputs, *extent), x.dtype)
    columns = x.reshape(*x.shape[:2], -1)
    for i, j in np.ndindex(*kernel):
        rows = slice(i * dilation[0], i * dilation[0] + stride[0] * (size[0] - 1) + 1, stride[0])
        cols = slice(j * dilation[1], j * dilation[1] + stride[1] * (size[1] - 1) + 1, stride[1])
        products = weight[..., i, j] @ columns
        canvas[..., rows, cols] += products.reshape(groups, outputs, *size)

    (top, bottom), (left, right) = padding
    cropped = canvas[..., top:extent[0] - bottom, left:extent[1] - right]
    result = cropped.reshape(groups * outputs, *cropped.shape[2:]).astype(np.int64)
    return result + bias[:, None, None]


def conv2d(x, weight, bias=None, *, padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1,
           stride=(1, 1)):
    """Convolution (cross-correlation) with zero padding, as ``torch.nn.Conv2d`` defines it.

    ``OH = (H + top + bottom - DH*(KH - 1) - 1) // SH + 1``, and ``OW`` alike.

    Parameters
    ----------
    x : array of int, (Cin, H, W)
    weight : array of int, (Cout, Cin // groups, KH, KW)
    bias : array of int, (Cout,), or None
    padding : ((top, bottom), (left, right)), at least 0
    dilation, stride : pair of int, at least 1
    groups : int, at least 1

    Returns
    -------
    int64 array, (Cout, OH, OW)

    Raises
    ------
    ValueError
        For a wrong shape, dtype or parameter, for a kernel larger than the padded input, and when
        sums could leave int64.
    """
    stride, dilation = pair("stride", stride, 1), pair("dilation", dilation, 1)
    padding = _padding(padding)
    x, weight, bias = _operands(x, weight, bias, groups, transposed=False)
    groups, outputs, _, *kernel = weight.shape

    x = np.pad(x, ((0, 0), (0, 0), *padding))
    span = [n - d * (k - 1) for n, k, d in zip(x.shape[2:], kernel, dilation)]
    if min(span) < 1:
        raise ValueError(f"padding must make the input at least as large as the dilated kernel "
                         f"{kernel!r}, not {padding!r} for a padded {x.shape[2:]}")

    size = [(n - 1) // s + 1 for n, s in zip(span, stride)]
    result = np.zeros((groups, outputs, *size), x.dtype)
    for i, j in np.ndindex(*kernel):
        top, left = i * dilation[0], j * dilation[1]
        taps = x[..., top:top + span[0]:stride[0], left:left + span[1]:stride[1]]
        products = weight[..., i, j] @ taps.reshape(*taps.shape[:2], -1)
        result += products.reshape(result.shape)
    return result.reshape(groups * outputs, *size).astype(np.int64) + bias[:, None, None]


def pixel_shuffle(x, factor, order="CRD"):
    """Rearrange ``factor**2`` channels into blocks of ``factor`` x ``factor`` pixels.

    Output ``(c, y*r + i, x*r + j)`` is input channel ``c*r*r + i*r + j`` for ``"CRD"``
    (``torch.nn.PixelShuffle``, ONNX ``DepthToSpace`` mode CRD) and ``(i*r + j)*C + c`` for
    ``"DCR"`` (ONNX mode DCR, TensorFlow ``depth_to_space``), ``C`` being the output channels.

    Parameters
    ----------
    x : array of int, (C * factor**2, H, W)
    factor : int, at least 1
    order : "CRD" or "DCR"

    Returns
    -------
    int64 array, (C, H * factor, W * factor)

    Raises
    ------
    ValueError
        For a wrong dtype, factor or order, and for channels that are no multiple of ``factor**2``.
    """
    x, factor = tensor("x", x, 3), integer("factor", factor, 1)
    channels, height, width = x.shape
    if channels % factor**2:
        raise ValueError(f"x must have a multiple of factor**2={factor**2} channels, "
                         f"not {channels}")
    if order == "CRD":
        blocks = x.reshape(-1, factor, factor, height, width).transpose(0, 3, 1, 4, 2)
    elif order == "DCR":
        blocks = x.reshape(factor, factor, -1, height, width).transpose(2, 3, 0, 4, 1)
    else:
        raise ValueError(f"order must be 'CRD' or 'DCR', not {order!r}")
    return blocks.reshape(-1, height * factor, width * factor)


def sub_pixel_conv2d(x, weight, bias=None, *, factor, order="CRD", padding=((0, 0), (0, 0)),
                     dilation=(1, 1), groups=1):
    """Sub-pixel convolution: :func:`conv2d` at stride 1, then :func:`pixel_shuffle`.

    Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network", CVPR 2016. ``weight`` is
    ``(Cout * factor**2, Cin // groups, KH, KW)``, ``bias`` is ``(Cout * factor**2,)`` and the
    result an int64 array ``(Cout, OH * factor, OW * factor)``, ``OH`` and ``OW`` being those of
    the convolution. Raises ``ValueError`` as the two functions do.
    """
    maps = conv2d(x, weight, bias, padding=padding, dilation=dilation, groups=groups)
    return pixel_shuffle(maps, factor, order)
