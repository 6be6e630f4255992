"""The engine with the port names that users know: AXI4-Stream and AXI4-Lite."""

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .engine.engine import Engine
from .engine.registers import ADDRESS_BITS

__all__ = ["Top"]


class Top(wiring.Component):
    """Flat ports: `aclk`, `aresetn`, `s_axis_*`, `m_axis_*`, `s_axis_weights_*`, `s_axi_*`.

    `tuser` is the start of a frame, `tlast` the end of a line (of the weights: their end).

    Parameters
    ----------
    program, version, digest
        As in `Engine`.
    """

    BUS_IN = {"awaddr": ADDRESS_BITS, "awvalid": 1, "wdata": 32, "wstrb": 4, "wvalid": 1,
              "bready": 1, "araddr": ADDRESS_BITS, "arvalid": 1, "rready": 1}
    BUS_OUT = {"awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": 32,
               "rresp": 2, "rvalid": 1}

    def __init__(self, program, *, version, digest):
        self._engine = Engine(program, version=version, digest=digest)
        self._loadable = program.loadable
        ports = {"aclk": In(1), "aresetn": In(1)}
        for name, flow, back, payload, user in (
                ("s_axis", In, Out, self._engine.i.payload, True),
                ("m_axis", Out, In, self._engine.o.payload, True),
                ("s_axis_weights", In, Out, self._engine.i_weights.payload, False)):
            if name == "s_axis_weights" and not program.loadable:
                continue
            ports |= {f"{name}_tdata": flow(len(payload.data)), f"{name}_tvalid": flow(1),
                      f"{name}_tready": back(1), f"{name}_tlast": flow(1)}
            ports |= {f"{name}_tuser": flow(1)} if user else {}
        ports |= {f"s_axi_{name}": In(width) for name, width in self.BUS_IN.items()}
        ports |= {f"s_axi_{name}": Out(width) for name, width in self.BUS_OUT.items()}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = domain = ClockDomain(local=True)
        m.submodules.engine = engine = self._engine
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        inputs = [("s_axis", engine.i, ("data", "last", "first"))]
        if self._loadable:
            inputs.append(("s_axis_weights", engine.i_weights, ("data", "last")))
        for name, stream, fields in inputs:
            m.d.comb += [stream.valid.eq(self._port(name, "tvalid")),
                         self._port(name, "tready").eq(stream.ready)]
            m.d.comb += [stream.payload[field].eq(self._port(name, AXIS_NAMES[field]))
                         for field in fields]
        m.d.comb += [self.m_axis_tvalid.eq(engine.o.valid), engine.o.ready.eq(self.m_axis_tready)]
        m.d.comb += [self._port("m_axis", port).eq(engine.o.payload[field])
                     for field, port in AXIS_NAMES.items()]
        m.d.comb += [getattr(engine.bus, name).eq(self._port("s_axi", name))
                     for name in self.BUS_IN]
        m.d.comb += [self._port("s_axi", name).eq(getattr(engine.bus, name))
                     for name in self.BUS_OUT]
        return m

    def _port(self, bus, name):
        return getattr(self, f"{bus}_{name}")


AXIS_NAMES = {"data": "tdata", "last": "tlast", "first": "tuser"}
