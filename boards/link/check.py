"""The CRC of packets; one serves both directions, since the line carries one packet at a time."""

from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CRC", "Check"]

CRC = crc.catalog.CRC32_ETHERNET(data_width=8)


def Check():
    """What a side has of the CRC, as the side sees it.

    `start` begins a packet, `valid` and `data` are another byte of it; `crc` is that of the bytes
    so far, and `match` whether they end with their own.
    """
    return wiring.Signature({"start": Out(1), "valid": Out(1), "data": Out(8), "crc": In(32),
                             "match": In(1)})
