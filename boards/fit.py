"""Whether an engine and the link beside it fit a board, and what would."""

from itertools import product
from math import prod

from hw.export import make_program
from hw.manifest import DeviceFigures
from hw.resources import device_figures

__all__ = ["LINK", "check"]

# of the link and the clocks, by device family
LINK = {"ecp5": DeviceFigures(luts=1700, multipliers=0, block_rams=2, single_port_rams=0),
        "ice40": DeviceFigures(luts=1500, multipliers=0, block_rams=2, single_port_rams=0)}
FOLDING = ("pi", "po", "px")
LABELS = {"luts": "LUTs", "multipliers": "multipliers", "block_rams": "block RAMs",
          "single_port_rams": "single-port RAMs"}


def check(board, options, figures):
    """Refuse an engine that does not fit.

    Parameters
    ----------
    board : Board
    options : Options
    figures : DeviceFigures
        Of the engine.

    Raises
    ------
    ValueError
        With what is short, and the slightest change of the options that would fit.
    """
    missing = _missing(board, figures)
    if not missing:
        return
    lack = ", ".join(f"{LABELS[name]} ({count:,})" for name, count in missing.items())
    rule = f"engine must fit {board.title} beside the link, which lacks {lack}"
    for change in _smaller(options):
        try:
            smaller = device_figures(make_program(options.model_copy(update=change)),
                                     board.target)
        except ValueError:      # not a layer: the channels do not allow this folding
            continue
        if not _missing(board, smaller):
            flags = " ".join(_flag(name, value) for name, value in change.items()
                             if value != getattr(options, name))
            raise ValueError(f"{rule}: {flags} fits")
    raise ValueError(f"{rule}: no folding fits, a smaller layer is needed")


def _missing(board, figures):
    """{resource: how many the board lacks}."""
    capacity, link = board.capacity, LINK[board.target]
    lack = {name: getattr(figures, name) + getattr(link, name) - getattr(capacity, name)
            for name in LABELS}
    return {name: count for name, count in lack.items() if count > 0}


def _smaller(options):
    """Changes that make an engine smaller, the slightest first: {option: value}."""
    foldings = sorted(product(*(_halves(getattr(options, name)) for name in FOLDING)),
                      key=prod, reverse=True)
    serial = {"serial_requant": True}
    for extra in ({}, serial, {**serial, "lut_products": True, "pack": False}):
        for folding in foldings:
            yield {**dict(zip(FOLDING, folding)), **extra}
    for width in _halves(options.width)[1:]:
        yield {**dict.fromkeys(FOLDING, 1), "width": width}


def _halves(number):
    """The number, and what is left of it by halving, down to 1."""
    return [number >> n for n in range(number.bit_length())]


def _flag(name, value):
    """An option as on the command line."""
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    return f"--{option} {value}"
