"""A development board that an engine can run on."""

from dataclasses import dataclass
from pathlib import Path

from hw.manifest import DeviceFigures

__all__ = ["Board"]


@dataclass(frozen=True)
class Board:
    """A board, its device, and how a computer reaches it.

    Attributes
    ----------
    name : str
        As on the command line.
    title : str
        As its maker calls it.
    model : type
        Its class of amaranth-boards, with the names of the pins.
    target : str
        Device family, as in `hw.options.Options`.
    capacity : DeviceFigures
        What the device has.
    pll : str
        Cell that makes the engine's clock.
    link : str
        How to connect the serial line, for people.
    loader : tuple of str
        Command that programs the board; the name of the bitstream follows it.
    clock : str or None
        Resource of the reference clock, where it is not the default clock of the class.
    resources : tuple of Resource
        The UART, where the class has none.
    baud : int
        Default bits per second: a whole number of periods of every reference clock.
    """

    name: str
    title: str
    model: type
    target: str
    capacity: DeviceFigures
    pll: str
    link: str
    loader: tuple
    clock: str | None = None
    resources: tuple = ()
    baud: int = 1_000_000

    def platform(self):
        """A new Amaranth platform; each serves one build."""
        platform = self.model()
        platform.default_clk = self.clock or platform.default_clk
        platform.add_resources(self.resources)
        return platform

    def uart(self, platform):
        """The pins of the serial line, as ports `rx` and `tx`."""
        return platform.request("uart", 0, dir="-")

    @property
    def reference(self):
        """Frequency of the reference clock, in Hz."""
        return int(self.platform().default_clk_frequency)

    @property
    def device(self):
        """Name of the device, its package, and its speed grade if it has one."""
        model = self.model
        return "-".join((model.device, model.package, *([model.speed] if self.ecp5 else [])))

    @property
    def ecp5(self):
        """Whether the device is an ECP5."""
        return self.target == "ecp5"

    def options(self, options):
        """Layer options with the board's device family; `ValueError` if they do not suit it."""
        if "target" in options.model_fields_set and options.target != self.target:
            raise ValueError(f"target must be {self.target} for {self.name}, "
                             f"not {options.target!r}")
        if options.module_name() == "top":
            raise ValueError("name must not be that of the board's own module, 'top'")
        return options.model_copy(update={"target": self.target})

    def folder(self, options):
        """Where the files of a layer on this board go by default."""
        return Path("build") / f"{self.name}-{options.module_name()}"
