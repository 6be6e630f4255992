"""The device families, and the form that a primitive takes on each of them."""

from pathlib import Path

from amaranth.hdl import ResetSignal

from . import ecp5, ice40
from .pipeline import delayed

__all__ = ["DEVICES", "Device", "elaborated", "near", "near_flag", "number"]

MODELS = Path(__file__).with_name("models")


class Device:
    """A device family, to be passed as `platform` where a design is converted.

    `models` are the files with a simulation model of each cell, to go with the Verilog.

    Parameters
    ----------
    name : str
    cells : tuple of str
        The vendor cells that its forms instantiate.
    family : module
        Has, for each primitive with a form of its own, a function with the primitive's name that
        returns the form as a `Module`, or None where the portable form is the better one; and,
        for each number that depends on the device, a function with the number's name.
    """

    def __init__(self, name, cells=(), family=None):
        self.name = name
        self.models = [MODELS / f"{cell}.v" for cell in cells]
        self._family = family

    def form(self, primitive):
        """This device's form of a primitive, or None."""
        make = getattr(self._family, type(primitive).__name__, None)
        return make(primitive) if make else None

    def number(self, name):
        """This device's function or constant of that name, or None."""
        return getattr(self._family, name, None)


DEVICES = {device.name: device for device in (
    Device("generic"), Device("ecp5", ecp5.CELLS, ecp5), Device("ice40", ice40.CELLS, ice40))}


def elaborated(primitive, platform):
    """The form of a primitive: `platform`'s own, or the portable one if it has none."""
    form = platform.form(primitive) if isinstance(platform, Device) else None
    return primitive.portable() if form is None else form


def number(device, name, portable):
    """What a device family has under a name, or the portable alternative.

    `device` is a key of `DEVICES`, or a platform as `elaborated` takes it.
    """
    device = DEVICES[device] if isinstance(device, str) else device
    found = device.number(name) if isinstance(device, Device) else None
    return portable if found is None else found


def near(m, platform, value, name):
    """`value` a cycle later, in registers of its own if the device can, near to where it goes."""
    return number(platform, "own_register", delayed)(m, value, name)


def near_flag(m, platform, flag, name):
    """As `near`, which has no reset, of a flag that must be low after one."""
    return near(m, platform, flag & ~ResetSignal(), name)
