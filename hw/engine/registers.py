"""AXI4-Lite registers: identity, frame size, status with sticky error bits, counters."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .ingest import ERRORS, Geometry

__all__ = ["Registers", "AxiLite", "REGISTERS", "STATUS_ERRORS"]

IDENTITY = 0x504C5950  # "PYLP", little endian
ADDRESS_BITS = 6
REGISTERS = {  # name: (address, access, meaning)
    "identity": (0x00, "ro", "0x504C5950"),
    "version": (0x04, "ro", "major << 16 | minor << 8 | patch"),
    "digest": (0x08, "ro", "first 32 bits of the manifest's digest"),
    "status": (0x0C, "rw1c", "bit 0 idle, 1 configured, from 8 up sticky errors (1 clears)"),
    "height": (0x10, "rw", "rows of the next input frame"),
    "width": (0x14, "rw", "columns of the next input frame"),
    "out_height": (0x18, "ro", "rows of the output frame"),
    "out_width": (0x1C, "ro", "columns of the output frame"),
    "frames": (0x20, "ro", "frames put out since reset"),
    "cycles": (0x24, "ro", ("cycles of the last frame: to its last output beat, from that of the "
                            "frame before or, after idling, from its first input beat")),
    "clock": (0x28, "ro", "cycles since reset, modulo 2**32"),
}
STATUS_ERRORS = (*ERRORS, "weights_length", "geometry")
FIRST_ERROR = 8


def AxiLite():
    """AXI4-Lite, without protection bits, as the master drives it."""
    return wiring.Signature({
        "awaddr": Out(ADDRESS_BITS), "awvalid": Out(1), "awready": In(1),
        "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
        "bresp": In(2), "bvalid": In(1), "bready": Out(1),
        "araddr": Out(ADDRESS_BITS), "arvalid": Out(1), "arready": In(1),
        "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
    })


class Registers(wiring.Component):
    """The register file of `REGISTERS`.

    A frame takes the size that the registers hold as its first beat is consumed. A size outside
    what the engine was generated for is refused: the register keeps its value and the `geometry`
    error bit is set. Writes are whole words; one access at a time, 2 cycles each.

    Parameters
    ----------
    program : Program
    version : tuple of int
    digest : int
        What the `digest` register reads as.

    Members
    -------
    bus
        AXI4-Lite.
    geometry
        For `Ingest`.
    configured, bank
        From `Stores`.
    errors
        One bit for each of `STATUS_ERRORS`, each high for a cycle.
    first, last
        High in the cycles in which a frame's first input beat is consumed, and its last output
        beat is taken.
    """

    def __init__(self, program, *, version, digest):
        self._program, self._version, self._digest = program, version, digest
        super().__init__({
            "bus": In(AxiLite()), "geometry": Out(Geometry(program)),
            "configured": In(1), "bank": In(1),
            "errors": In(data.StructLayout({name: 1 for name in STATUS_ERRORS})),
            "first": In(1), "last": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        program = self._program
        clock, cycles, elapsed, frames = (Signal(32, name=n) for n in (
            "clock", "cycles", "elapsed", "frames"))
        pending = Signal(8)
        m.d.sync += [clock.eq(clock + 1), pending.eq(pending + self.first - self.last)]
        with m.If(self.last):
            m.d.sync += [frames.eq(frames + 1), cycles.eq(elapsed + 1), elapsed.eq(0)]
        with m.Elif(self.first | (pending != 0)):
            m.d.sync += elapsed.eq(elapsed + 1)

        sizes, outputs, writes = [], [], {}
        for axis, (name, most) in enumerate((("height", program.height),
                                             ("width", program.width))):
            size, write = Signal(range(most + 1), init=most, name=name), Signal(name=f"set_{name}")
            scale = program.phases[axis]
            largest = program.layer.output_length(axis, most)
            output = Signal(range(largest + 1), init=largest, name=f"out_{name}")
            wanted = self.bus.wdata
            refused = (wanted < program.smallest(axis)) | (wanted > most)
            with m.If(write & ~refused):
                m.d.sync += [size.eq(wanted), output.eq(wanted[:len(size)] * scale
                                                        + largest - most * scale)]
            writes[name] = write, refused
            sizes.append(size)
            outputs.append(output)
        m.d.comb += [
            self.geometry.last_row.eq(sizes[0] - 1), self.geometry.last_column.eq(sizes[1] - 1),
            self.geometry.out_height.eq(outputs[0]), self.geometry.out_width.eq(outputs[1]),
            self.geometry.configured.eq(self.configured), self.geometry.bank.eq(self.bank),
        ]
        errors, clear = Signal(len(STATUS_ERRORS)), Signal(len(STATUS_ERRORS))
        raised = Signal.like(self.errors)
        m.d.comb += [raised.eq(self.errors), raised.geometry.eq(
            (writes["height"][0] & writes["height"][1])
            | (writes["width"][0] & writes["width"][1]))]
        m.d.sync += errors.eq((errors & ~clear) | raised.as_value())
        major, minor, patch = self._version
        status = Cat(pending == 0, self.configured, Signal(FIRST_ERROR - 2, name="reserved"),
                     errors)
        self._bus(m, {
            "identity": IDENTITY, "version": major << 16 | minor << 8 | patch,
            "digest": self._digest, "status": status, "height": sizes[0], "width": sizes[1],
            "out_height": outputs[0], "out_width": outputs[1], "frames": frames,
            "cycles": cycles, "clock": clock,
        }, {"status": clear, "height": writes["height"][0], "width": writes["width"][0]})
        return m

    def _bus(self, m, values, writes):
        """Answer the bus: `values` to read, strobes (or bits to clear) for what is written."""
        bus, okay, refused = self.bus, 0b00, 0b10
        write = Signal()
        m.d.comb += [write.eq(bus.awvalid & bus.wvalid & ~bus.bvalid), bus.awready.eq(write),
                     bus.wready.eq(write), bus.arready.eq(~bus.rvalid)]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(write):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(refused)]
            with m.If(bus.wstrb == 0b1111), m.Switch(bus.awaddr):
                for name, target in writes.items():
                    with m.Case(REGISTERS[name][0]):
                        m.d.sync += bus.bresp.eq(okay)
                        m.d.comb += target.eq(bus.wdata[FIRST_ERROR:] if len(target) > 1 else 1)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [bus.rvalid.eq(1), bus.rresp.eq(refused), bus.rdata.eq(0)]
            with m.Switch(bus.araddr):
                for name, value in values.items():
                    with m.Case(REGISTERS[name][0]):
                        m.d.sync += [bus.rresp.eq(okay), bus.rdata.eq(value)]
