"""Walks the program of a layer over each frame: one MAC step each cycle."""

from amaranth.hdl import Module
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from .address_stage import AddressStage
from .ingest import FRAMES
from .issuer import Issuer
from .layouts import Layouts
from .look_ahead import LookAhead
from .raster import Raster
from .tap_walker import TapWalker

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Raster walk, taps, addresses, look-ahead (where it is wanted), issue.

    Each stage runs ahead of the next as far as its registers hold, so that a step is issued in
    every cycle in which input, output queue and requantiser allow one; `docs/timing.md` has the
    exact cycles.

    Parameters
    ----------
    program : Program
    credits : int
        Places in the output queue.

    Members
    -------
    i_frame, row
        Frames, and completed rows of input, as `Ingest` tells them.
    departure
        An output beat has been taken.
    o, o_valid, release, release_en
        As in `Issuer`.
    flag_read, flag_data
        As in `LookAhead`.
    """

    def __init__(self, program, *, credits):
        self._program, self._credits = program, credits
        self._layouts = layouts = Layouts(program)
        px = program.folding.px
        super().__init__({
            "i_frame": In(stream.Signature(layouts.frame, always_ready=True)), "row": In(1),
            "departure": In(1), "o": Out(layouts.step), "o_valid": Out(1),
            "release": Out(layouts.release), "release_en": Out(1),
            "flag_read": Out(data.ArrayLayout(layouts.flag_line_address, px)),
            "flag_data": In(data.ArrayLayout(program.flag_bits, px)),
        })

    def elaborate(self, platform):
        m = Module()
        frame = self._layouts.frame
        m.submodules.frames = frames = fifo.SyncFIFO(width=frame.size, depth=FRAMES)
        m.submodules.raster = raster = Raster(self._program)
        m.submodules.tap_walker = tap_walker = TapWalker(self._program)
        m.submodules.address_stage = address_stage = AddressStage(self._program)
        m.submodules.issuer = issuer = Issuer(self._program, credits=self._credits)
        m.d.comb += [
            frames.w_en.eq(self.i_frame.valid), frames.w_data.eq(self.i_frame.payload),
            raster.i.valid.eq(frames.r_rdy), raster.i.payload.eq(frame(frames.r_data)),
            frames.r_en.eq(raster.i.ready),
            address_stage.row.eq(self.row), issuer.departure.eq(self.departure),
            self.o.eq(issuer.o), self.o_valid.eq(issuer.o_valid),
            self.release.eq(issuer.release), self.release_en.eq(issuer.release_en),
        ]
        connect(m, raster.o, tap_walker.i)
        connect(m, tap_walker.o, address_stage.i)
        if self._program.looks_ahead:
            m.submodules.look_ahead = look_ahead = LookAhead(self._program)
            connect(m, address_stage.o, look_ahead.i)
            connect(m, look_ahead.o, issuer.i)
            m.d.comb += [self.flag_read.eq(look_ahead.flag_read),
                         look_ahead.flag_data.eq(self.flag_data)]
        else:
            visit, work = address_stage.o, issuer.i
            m.d.comb += [work.valid.eq(visit.valid), visit.ready.eq(work.ready)]
            m.d.comb += [work.payload[name].eq(visit.payload[name])
                         for name in self._layouts.work.members]
        return m
