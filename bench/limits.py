"""The limits that devices set themselves: bare primitives between registers, routed alone."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import Cat, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.engine.mac_array import MacArray
from hw.primitives.devices import DEVICES as FAMILIES
from hw.primitives.memory import BlockMemory
from hw.primitives.pipeline import delayed

from .devices import route

__all__ = ["Bundle", "limit"]

ACTIVATION, WEIGHT = 9, 8   # bits, of uint8 with any zero point
MEMORIES = 8
BLOCKS = {"ecp5": (36, 512), "ice40": (16, 256)}    # bits and words of a block RAM
AIM = 300   # MHz


class Bundle(wiring.Component):
    """Primitives side by side, with a register before and after each of their ports.

    Parameters
    ----------
    primitives : list of wiring.Component

    Members
    -------
    i, o
        All their inputs, all their outputs.
    """

    def __init__(self, primitives):
        self._primitives = primitives
        super().__init__({"i": In(len(self._ports(In))), "o": Out(len(self._ports(Out)))})

    def _ports(self, flow):
        return Cat(getattr(primitive, name) for primitive in self._primitives
                   for name, member in primitive.signature.members.items() if member.flow is flow)

    def elaborate(self, platform):
        m = Module()
        m.submodules += self._primitives
        m.d.comb += [self._ports(In).eq(delayed(m, self.i, "before")),
                     self.o.eq(delayed(m, self._ports(Out), "after"))]
        return m


def limit(device, engine, count, *, seeds, tell=lambda text: None):
    """Clock of an engine's multipliers, or of block memories, whichever is slower, in MHz.

    Parameters
    ----------
    device : bench.devices.Device
    engine : hw.manifest.EngineInfo
    count : int
        How many multipliers are in use.
    seeds, tell
        As in `route`; only the first seed is used.
    """
    kind, operands = MacArray.multiplier(engine), (signed(ACTIVATION), signed(WEIGHT))
    if engine.pack:
        operands = ACTIVATION, WEIGHT
    tell(f"limit of {count} multipliers")
    multipliers = _clock(device, kind, operands, count, seeds[:1])
    tell(f"limit of {MEMORIES} block memories")
    return min(multipliers, _clock(device, _memory, BLOCKS[device.target], MEMORIES, seeds[:1]))


def _memory(width, depth):
    return BlockMemory(width=width, depth=depth)


@cache
def _clock(device, kind, parameters, count, seeds):
    """Clock of a bundle of primitives of one kind."""
    bundle = Bundle([kind(*parameters) for _ in range(count)])
    text = verilog.convert(bundle, name="bundle", emit_src=False, strip_internal_attrs=True,
                           platform=FAMILIES[device.target])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bundle.v").write_text(text)
        # no wires are routed again for a clock that is out of reach
        routed = route(replace(device, router=()), folder, "bundle.v", "bundle", aim=AIM,
                       seeds=seeds)
    return routed.clocks[0]
