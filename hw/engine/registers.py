"""AXI4-Lite registers: identity, frame size, status with sticky error bits, counters."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .ingest import ERRORS, Geometry
from .layouts import up_to
from .lookup import pick

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
    error bit is set. Writes are whole words; one access at a time.

    Parameters
    ----------
    program : Program or ChainProgram
        A size that is written is that of the first stage's frames, one that is read of the last
        one's output.
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
        self._first = program.stages[0]
        super().__init__({
            "bus": In(AxiLite()), "geometry": Out(Geometry(self._first)),
            "configured": In(1), "bank": In(1),
            "errors": In(data.StructLayout({name: 1 for name in STATUS_ERRORS})),
            "first": In(1), "last": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        idle, frames, cycles, clock = self._counters(m)
        sizes, outputs, clear, refused = self._writes(m)
        m.d.comb += [self.geometry.configured.eq(self.configured),
                     self.geometry.bank.eq(self.bank)]
        errors = Signal(len(STATUS_ERRORS))
        raised = Signal.like(self.errors)
        m.d.comb += [raised.eq(self.errors), raised.geometry.eq(refused)]
        m.d.sync += errors.eq((errors & ~clear) | raised.as_value())
        major, minor, patch = self._version
        most = self._program.height, self._program.width
        added = [whole - first for whole, first in zip(  # by the stages behind the first one
            self._program.layer.output_size(*most), self._first.layer.output_size(*most))]
        status = Cat(idle, self.configured, Signal(FIRST_ERROR - 2, name="reserved"), errors)
        self._reads(m, {
            "identity": IDENTITY, "version": major << 16 | minor << 8 | patch,
            "digest": self._digest, "status": status, "height": sizes[0], "width": sizes[1],
            "out_height": outputs[0] + added[0], "out_width": outputs[1] + added[1],
            "frames": frames, "cycles": cycles, "clock": clock,
        })
        return m

    def _counters(self, m):
        """(idle, frames, cycles of the last frame, clock)."""
        clock, cycles, frames = (Signal(32, name=n) for n in ("clock", "cycles", "frames"))
        elapsed = Signal(32, init=1)                # with the cycle that goes on
        most = 255 * len(self._program.stages)
        pending = Signal(range(-1, most), init=-1)  # frames, less 1: the sign tells of none
        begun, done = Signal(name="begun"), Signal(name="done")
        m.d.sync += [clock.eq(clock + 1), begun.eq(self.first), done.eq(self.last)]
        with m.If(begun ^ done):
            m.d.sync += pending.eq(pending + Mux(done, -1, 1))
        with m.If(done):
            m.d.sync += [frames.eq(frames + 1), cycles.eq(elapsed), elapsed.eq(1)]
        with m.Elif(begun | ~pending[-1]):
            m.d.sync += elapsed.eq(elapsed + 1)
        return pending[-1], frames, cycles, clock

    def _writes(self, m):
        """(sizes, output sizes, error bits to clear, whether a size is refused).

        The output size is added up in a cycle for each phase or, with a stride, for each output;
        both take effect together.
        """
        bus, program, okay, no = self.bus, self._first, 0b00, 0b10
        names, most = ("height", "width"), (program.height, program.width)
        largest = [program.layer.output_length(n, most[n]) for n in range(2)]
        sizes = [Signal(range(most[n] + 1), init=most[n], name=names[n]) for n in range(2)]
        last = [Signal.like(sizes[n], init=most[n] - 1, name=f"last_{names[n]}") for n in range(2)]
        outputs = [Signal(range(largest[n] + 1), init=largest[n], name=f"out_{names[n]}")
                   for n in range(2)]
        word = Signal.like(bus.wdata, name="word")
        clears, resizes, axis, huge = (Signal(name=name) for name in (
            "clears", "resizes", "axis", "huge"))
        outside = Signal(2)
        refused = Signal()
        turns = Signal(up_to(max(program.phases) - 1))
        strided = [n for n in range(2) if program.bank.step[n] > 1]
        # of the input, before an output of a convolution with a stride
        left = Signal(range(-max(program.bank.step), 1 + max(
            (program.layer.filtered_length(n, most[n]) for n in strided), default=0)))
        clear = Signal(len(STATUS_ERRORS))
        number = word[:max(map(len, sizes)) + 1]    # a bit more, so that no comparison is constant
        total = Signal(max(map(len, outputs)))
        before = Signal.like(number, name="before")
        m.d.comb += [self.geometry.last_row.eq(last[0]), self.geometry.last_column.eq(last[1]),
                     self.geometry.out_height.eq(outputs[0]),
                     self.geometry.out_width.eq(outputs[1])]
        low, high = ([number < self._program.smallest(n) for n in range(2)],
                     [number > most[n] for n in range(2)])
        m.d.sync += [huge.eq(word[len(number):].any()), before.eq(number - 1),
                     outside.eq(Cat(Mux(axis, low[1], low[0]), Mux(axis, high[1], high[0])))]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                write = bus.awvalid & bus.wvalid & ~bus.bvalid
                whole = bus.wstrb == 0b1111
                here = {name: bus.awaddr == REGISTERS[name][0] for name in ("status", *names)}
                m.d.comb += [bus.awready.eq(write), bus.wready.eq(write)]
                m.d.sync += [word.eq(bus.wdata), clears.eq(whole & here["status"]),
                             resizes.eq(whole & (here["height"] | here["width"])),
                             axis.eq(here["width"])]
                with m.If(write):
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.d.sync += [bus.bresp.eq(Mux(clears | resizes, okay, no)),
                             bus.bvalid.eq(~resizes)]
                m.next = "IDLE"
                with m.If(clears):
                    m.d.comb += clear.eq(word[FIRST_ERROR:])
                with m.If(resizes):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += refused.eq(huge | outside.any())
                m.d.sync += [turns.eq(Mux(axis, program.phases[1] - 1, program.phases[0] - 1)),
                             total.eq(Mux(axis, *(largest[n] - most[n] * program.phases[n]
                                                  for n in (1, 0)))),
                             bus.bvalid.eq(refused)]
                m.next = "SCALE"
                for n in strided:
                    with m.If(axis == n):
                        m.d.sync += [left.eq(number + program.layer.filtered_length(n, 0) - 1),
                                     total.eq(0)]
                        m.next = "DIVIDE"
                with m.If(refused):
                    m.next = "IDLE"
            with m.State("SCALE"):
                m.d.sync += [total.eq(total + number), turns.eq(turns - 1)]
                with m.If(turns == 0):
                    m.next = "TAKE"
            if strided:     # an output for each time that the stride fits into what is left
                step = Mux(axis, *reversed(program.bank.step))
                with m.State("DIVIDE"):
                    m.d.sync += [left.eq(left - step), total.eq(total + 1)]
                    with m.If(left < step):
                        m.next = "TAKE"
            with m.State("TAKE"):
                for n in range(2):
                    with m.If(axis == n):
                        m.d.sync += [sizes[n].eq(number), last[n].eq(before),
                                     outputs[n].eq(total)]
                m.d.sync += bus.bvalid.eq(1)
                m.next = "IDLE"
        return sizes, outputs, clear, refused

    def _reads(self, m, values):
        """Answer reads: a first cycle chooses one of each four registers, a second one of those."""
        bus, okay, refused = self.bus, 0b00, 0b10
        reading = Signal(name="reading")
        known = Signal(name="known")
        quarter = Signal(2)
        quarters = [Signal(32, name=f"registers_{n}") for n in range(4)]
        m.d.comb += bus.arready.eq(~bus.rvalid & ~reading)
        m.d.sync += [reading.eq(bus.arvalid & bus.arready), quarter.eq(bus.araddr[4:]),
                     known.eq(Cat(bus.araddr == REGISTERS[name][0] for name in values).any())]
        by_address = {REGISTERS[name][0]: value for name, value in values.items()}
        for n, chosen in enumerate(quarters):
            m.d.sync += chosen.eq(pick([Value.cast(by_address.get(16 * n + 4 * k, 0))
                                        for k in range(4)], bus.araddr[2:4]))
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(reading):
            m.d.sync += [bus.rvalid.eq(1), bus.rresp.eq(Mux(known, okay, refused)),
                         bus.rdata.eq(Mux(known, pick(quarters, quarter), 0))]
