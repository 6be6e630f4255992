"""Accesses to the engine's registers."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.engine.registers import ADDRESS_BITS, AxiLite

__all__ = ["Access", "Answer", "BusMaster"]

Access = data.StructLayout({"address": ADDRESS_BITS, "write": 1, "data": 32})
Answer = data.StructLayout({"data": 32, "refused": 1})


class BusMaster(wiring.Component):
    """One access after the other, each answered.

    Members
    -------
    i
        Accesses.
    o
        Their answers; `data` of a write is 0.
    bus
        AXI4-Lite.
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(Access)), "o": Out(stream.Signature(Answer)),
                          "bus": Out(AxiLite())})

    def elaborate(self, platform):
        m = Module()
        bus, access = self.bus, self.i.payload
        addressed, filled = Signal(), Signal()
        m.d.comb += [bus.awaddr.eq(access.address), bus.araddr.eq(access.address),
                     bus.wdata.eq(access.data), bus.wstrb.eq(-1),
                     bus.awvalid.eq(self.i.valid & access.write & ~addressed),
                     bus.wvalid.eq(self.i.valid & access.write & ~filled),
                     bus.arvalid.eq(self.i.valid & ~access.write & ~addressed)]
        with m.If((bus.awvalid & bus.awready) | (bus.arvalid & bus.arready)):
            m.d.sync += addressed.eq(1)
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += filled.eq(1)
        m.d.comb += [self.o.valid.eq(bus.bvalid | bus.rvalid),
                     bus.bready.eq(self.o.ready), bus.rready.eq(self.o.ready),
                     self.i.ready.eq(self.o.valid & self.o.ready)]
        with m.If(access.write):
            m.d.comb += self.o.p.refused.eq(bus.bresp != 0)
        with m.Else():
            m.d.comb += [self.o.p.refused.eq(bus.rresp != 0), self.o.p.data.eq(bus.rdata)]
        with m.If(self.i.ready):
            m.d.sync += [addressed.eq(0), filled.eq(0)]
        return m
