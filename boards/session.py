"""The host's end of the line: requests until they are answered, and whole frames."""

import time
from collections import Counter

import numpy as np

from .link.protocol import (
    ACCESS,
    BEAT_COUNT_BITS,
    END,
    SEGMENT,
    VALUE,
    VERSION,
    Damaged,
    Kind,
    Status,
    reply,
    request,
    segment,
)

__all__ = ["IDENTITY", "Session"]

IDENTITY = int.from_bytes(b"PYLP", "little")
TRIES = 8               # of a request
STALL = 50              # requests in a row that move nothing, after which the engine counts as dead
MOST_BEATS = (1 << BEAT_COUNT_BITS) - 1


class Session:
    """A board, from its reset on.

    Parameters
    ----------
    port : serial.Serial or alike
        With a timeout: how long to wait for another byte.

    Attributes
    ----------
    troubles : collections.Counter
        What went wrong on the line and was mended: `silence` (no reply), `damaged replies`,
        `damaged requests` (as the board counts them).

    Raises
    ------
    RuntimeError
        If the board does not answer, or not as a board with an engine does.
    """

    def __init__(self, port):
        self._port, self._line = port, bytearray()
        self._number = time.time_ns() & 0xFF    # unlike that of a reply that is still on its way
        self.troubles = Counter()
        self._drain()
        first = self._request(Kind.OPEN)
        self._damaged, self._room = first.damaged, first.room
        version, = VALUE.unpack(first.payload)
        if version != VERSION:
            raise RuntimeError(f"the board must have version {VERSION} of the link, not {version}: "
                               "build its bitstream with this Polyphase")
        if self.read(0) != IDENTITY:
            raise RuntimeError("the board must have an engine of Polyphase")

    def read(self, address):
        """A register of the engine; `ValueError` if there is none."""
        answer = self._request(Kind.READ, ACCESS.pack(address, 0))
        if answer.status == Status.REFUSED:
            raise ValueError(f"address must be that of a register, not {address:#x}")
        return VALUE.unpack(answer.payload)[0]

    def write(self, address, value):
        """Write a register; `ValueError` if that is not possible."""
        if self._request(Kind.WRITE, ACCESS.pack(address, value)).status == Status.REFUSED:
            raise ValueError(f"address must be that of a register to write, not {address:#x}")

    def load(self, beats):
        """Send weights: uint8 (n, bytes of a beat)."""
        last = np.arange(len(beats)) == len(beats) - 1
        self._stream(_lines(beats, np.zeros(len(beats), bool), last), 0, weights=True)

    def stream(self, beats, first, last, expect, progress=lambda done: None):
        """Send input beats, and wait for bytes of output.

        Parameters
        ----------
        beats : numpy.ndarray
            uint8 (n, bytes of a beat).
        first, last : numpy.ndarray
            bool (n,): `tuser` and `tlast`.
        expect : int
            Bytes of output.
        progress : function
            Called with the bytes that have come.

        Returns
        -------
        bytes

        Raises
        ------
        RuntimeError
            If the board falls silent, or the engine stands still, or puts out more.
        """
        return self._stream(_lines(beats, first, last), expect, progress=progress)

    def _stream(self, lines, expect, *, weights=False, progress=lambda done: None):
        found, idle = bytearray(), 0
        lines = list(reversed(lines))
        while lines or len(found) < expect or self._room < self._most:
            payload = _payload(lines, self._room, weights)
            room = self._room
            answer = self._request(Kind.STREAM, payload)
            moved = payload or answer.payload or self._room != room
            idle = 0 if moved else idle + 1
            if idle == STALL:
                raise RuntimeError(f"the engine stands still: {len(found):,} of {expect:,} bytes "
                                   "came")
            found += answer.payload
            if answer.payload:
                progress(len(found))
        if len(found) > expect:
            raise RuntimeError(f"the engine must put out {expect:,} bytes, not {len(found):,}")
        return bytes(found)

    def _request(self, kind, payload=b""):
        """The reply to a request, sent as often as it takes."""
        self._number = (self._number + 1) & 0xFF
        line = request(self._number, kind, payload)
        for _ in range(TRIES):
            self._port.write(line)
            self._port.flush()
            answer = self._reply(kind)
            if answer is None:
                continue
            if kind == Kind.OPEN:
                self._damaged, self._most = answer.damaged, answer.room
            self._room = answer.room
            self.troubles["damaged requests"] += (answer.damaged - self._damaged) & 0xFFFF
            self._damaged = answer.damaged
            if answer.status not in (Status.OK, Status.REFUSED):
                raise RuntimeError(f"the board refuses a request: {answer.status.name.lower()}; "
                                   "is another program at the port?")
            return answer
        raise RuntimeError(
            f"the board is silent, or what it says is damaged, after {TRIES} tries: "
            f"{self.troubles['silence']} without a reply, {self.troubles['damaged replies']} with "
            "a damaged one; check cable, port and baud rate")

    def _reply(self, kind):
        """The reply to the request under way; None if it does not come undamaged."""
        while (content := self._packet()) is not None:
            try:
                answer = reply(content)
            except Damaged as error:
                self.troubles["damaged replies"] += 1
                self._last_damage = error
                return None
            if (answer.number, answer.kind) == (self._number, kind):
                return answer
            # a reply that came too late, to a request that was sent again
        self.troubles["silence"] += 1
        return None

    def _packet(self):
        """What stands between two END; None if nothing more comes in time."""
        while True:
            content, end, rest = self._line.partition(bytes([END]))
            if end:
                self._line = rest
                if content:
                    return bytes(content)
                continue
            more = self._port.read(max(1, self._port.in_waiting))
            if not more:
                self._line.clear()
                return None
            self._line += more

    def _drain(self):
        """Forget what is still on its way from before."""
        while self._port.read(max(1, self._port.in_waiting)):
            pass


def _lines(beats, first, last):
    """Beats in pieces [beats, first, last] that a flag is at the ends of."""
    begins = np.flatnonzero(first | np.r_[False, last[:-1]])
    bounds = np.unique(np.r_[0, begins, len(beats)])
    return [[beats[a:b], bool(first[a]), bool(last[b - 1])] for a, b in zip(bounds, bounds[1:])]


def _payload(lines, room, weights):
    """What fits of the lines; takes it from them."""
    payload = b""
    while lines:
        beats, first, last = lines[-1]
        count = min((room - len(payload) - SEGMENT.size) // beats.shape[1], MOST_BEATS)
        if count < 1:
            break
        whole = count >= len(beats)
        payload += segment(beats[:count], first=first, last=last and whole, weights=weights)
        if whole:
            lines.pop()
        else:
            lines[-1] = [beats[count:], False, last]
    return payload
