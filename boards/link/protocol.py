"""Packets on the line: what the gateware and the host have to agree on, and the host's own codec.

The host asks, and the board answers each request once; only one request is under way at a time. A
request that is sent again, with the same number, is answered again, not done again. The board says
nothing unless a whole request without damage reached it.

A packet stands between two bytes `END`; `END` and `ESC` inside it are escaped (SLIP, RFC 1055). It
is a header, a payload, and their CRC-32 (as in Ethernet). All numbers are little endian.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["ACCESS", "ANSWERED", "BEAT_COUNT_BITS", "CRC_BYTES", "END", "ESC", "ESC_END", "ESC_ESC",
           "REPLY", "REQUEST", "SEGMENT", "VALUE", "VERSION", "Damaged", "Flag", "Kind", "Reply",
           "Status", "packet", "reply", "request", "segment"]

VERSION = 1     # of this protocol, the answer to OPEN
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
REQUEST = struct.Struct("<HBB")     # bytes of the payload, number, kind
REPLY = struct.Struct("<HBBHH")     # bytes of the payload, number, code, room, damaged
CRC_BYTES = 4
ACCESS = struct.Struct("<BI")       # payload of READ and WRITE: address, data
VALUE = struct.Struct("<I")         # payload of their replies
SEGMENT = struct.Struct("<H")       # in front of beats: how many, and the flags
BEAT_COUNT_BITS = 13
ANSWERED = 0x80                     # in the code of a reply: no request has it


class Kind(IntEnum):
    """What a request wants."""

    OPEN = 0        # reset the engine; number of the first request. Replies VERSION
    READ = 1        # a register. Replies its value
    WRITE = 2       # a register. Replies 0
    STREAM = 3      # beats for the engine. Replies bytes that it put out


class Status(IntEnum):
    """What became of a request; but for `OK` and `REFUSED`, it was not done."""

    OK = 0
    REFUSED = 1     # there is no such register, or it is read-only
    NUMBER = 2      # neither the number of the last request nor the next one
    ROOM = 3        # more bytes than there is room for
    LENGTH = 4      # not the payload that the kind has
    SILENT = 5      # the engine's registers do not answer: a write may be done yet


class Flag(IntEnum):
    """Bits of a segment's header."""

    WEIGHTS = 13    # for the weight stream
    FIRST = 14      # the first beat begins a frame
    LAST = 15       # the last beat ends a line, or the weights


class Damaged(ValueError):
    """A packet that must not be used."""


@dataclass(frozen=True)
class Reply:
    """What the board answers.

    Attributes
    ----------
    number : int
        That of the request.
    kind : Kind
        Likewise.
    status : Status
    room : int
        Bytes that the next request may have as payload.
    damaged : int
        Packets with damage that reached the board since power-up, modulo 2**16.
    payload : bytes
    """

    number: int
    kind: Kind
    status: Status
    room: int
    damaged: int
    payload: bytes


def request(number, kind, payload=b""):
    """The bytes of a request as they go over the line."""
    return packet(REQUEST.pack(len(payload), number, kind) + payload)


def reply(content):
    """The `Reply` in the bytes between two `END`.

    Raises
    ------
    Damaged
        If they are not what a board has sent.
    """
    body = _checked(content)
    if len(body) < REPLY.size:
        raise Damaged(f"a reply must have at least {REPLY.size} bytes, not {len(body)}")
    length, number, code, room, damaged = REPLY.unpack_from(body)
    payload = body[REPLY.size:]
    if length != len(payload):
        raise Damaged(f"a reply must have {length} bytes of payload, not {len(payload)}")
    if not code & ANSWERED:
        raise Damaged("a reply must come from a board, not from the host: is the line looped back?")
    if code & 7 not in list(Status):
        raise Damaged(f"a reply must have a status from 0 to {max(Status)}, not {code & 7}")
    return Reply(number, Kind(code >> 4 & 3), Status(code & 7), room, damaged, payload)


def segment(beats, *, first=False, last=False, weights=False):
    """Beats of a stream as a part of the payload of STREAM; uint8 (n, bytes of a beat)."""
    flags = weights << Flag.WEIGHTS | first << Flag.FIRST | last << Flag.LAST
    return SEGMENT.pack(len(beats) | flags) + beats.tobytes()


def packet(body):
    """A packet around a header and its payload."""
    content = body + struct.pack("<I", zlib.crc32(body))
    escaped = content.replace(bytes([ESC]), bytes([ESC, ESC_ESC])).replace(
        bytes([END]), bytes([ESC, ESC_END]))
    return bytes([END]) + escaped + bytes([END])


def _checked(content):
    """The header and payload of what stood between two `END`."""
    plain, place = bytearray(), 0
    while place < len(content):
        byte = content[place]
        if byte == ESC:
            place += 1
            following = content[place] if place < len(content) else None
            if following not in (ESC_END, ESC_ESC):
                raise Damaged("ESC must be followed by one of its codes")
            byte = END if following == ESC_END else ESC
        plain.append(byte)
        place += 1
    body, crc = bytes(plain[:-CRC_BYTES]), plain[-CRC_BYTES:]
    if len(crc) < CRC_BYTES or zlib.crc32(body) != int.from_bytes(crc, "little"):
        raise Damaged("the CRC must be that of the packet")
    return body
