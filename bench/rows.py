"""One row of the benchmark, what it must reach, and the table and the file of all rows."""

import json
from dataclasses import asdict, dataclass, field

from rich.box import SIMPLE_HEAD
from rich.table import Table

__all__ = ["Row", "missed", "summary", "table", "to_json"]

STEADY = 0.97           # useful MACs per multiplier and cycle of every layer, frames back to back
SWEEP_MEAN, SWEEP_LEAST = 0.97, 0.94
NAIVE = {2: 3.8, 3: 8.5}  # times the cycles that the naive engine takes at least, by stride
ZEROS = 1.08            # times density and dense cycles that skipping takes at most
PRUNED = 0.52           # of the dense cycles, with half of the weight steps zero


@dataclass(frozen=True, kw_only=True)
class Row:
    """Cycles of one layer on one engine.

    Attributes
    ----------
    kind : str
        "layer", "sweep", "zeros" (zero activations are skipped) or "pruned" (zero weights are).
    density : float
        Part of the activations ("zeros") or of the weight steps ("pruned") that is not zero.
    cycles : int
        From one frame to the next, frames back to back.
    frame_cycles : int
        One frame alone: first input beat accepted to last output beat emitted, both included.
    counted : str
        Where they come from: "Verilog" or "timing model".
    useful_macs : int
        Multiplications of one frame, without inserted zeros, taps outside the frame and what
        `density` leaves out.
    naive_cycles, naive_counted
        Of the engine that is fed with the inserted zeros, on its "Verilog" or by "closed form".
    dense_cycles : int, optional
        With density 1.
    peers : dict of str to int
        Cycles of other accelerators with as many multipliers.
    """

    name: str
    layer: str
    kind: str = "layer"
    stride: int
    multipliers: int
    folding: tuple
    density: float = 1.0
    cycles: int
    frame_cycles: int
    counted: str = "Verilog"
    useful_macs: int
    naive_cycles: int | None = None
    naive_counted: str | None = None
    dense_cycles: int | None = None
    peers: dict = field(default_factory=dict)

    @property
    def ideal_cycles(self):
        """Useful MACs over multipliers, rounded up."""
        return -(-self.useful_macs // self.multipliers)

    @property
    def steady_utilisation(self):
        return self.useful_macs / (self.multipliers * self.cycles)

    @property
    def frame_utilisation(self):
        return self.useful_macs / (self.multipliers * self.frame_cycles)

    @property
    def ratio(self):
        """Cycles over density and dense cycles, or None."""
        return self.dense_cycles and self.cycles / (self.density * self.dense_cycles)


DERIVED = ("ideal_cycles", "steady_utilisation", "frame_utilisation", "ratio")


def to_json(rows):
    """All rows as JSON text."""
    return json.dumps([asdict(row) | {name: getattr(row, name) for name in DERIVED}
                       for row in rows], indent=1) + "\n"


def missed(rows):
    """A line for each target that is not reached."""
    lines = []

    def want(holds, row, text):
        if not holds:
            lines.append(f"{row.name if row else 'sweep'}: {text}")

    for row in rows:
        if row.kind == "layer":
            want(row.steady_utilisation >= STEADY, row,
                 f"utilisation must be at least {STEADY}, not {row.steady_utilisation:.4f}")
        for name, cycles in row.peers.items():
            want(row.cycles < cycles, row,
                 f"cycles must be below those of {name} ({cycles:,}), not {row.cycles:,}")
        if row.kind == "layer" and row.naive_cycles and row.stride in NAIVE:
            want(row.naive_cycles >= NAIVE[row.stride] * row.cycles, row,
                 f"the naive engine must take {NAIVE[row.stride]} times the cycles, "
                 f"not {row.naive_cycles / row.cycles:.2f}")
        if row.kind == "zeros":
            want(row.ratio <= ZEROS, row, f"cycles over density and dense cycles must be at most "
                                          f"{ZEROS}, not {row.ratio:.3f}")
        if row.kind == "pruned":
            want(row.cycles <= PRUNED * row.dense_cycles, row,
                 f"cycles must be at most {PRUNED} of the dense ones, "
                 f"not {row.cycles / row.dense_cycles:.3f}")
    if swept := [row.steady_utilisation for row in rows if row.kind == "sweep"]:
        mean = sum(swept) / len(swept)
        want(mean >= SWEEP_MEAN, None, f"mean must be at least {SWEEP_MEAN}, not {mean:.4f}")
        want(min(swept) >= SWEEP_LEAST, None,
             f"least must be at least {SWEEP_LEAST}, not {min(swept):.4f}")
    return lines


def table(rows):
    """All rows but those of the sweep, which `summary` counts together."""
    shown = Table(title="cycles of a frame", box=SIMPLE_HEAD, caption_justify="left",
                  caption="* closed form; everything else is counted on the Verilog")
    for heading in ("", "layer"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("multi-\npliers", "cycles", "ideal", "steady", "one\nframe", "naive",
                    "best peer", "its\ncycles"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if row.kind == "sweep":
            continue
        peer = min(row.peers, key=row.peers.get, default="")
        mark = "*" if row.naive_counted == "closed form" else ""
        shown.add_row(
            row.name, row.layer, str(row.multipliers), f"{row.cycles:,}",
            f"{row.ideal_cycles:,}", f"{row.steady_utilisation:.4f}",
            f"{row.frame_utilisation:.4f}",
            f"{row.naive_cycles / row.cycles:.2f}x{mark}" if row.naive_cycles else "", peer,
            f"{row.peers[peer]:,}" if peer else "")
    return shown


def summary(rows):
    """Lines on the rows that are shown only together, and on those of skipped zeros."""
    lines = [f"{row.name}: cycles / (density x dense cycles) = {row.ratio:.4f}"
             for row in rows if row.ratio]
    if swept := [row for row in rows if row.kind == "sweep"]:
        for text, values in (("steady", [row.steady_utilisation for row in swept]),
                             ("one frame alone", [row.frame_utilisation for row in swept])):
            lines.append(f"sweep of {len(swept)} layers, {text}: mean "
                         f"{sum(values) / len(values):.4f}, least {min(values):.4f}")
        verilog = sum(row.counted == "Verilog" for row in swept)
        lines.append(f"sweep: {verilog} of them counted on the Verilog, the rest by the timing "
                     "model")
    return lines
