"""Nearest and bilinear enlargement on exact integers, by the formulas of ONNX.

The operator ``Resize`` of ONNX says where output pixel ``o`` of an axis of length ``L``, enlarged
by a whole factor ``S``, lies in the input (``coordinate_transformation_mode``):

=================  =======================  =================  ==============
``coordinates``    position                 output length OL   unit
=================  =======================  =================  ==============
``half_pixel``     ``(o + 1/2)/S - 1/2``    ``S*L``            ``1 / (2*S)``
``asymmetric``     ``o/S``                  ``S*L``            ``1/S``
``align_corners``  ``o*(L - 1)/(OL - 1)``   ``S*(L - 1) + 1``  ``1/S``
=================  =======================  =================  ==============

The last is ``o/S``, too. PyTorch calls half_pixel ``align_corners=False``. Positions are kept as
integers, in the unit of the table, so that nothing is rounded before the very end.

Feature maps are ``(channels, height, width)`` and all results are ``int64``.
"""

import numpy as np

from golden.arithmetic import conv2d
from golden.checks import integer, magnitude, pair, tensor

__all__ = ["denominator", "divide", "resize2d", "resize_conv2d"]


def _units(factor, coordinates):
    """Units of an input pixel in which the positions on an axis are whole numbers."""
    if coordinates not in ("half_pixel", "asymmetric", "align_corners"):
        raise ValueError(f"coordinates must be 'half_pixel', 'asymmetric' or 'align_corners', "
                         f"not {coordinates!r}")
    return 2 * factor if coordinates == "half_pixel" else factor


def _positions(length, factor, coordinates):
    """Positions of all output pixels of an axis of ``length`` input pixels, in units."""
    if coordinates == "half_pixel":
        return 2 * np.arange(factor * length) + 1 - factor
    return np.arange(factor * length if coordinates == "asymmetric" else factor * (length - 1) + 1)


def _enlarge(x, axis, factor, mode, coordinates):
    """``x`` resized along ``axis``, times the denominator of that axis."""
    length, units = x.shape[axis], _units(factor, coordinates)
    positions = _positions(length, factor, coordinates)

    def pixels(indices):
        # Outside of the image is its edge.
        return x.take(np.clip(indices, 0, length - 1), axis)

    before, rest = np.divmod(positions, units)
    if mode == "nearest":
        # round_prefer_floor: up beyond the middle only; the other coordinates have floor.
        return pixels(before + (2 * rest > units) if coordinates == "half_pixel" else before)
    rest = np.expand_dims(rest, [other for other in range(x.ndim) if other != axis])
    return pixels(before) * (units - rest) + pixels(before + 1) * rest


def denominator(mode, scale_factor, coordinates):
    """What the weights of an output pixel of :func:`resize2d` add up to.

    1 for nearest. For bilinear the product of the units of both axes: ``4 * SV * SH`` with
    half_pixel, otherwise ``SV * SH``. Raises ``ValueError`` as :func:`resize2d` does.
    """
    factors = pair("scale_factor", scale_factor, 1)
    vertical, horizontal = (_units(factor, coordinates) for factor in factors)
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"mode must be 'nearest' or 'bilinear', not {mode!r}")
    return vertical * horizontal if mode == "bilinear" else 1


def resize2d(x, *, mode, scale_factor, coordinates):
    """Enlarged image, before any division: ``Resize`` of ONNX times :func:`denominator`.

    Bilinear weighs the two neighbours on each axis by their distances, ``units - rest`` and
    ``rest``; nearest takes one pixel, by ``nearest_mode`` round_prefer_floor with half_pixel and
    floor otherwise. Neighbours outside of the image are its edge.

    Parameters
    ----------
    x : array of int, (C, H, W)
    mode : "nearest" or "bilinear"
    scale_factor : pair of int, at least 1
    coordinates : "half_pixel", "asymmetric" or "align_corners"

    Returns
    -------
    int64 array, (C, OH, OW)

    Raises
    ------
    ValueError
        For a wrong shape, dtype or parameter, and when sums could leave int64.
    """
    x, total = tensor("x", x, 3), denominator(mode, scale_factor, coordinates)
    if magnitude(x) * total >= 2**63:
        raise ValueError(f"x must keep sums below 2**63, not up to {magnitude(x) * total}")
    for axis, factor in zip((1, 2), pair("scale_factor", scale_factor, 1)):
        x = _enlarge(x, axis, factor, mode, coordinates)
    return x


def divide(numerator, divisor):
    """``numerator / divisor``, rounded half to even, in exact integers.

    Parameters
    ----------
    numerator : array of int
    divisor : int, at least 1

    Returns
    -------
    int64 array of the shape of ``numerator``

    Raises
    ------
    ValueError
        If ``divisor`` is no integer of at least 1.
    """
    quotient, rest = np.divmod(numerator, integer("divisor", divisor, 1))
    twice = 2 * rest
    return quotient + ((twice > divisor) | ((twice == divisor) & (quotient % 2 == 1)))


def resize_conv2d(x, weight, bias=None, *, mode, scale_factor, coordinates,
                  padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    """:func:`resize2d`, then :func:`golden.arithmetic.conv2d` at stride 1; nothing is rounded.

    Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016. The result is in units
    of ``1 / denominator`` of a product, and so is ``bias``. ``padding`` is zeros around the image
    enlarged. Bilinear has no padding, and a power of two as its denominator, so that scales divided
    by it are exact.

    Parameters
    ----------
    x : array of int, (Cin, H, W)
    weight : array of int, (Cout, Cin // groups, KH, KW)
    bias : array of int, (Cout,), or None
    mode, scale_factor, coordinates
        As for :func:`resize2d`.
    padding, dilation, groups
        As for :func:`golden.arithmetic.conv2d`.

    Returns
    -------
    int64 array, (Cout, OH, OW)

    Raises
    ------
    ValueError
        As the two functions do, and for bilinear with padding or with another denominator.
    """
    total = denominator(mode, scale_factor, coordinates)
    if mode == "bilinear" and np.any(padding):
        raise ValueError(f"padding must be 0 where mode is bilinear, not {padding!r}")
    if total & (total - 1):
        raise ValueError(f"scale_factor must give bilinear weights over a power of two, "
                         f"not {scale_factor!r} with {coordinates}, which are over {total}")
    enlarged = resize2d(x, mode=mode, scale_factor=scale_factor, coordinates=coordinates)
    return conv2d(enlarged, weight, bias, padding=padding, dilation=dilation, groups=groups)
