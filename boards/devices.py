"""What the devices of the boards have, as the open tools count it."""

from hw.manifest import DeviceFigures

__all__ = ["ECP5", "HX8K", "UP5K"]


def _ecp5(luts, multipliers, block_rams):
    return DeviceFigures(luts=luts, multipliers=multipliers, block_rams=block_rams,
                         single_port_rams=0)


# the 12F is a 25F with another identity, and the open tools use all of it
ECP5 = {"12f": _ecp5(24288, 28, 56), "25f": _ecp5(24288, 28, 56),
        "45f": _ecp5(43848, 72, 108), "85f": _ecp5(83640, 156, 208)}
UP5K = DeviceFigures(luts=5280, multipliers=8, block_rams=30, single_port_rams=4)
HX8K = DeviceFigures(luts=7680, multipliers=0, block_rams=32, single_port_rams=0)
