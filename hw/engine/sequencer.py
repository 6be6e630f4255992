"""Walks the program of a layer over each frame: one MAC step each cycle."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from .addresses import Addresses
from .delay import delay
from .groups import GroupWalker
from .issue_gate import IssueGate
from .issuer import Issuer
from .layouts import Layouts
from .lines import LineWalker
from .look_ahead import LookAhead
from .skid import SkidBuffer
from .tap_walker import TapWalker

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Lines, groups, taps; then addresses, and look-ahead where it is wanted.

    Each stage runs ahead of the next as far as its registers and queues hold, so that a step is
    issued in every cycle in which input, output queue and requantiser allow one; `docs/timing.md`
    has the exact cycles. A step that is issued never waits: its addresses are there `latency`
    cycles later.

    Parameters
    ----------
    program : Program
    credits : int
        Places in the output queue.

    Members
    -------
    i_frame, written
        Frames, and how many rows of input there are, as `Ingest` tells them.
    departure
        An output beat has been taken.
    o, o_valid
        The step whose addresses are there.
    release, release_en
        What the group hands back whose last step this is.
    flag_read, flag_data
        As in `LookAhead`.
    """

    def __init__(self, program, *, credits):
        self._program, self._credits = program, credits
        self._layouts = layouts = Layouts(program)
        px = program.folding.px
        super().__init__({
            "i_frame": In(stream.Signature(layouts.frame, always_ready=True)),
            "written": In(layouts.row_number), "departure": In(1),
            "o": Out(layouts.step), "o_valid": Out(1),
            "release": Out(layouts.release), "release_en": Out(1),
            "flag_read": Out(data.ArrayLayout(layouts.flag_line_address, px)),
            "flag_data": In(data.ArrayLayout(program.flag_bits, px)),
        })

    @staticmethod
    def latency(program):
        """Cycles from the issue of a step to its addresses."""
        return Issuer.LATENCY if program.looks_ahead else Addresses.latency(program)

    def elaborate(self, platform):
        m = Module()
        program = self._program
        m.submodules.frames = frames = SkidBuffer(self._layouts.frame)  # as many as may be here
        m.submodules.lines = lines = LineWalker(program)
        m.submodules.groups = groups = GroupWalker(program)
        m.submodules.skid = skid = SkidBuffer(self._layouts.group)
        m.submodules.taps = taps = TapWalker(program)
        m.submodules.addresses = addresses = Addresses(program)
        m.submodules.gate = gate = IssueGate(program, credits=self._credits)
        m.d.comb += [
            frames.i.valid.eq(self.i_frame.valid), frames.i.payload.eq(self.i_frame.payload),
            lines.written.eq(self.written), gate.departure.eq(self.departure),
        ]
        connect(m, frames.o, lines.i)
        connect(m, lines.o, groups.i)
        connect(m, groups.o, skid.i)
        connect(m, skid.o, taps.i)
        m.d.comb += [addresses.i.eq(taps.o), addresses.i_valid.eq(taps.go)]
        issued = self._look_ahead(m, taps, addresses, gate) if program.looks_ahead else \
            self._issue_visits(m, taps, addresses, gate)
        latency = self.latency(program)
        m.d.comb += [
            self.o_valid.eq(delay(m, gate.go, latency, name="go")),
            self.release.eq(delay(m, issued, latency, name="release")),
            self.release_en.eq(delay(m, gate.go & gate.last, latency, name="release_en")),
        ]
        return m

    def _issue_visits(self, m, taps, addresses, gate):
        """Every visit is a step. Returns what the next step hands back."""
        latency, step = self.latency(self._program), taps.o
        m.d.comb += [
            gate.needs_credit.eq(step.needs_credit), gate.last.eq(step.last),
            gate.go.eq(taps.o_valid & gate.may), taps.go.eq(gate.go),
            self.o.lines.eq(addresses.o.lines), self.o.weight.eq(addresses.o.weight),
            self.o.mac.rotate.eq(addresses.o.rotate), self.o.mac.lanes.eq(addresses.o.lanes),
            *[self.o.mac[name].eq(delay(m, step[name], latency, name=name))
              for name in ("tag", "first", "last")],
        ]
        return step.release

    def _look_ahead(self, m, taps, addresses, gate):
        """The issuer takes what the look-ahead leaves. Returns what the next step hands back."""
        m.submodules.look_ahead = look_ahead = LookAhead(self._program)
        m.submodules.issuer = issuer = Issuer(self._program)
        connect(m, look_ahead.o, issuer.i)
        m.d.comb += [
            taps.go.eq(taps.o_valid & look_ahead.room),
            look_ahead.i.eq(taps.o), look_ahead.i_valid.eq(taps.go),
            look_ahead.place.eq(addresses.o),
            self.flag_read.eq(look_ahead.flag_read), look_ahead.flag_data.eq(self.flag_data),
            gate.needs_credit.eq(issuer.first & issuer.tag.beat), gate.last.eq(issuer.last),
            gate.go.eq(issuer.valid & gate.may), issuer.go.eq(gate.go), self.o.eq(issuer.o),
        ]
        return issuer.release
