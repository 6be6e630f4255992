"""The board's end of the line: does what requests want, and replies."""

from amaranth.hdl import Cat, Const, DomainRenamer, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.engine.registers import ADDRESS_BITS, AxiLite

from .access import Access, Answer, BusMaster
from .beats import Beat, Packer, Unpacker
from .check import CRC
from .crossing import Crossing
from .protocol import ACCESS, ANSWERED, VALUE, VERSION, Kind, Status
from .receiver import Receiver
from .replier import Replier
from .rings import InputRing, OutputRing
from .uart import UartReceiver, UartTransmitter

__all__ = ["Link"]

RESET_CYCLES = 255      # enough for three cycles of an engine that is slower by far
PATIENCE = 4095         # cycles in which the engine's registers have to answer


class Link(wiring.Component):
    """Packets of `protocol` on one side, the engine on the other.

    The line is in the domain `sync`, and all that belongs to the engine in the domain `engine`.
    Nothing that comes over the line, nor an engine without a clock, makes it hang.

    Parameters
    ----------
    pixel_bytes, result_bytes, weight_bytes : int
        Bytes of a beat of each stream; 0 without a weight stream.
    divisor : int
        Cycles of a bit of the line.
    depth : int
        Bytes of each of the two ring buffers: a power of two.

    Members
    -------
    rx, tx
        The line.
    reset
        Resets the engine.
    lost
        The engine was reset by something else. Only `OPEN` goes on from there.
    pixels, weights, results, bus
        The engine's streams and registers.
    """

    def __init__(self, *, pixel_bytes, result_bytes, weight_bytes, divisor, depth):
        self._bytes = pixel_bytes, result_bytes, weight_bytes
        self._divisor, self._depth = divisor, depth
        super().__init__({
            "rx": In(1, init=1), "tx": Out(1, init=1), "reset": Out(1), "lost": In(1),
            "pixels": Out(stream.Signature(Beat(pixel_bytes))),
            "weights": Out(stream.Signature(Beat(weight_bytes))),
            "results": In(stream.Signature(8 * result_bytes)), "bus": Out(AxiLite())})
        self._busy = Signal(name="busy")    # with a request: what the line brings is ignored

    def elaborate(self, platform):
        m = Module()
        m.submodules.uart_receiver = uart_receiver = UartReceiver(self._divisor)
        m.submodules.uart_transmitter = uart_transmitter = UartTransmitter(self._divisor)
        m.submodules.receiver = receiver = Receiver(self._depth)
        m.submodules.replier = replier = Replier()
        inserted = ResetInserter(self.reset)
        m.submodules.input = input_ring = inserted(InputRing(self._depth))
        m.submodules.output = output_ring = inserted(OutputRing(self._depth))
        connect(m, replier.o, uart_transmitter.i)
        connect(m, output_ring.o, replier.i)
        m.d.comb += [
            uart_receiver.rx.eq(self.rx), self.tx.eq(uart_transmitter.tx),
            receiver.i_valid.eq(uart_receiver.o_valid & ~self._busy),
            receiver.i_data.eq(uart_receiver.o_data),
            receiver.error.eq(uart_receiver.error & ~self._busy),
            input_ring.i_valid.eq(receiver.payload_valid), input_ring.i_data.eq(receiver.payload)]
        m.submodules.crc = crc = CRC.create()
        for side, its_turn in ((receiver.check, ~self._busy), (replier.check, self._busy)):
            m.d.comb += [side.crc.eq(crc.crc), side.match.eq(crc.match_detected)]
            with m.If(its_turn):
                m.d.comb += [crc.start.eq(side.start), crc.valid.eq(side.valid),
                             crc.data.eq(side.data)]
        accesses, answers = self._streams(m, inserted, input_ring, output_ring)
        self._requests(m, receiver, replier, input_ring, output_ring, accesses, answers)
        return m

    def _streams(self, m, inserted, input_ring, output_ring):
        """Everything between the rings and the engine; returns its accesses and answers."""
        pixel_bytes, result_bytes, weight_bytes = self._bytes
        m.submodules.unpacker = unpacker = inserted(Unpacker(pixel_bytes, weight_bytes))
        m.submodules.packer = packer = inserted(Packer(result_bytes))
        m.submodules.master = master = DomainRenamer("engine")(BusMaster())
        connect(m, input_ring.o, unpacker.i)
        connect(m, packer.o, output_ring.i)
        connect(m, master.bus, flipped(self.bus))

        def cross(name, shape, **domain):
            crossing = Crossing(shape, **domain)
            m.submodules[name] = inserted(crossing)
            return crossing
        for name, size, source, sink in (
                ("pixels", pixel_bytes, unpacker.pixels, self.pixels),
                ("weights", weight_bytes, unpacker.weights, self.weights)):
            if not size:
                continue
            crossing = cross(name, source.payload.shape(), o_domain="engine")
            connect(m, source, crossing.i)
            connect(m, crossing.o, flipped(sink))
        results = cross("results", 8 * result_bytes, i_domain="engine")
        connect(m, flipped(self.results), results.i)
        connect(m, results.o, packer.i)
        accesses = cross("accesses", Access, o_domain="engine")
        answers = cross("answers", Answer, i_domain="engine")
        connect(m, accesses.o, master.i)
        connect(m, master.o, answers.i)
        return accesses.i, answers.o

    def _requests(self, m, receiver, replier, input_ring, output_ring, accesses, answers):
        """Do what a request wants, once, and reply."""
        asked = Cat(receiver.number, receiver.kind)
        done = Signal.like(asked)       # what was done last, to be told again
        opened, refusal, waited = Signal(), Signal(Status), Signal(range(PATIENCE + 1))
        status = Signal(Status)
        streams = (done[8:] == Kind.STREAM) & (refusal == Status.OK)
        self._header(m, receiver, replier.header, Mux(refusal == Status.OK, status, refusal))
        with m.If(streams):
            m.d.comb += replier.header.length.eq(output_ring.count)
        with m.Elif(refusal == Status.OK):
            m.d.comb += replier.header.length.eq(VALUE.size)
        m.d.comb += [
            replier.streams.eq(streams), replier.header.room.eq(input_ring.room),
            accesses.p.address.eq(receiver.address), accesses.p.data.eq(receiver.data),
            accesses.p.write.eq(receiver.kind == Kind.WRITE), input_ring.drop.eq(receiver.begin)]
        m.d.sync += self.reset.eq(0)

        def refuse(why):
            m.d.sync += refusal.eq(why)
            m.next = "REPLY"

        m.d.comb += self._busy.eq(1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self._busy.eq(0)
                m.d.sync += [refusal.eq(Status.OK), waited.eq(0)]
                with m.If(receiver.good):
                    m.next = "DECIDE"
            with m.State("DECIDE"):
                with m.If((receiver.kind == Kind.OPEN) & (receiver.length == 0)):
                    m.d.sync += [opened.eq(1), status.eq(Status.OK), replier.value.eq(VERSION),
                                 done.eq(asked)]
                    m.next = "RESET"
                with m.Elif(opened & (asked == done)):
                    m.next = "REPLY"
                with m.Elif(~opened | (receiver.number != (done[:8] + 1)[:8])):
                    refuse(Status.NUMBER)
                with m.Elif(receiver.kind == Kind.STREAM):
                    with m.If(input_ring.overflow):
                        refuse(Status.ROOM)
                    with m.Else():
                        m.d.comb += [input_ring.commit.eq(1), output_ring.release.eq(1)]
                        m.d.sync += [done.eq(asked), status.eq(Status.OK)]
                        m.next = "REPLY"
                with m.Elif(((receiver.kind == Kind.READ) | (receiver.kind == Kind.WRITE))
                            & (receiver.length == ACCESS.size)):
                    m.next = "ACCESS"
                    with m.If(receiver.address[ADDRESS_BITS:].any()):
                        m.d.sync += [done.eq(asked), status.eq(Status.REFUSED),
                                     replier.value.eq(0)]
                        m.next = "REPLY"
                with m.Else():
                    refuse(Status.LENGTH)
            with m.State("RESET"):
                m.d.sync += [self.reset.eq(1), waited.eq(waited + 1)]
                with m.If(waited == RESET_CYCLES):
                    m.next = "REPLY"
            with m.State("ACCESS"):
                m.d.comb += accesses.valid.eq(1)
                m.d.sync += waited.eq(waited + 1)
                with m.If(answers.valid):
                    m.d.comb += answers.ready.eq(1)
                    m.d.sync += [done.eq(asked), replier.value.eq(answers.p.data),
                                 status.eq(Mux(answers.p.refused, Status.REFUSED, Status.OK))]
                    m.next = "REPLY"
                with m.Elif(waited == PATIENCE):
                    m.d.sync += opened.eq(0)    # or a late answer would be that of another access
                    refuse(Status.SILENT)
            with m.State("REPLY"):
                m.d.comb += [output_ring.rewind.eq(1), replier.start.eq(1)]
                m.next = "WAIT"
            with m.State("WAIT"):
                with m.If(~replier.busy):
                    m.next = "IDLE"
        with m.If(self.lost):   # both sides of a crossing may no longer agree
            m.d.sync += opened.eq(0)

    @staticmethod
    def _header(m, receiver, header, status):
        """What every reply has."""
        damaged = Signal(16)
        with m.If(receiver.damaged):
            m.d.sync += damaged.eq(damaged + 1)
        m.d.comb += [
            header.damaged.eq(damaged), header.number.eq(receiver.number),
            header.code.eq(Cat(status, Const(0, 1), receiver.kind[:2], Const(ANSWERED >> 6, 2)))]
