"""The top of a bitstream: the clocks, the link and the engine."""

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, ResetSignal
from amaranth.lib import io

from .clocks import Clocks
from .link.link import Link
from .link.uart import divisor

__all__ = ["BoardTop"]

RING_BYTES = {"ecp5": 2048, "ice40": 512}   # what one block RAM holds


class BoardTop(Elaboratable):
    """An engine on a board, behind its serial line.

    Parameters
    ----------
    board : Board
    manifest : Manifest
        Of the engine.
    verilog : str
        The engine as `hw.gen` writes it.
    plan : Plan
        Of the PLL.
    baud : int
        Of the line.

    Raises
    ------
    ValueError
        If the board's clock can't make that rate.
    """

    def __init__(self, board, manifest, verilog, plan, baud):
        self._board, self._manifest, self._verilog, self._plan = board, manifest, verilog, plan
        weights = manifest.weights
        self._link = Link(
            pixel_bytes=manifest.input.bits // 8, result_bytes=manifest.output.bits // 8,
            weight_bytes=weights.bits // 8 if weights else 0,
            divisor=divisor(board.reference, baud), depth=RING_BYTES[board.target])

    def elaborate(self, platform):
        m = Module()
        # the link needs no reset: as its registers begin, it waits for a request
        m.domains += [ClockDomain("sync", reset_less=True), ClockDomain("engine")]
        link, name = self._link, self._manifest.name
        m.submodules.clocks = clocks = Clocks(self._board, self._plan)
        m.submodules.link = link
        uart = self._board.uart(platform)
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [link.rx.eq(rx.i), tx.o.eq(link.tx), clocks.reset.eq(link.reset),
                     link.lost.eq(clocks.lost)]
        platform.add_file(f"{name}.v", self._verilog)
        m.submodules.engine = Instance(name, **self._ports())
        return m

    def _ports(self):
        """The engine's ports."""
        link = self._link
        ports = {"i_aclk": ClockSignal("engine"), "i_aresetn": ~ResetSignal("engine")}
        inputs = {"s_axis": link.pixels}
        if self._manifest.weights:
            inputs["s_axis_weights"] = link.weights
        for name, stream in inputs.items():
            ports |= {f"i_{name}_tvalid": stream.valid, f"o_{name}_tready": stream.ready,
                      f"i_{name}_tdata": stream.p.data, f"i_{name}_tlast": stream.p.last}
        ports |= {"i_s_axis_tuser": link.pixels.p.first, "i_m_axis_tready": link.results.ready,
                  "o_m_axis_tvalid": link.results.valid, "o_m_axis_tdata": link.results.payload}
        for name, member in link.bus.signature.members.items():
            flow = "i" if member.flow.name == "Out" else "o"
            ports[f"{flow}_s_axi_{name}"] = getattr(link.bus, name)
        return ports
