"""Replies as bytes for the line."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .check import Check
from .protocol import CRC_BYTES, END, ESC, ESC_END, ESC_ESC, REPLY, VALUE

__all__ = ["Header", "Replier"]

# as `protocol.REPLY`
Header = data.StructLayout({"length": 16, "number": 8, "code": 8, "room": 16, "damaged": 16})


class Replier(wiring.Component):
    """Sends a packet: a header, a payload out of a stream or the value, and their CRC.

    Members
    -------
    start
        Begin, while not `busy`; the other inputs then stay until it is done.
    busy
        Whether a packet is on its way.
    header : Header
    streams
        Whether the payload is what `i` gives; otherwise it is `value`, if there is a length at all.
    value
        A payload of four bytes.
    check
        For the CRC.
    i
        Bytes of the payload.
    o
        Bytes of the line.
    """

    def __init__(self):
        super().__init__({
            "start": In(1), "busy": Out(1), "header": In(Header), "streams": In(1),
            "value": In(8 * VALUE.size), "check": Out(Check()), "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        check = self.check
        word = Signal(8 * REPLY.size)   # bytes that go next, the lowest first
        left = Signal(range(1 << 16))
        escape = Signal()
        byte, ready, ends = Signal(8), Signal(), Signal()
        m.d.comb += byte.eq(word[:8])

        special = (byte == END) | (byte == ESC)
        m.d.comb += self.o.payload.eq(byte)
        with m.If(ends):
            m.d.comb += self.o.payload.eq(END)
        with m.Elif(escape):
            m.d.comb += self.o.payload.eq(Mux(byte == END, ESC_END, ESC_ESC))
        with m.Elif(special):
            m.d.comb += self.o.payload.eq(ESC)
        sent = Signal()     # of a byte of the packet, the last of what stands for it
        m.d.comb += sent.eq(self.o.ready & self.o.valid & (ends | escape | ~special))
        with m.If(self.o.ready & self.o.valid):
            m.d.sync += escape.eq(~ends & special & ~escape)

        with m.If(sent):
            m.d.sync += [left.eq(left - 1), word.eq(word[8:])]
        m.d.comb += [check.data.eq(byte), self.o.valid.eq(ready), self.busy.eq(1)]
        last = sent & (left == 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.busy.eq(0)
                with m.If(self.start):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += [ready.eq(1), ends.eq(1), check.start.eq(1)]
                with m.If(sent):
                    m.d.sync += [word.eq(self.header), left.eq(REPLY.size)]
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [ready.eq(1), check.valid.eq(sent)]
                with m.If(last):
                    m.d.sync += [word.eq(self.value), left.eq(self.header.length)]
                    m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                with m.If(left == 0):
                    m.d.sync += [word.eq(check.crc), left.eq(CRC_BYTES)]
                    m.next = "CRC"
                with m.Elif(self.streams):
                    m.d.comb += [byte.eq(self.i.payload), ready.eq(self.i.valid),
                                 self.i.ready.eq(sent), check.valid.eq(sent)]
                with m.Else():
                    m.d.comb += [ready.eq(1), check.valid.eq(sent)]
            with m.State("CRC"):
                m.d.comb += ready.eq(1)
                with m.If(last):
                    m.next = "END"
            with m.State("END"):
                m.d.comb += [ready.eq(1), ends.eq(1)]
                with m.If(sent):
                    m.next = "IDLE"
        return m
