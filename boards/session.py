"""The host's end of the line: requests until they are answered, and whole frames."""

import termios
import time
from collections import Counter

import numpy as np

from hw.engine.registers import IDENTITY, REGISTERS

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

__all__ = ["Session"]

TRIES = 8               # of a request
STALL = 5               # seconds in which nothing moves, after which the engine counts as dead
DRAIN = 2               # seconds that the line may need to fall silent
LONGEST = 1 << 18       # bytes of a reply, escaped
MOST_BEATS = (1 << BEAT_COUNT_BITS) - 1
REFUSALS = {
    Status.NUMBER: "it expects another number: is another program at the port?",
    Status.ROOM: "it has no room for what it had room for: is another program at the port?",
    Status.LENGTH: "it does not know this kind of request",
    Status.SILENT: "the engine's registers do not answer: has its clock stopped?",
}


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
        self._complaint = ""
        self._drain()
        version = self._value(self._request(Kind.OPEN))
        if version != VERSION:
            raise RuntimeError(f"the board must have version {VERSION} of the link, not {version}: "
                               "build its bitstream with this Polyphase")
        if self.read(REGISTERS["identity"][0]) != IDENTITY:
            raise RuntimeError("the board must have an engine of Polyphase")

    def read(self, address):
        """A register of the engine; `ValueError` if there is none."""
        answer = self._request(Kind.READ, ACCESS.pack(address, 0))
        if answer.status == Status.REFUSED:
            raise ValueError(f"address must be that of a register, not {address:#x}")
        return self._value(answer)

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
        found, lines, moved = bytearray(), list(reversed(lines)), time.monotonic()
        while lines or len(found) < expect or self._room < self._most:
            payload = _payload(lines, self._room, weights)
            room = self._room
            answer = self._request(Kind.STREAM, payload)
            if payload or answer.payload or self._room != room:
                moved = time.monotonic()
            if time.monotonic() > moved + STALL:
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
            self._through(lambda: self._port.write(line))
            self._through(self._port.flush)
            answer = self._reply(kind)
            if answer is None:
                continue
            if kind == Kind.OPEN:
                self._damaged, self._most = answer.damaged, answer.room
            self._room = answer.room
            self.troubles["damaged requests"] += (answer.damaged - self._damaged) & 0xFFFF
            self._damaged = answer.damaged
            if answer.status in REFUSALS:
                raise RuntimeError(f"the board refuses a request: {REFUSALS[answer.status]}")
            return answer
        raise RuntimeError(
            f"the board is silent, or what it says is damaged, after {TRIES} tries: "
            f"{self.troubles['silence']} without a reply, {self.troubles['damaged replies']} with "
            f"a damaged one{self._complaint}; check cable, port and baud rate")

    def _reply(self, kind):
        """The reply to the request under way; None if it does not come undamaged."""
        while (content := self._packet()) is not None:
            try:
                answer = reply(content)
            except Damaged as error:
                self.troubles["damaged replies"] += 1
                self._complaint = f" ({error})"
                return None
            if (answer.number, answer.kind) == (self._number, kind):
                return answer
            # a reply that came too late, to a request that was sent again
        self.troubles["silence"] += 1
        return None

    @staticmethod
    def _value(answer):
        """The number in a reply."""
        if len(answer.payload) != VALUE.size:
            raise RuntimeError(f"the board must answer with {VALUE.size} bytes, not "
                               f"{len(answer.payload)}: build its bitstream with this Polyphase")
        return VALUE.unpack(answer.payload)[0]

    def _packet(self):
        """What stands between two END; None if nothing more comes in time, or no END."""
        while len(self._line) < LONGEST:
            content, end, rest = self._line.partition(bytes([END]))
            if end:
                self._line = rest
                if content:
                    return bytes(content)
                continue
            more = self._read()
            if not more:
                break
            self._line += more
        self._line.clear()
        return None

    def _read(self):
        """What has come, or comes next; nothing if that takes too long."""
        found = self._through(lambda: self._port.read(1))
        more = self._through(lambda: self._port.in_waiting) if found else 0
        return found + self._through(lambda: self._port.read(more)) if more else found

    def _drain(self):
        """Forget what is still on its way from before."""
        end = time.monotonic() + DRAIN
        timeout, self._port.timeout = self._port.timeout, min(self._port.timeout, DRAIN / 10)
        while self._read():
            if time.monotonic() > end:
                raise RuntimeError("the port must be that of a board, which only answers: what is "
                                   "at this one talks all the time")
        self._port.timeout = timeout

    @staticmethod
    def _through(use):
        """What a use of the port gives; `RuntimeError` if the port is gone."""
        try:
            return use()
        except (OSError, termios.error) as error:
            raise RuntimeError(f"the port is gone: {error}") from None


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
