"""Requests out of the bytes of a line."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .check import Check
from .protocol import CRC_BYTES, END, ESC, ESC_END, ESC_ESC, REQUEST

__all__ = ["Receiver"]


class Receiver(wiring.Component):
    """Takes packets apart, and tells of each whether it is as it was sent.

    Parameters
    ----------
    most : int
        Bytes that a payload has at most; a packet with more counts as damaged.

    Members
    -------
    i_valid, i_data
        Another byte of the line.
    error
        A byte was lost.
    check
        For the CRC.
    begin
        High for a cycle before the first byte of a payload.
    payload_valid, payload
        Another byte of the payload.
    good, damaged
        One of them is high for a cycle after a packet.
    length, number, kind, address, data
        Of the last packet: its header, and what a payload of READ or WRITE has, from `good` until
        the next byte.
    """

    def __init__(self, most):
        self._most = most
        super().__init__({
            "i_valid": In(1), "i_data": In(8), "error": In(1),
            "check": Out(Check()), "begin": Out(1), "payload_valid": Out(1), "payload": Out(8),
            "good": Out(1), "damaged": Out(1), "length": Out(16), "number": Out(8),
            "kind": Out(8), "address": Out(8), "data": Out(32)})

    def elaborate(self, platform):
        m = Module()
        check = self.check
        escaped, broken, begun = (Signal(name=name) for name in ("escaped", "broken", "begun"))
        end, plain = Signal(), Signal(8)
        m.d.comb += [end.eq(self.i_valid & (self.i_data == END)),
                     plain.eq(self.i_data)]
        with m.If(escaped):
            m.d.comb += plain.eq(Mux(self.i_data == ESC_END, END, ESC))
        byte = Signal()
        m.d.comb += byte.eq(self.i_valid & ~end & (escaped | (self.i_data != ESC)))
        m.d.comb += [check.data.eq(plain), check.valid.eq(byte), check.start.eq(end)]

        header = Signal(8 * REQUEST.size)
        place = Signal(range(REQUEST.size + 1))
        left = Signal(range(self._most + CRC_BYTES + 1))
        m.d.comb += Cat(self.length, self.number, self.kind).eq(header)
        m.d.comb += [self.payload.eq(plain),
                     self.payload_valid.eq(byte & (place == REQUEST.size) & (left > CRC_BYTES))]
        m.d.sync += [self.begin.eq(0), self.good.eq(0), self.damaged.eq(0)]
        with m.If(self.payload_valid):
            access = Cat(self.address, self.data)
            m.d.sync += access.eq(Cat(access, plain)[8:])
        with m.If(self.i_valid & ~end):
            m.d.sync += [begun.eq(1), escaped.eq((self.i_data == ESC) & ~escaped)]
            with m.If(escaped & (self.i_data != ESC_END) & (self.i_data != ESC_ESC)):
                m.d.sync += broken.eq(1)
        with m.If(self.error):
            m.d.sync += [begun.eq(1), broken.eq(1)]
        with m.If(byte):
            with m.If(place != REQUEST.size):
                m.d.sync += [header.eq(Cat(header, plain)[8:]), place.eq(place + 1)]
            with m.Elif(left != 0):
                m.d.sync += left.eq(left - 1)
            with m.Else():
                m.d.sync += broken.eq(1)
        with m.If((place == REQUEST.size - 1) & byte):
            m.d.sync += self.begin.eq(1)
        with m.If(self.begin):
            m.d.sync += left.eq(self.length + CRC_BYTES)
            with m.If(self.length > self._most):
                m.d.sync += broken.eq(1)
        with m.If(end):
            whole = (place == REQUEST.size) & (left == 0) & ~escaped & ~broken
            m.d.sync += [self.good.eq(whole & check.match),
                         self.damaged.eq(begun & ~(whole & check.match)),
                         place.eq(0), escaped.eq(0), broken.eq(0), begun.eq(0)]
        return m
