"""Valid/ready channels inside a simulator: the rules they obey, drivers and monitors.

All work in two steps of a cycle: `drive` sets inputs right after a rising edge, and `sample` reads
settled signals at the falling edge that follows. What moves then, moves with the next rising edge.
"""

from cocotb.types import LogicArray

__all__ = ["Failure", "Channel", "Source", "Sink", "LATE"]

LATE = 1000  # cycles after which a handshake counts as missing


class Failure(Exception):
    """What the engine did wrong: a kind, and one line that names the first difference."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")


class Channel:
    """One channel, watched in every cycle.

    Once valid, a channel stays valid with the same payload until it is ready. Valid and ready are
    always 0 or 1, and so is every bit of the payload while it is valid.

    Parameters
    ----------
    top : cocotb handle
    name : str
        For messages.
    ports : str
        Names of the ports: valid, ready, and those of the payload.
    rng : numpy.random.Generator
        For what stands on the payload while it is not valid.
    unknown : bool
        Whether that is X (for simulators that have it) instead of random bits.

    Attributes
    ----------
    valid : bool
        Whether it is valid in this cycle.
    moved : tuple of int or None
        Payload that the coming edge transfers.
    stalled, longest, starved : int
        Cycles valid but not ready, the longest run of those, and cycles ready but not valid.
    """

    def __init__(self, top, name, ports, *, rng, unknown=False):
        self.name, self._names = name, ports.split()
        self._valid, self._ready, *self._payload = (getattr(top, port) for port in self._names)
        self._rng, self._unknown = rng, unknown
        self.reset()

    def reset(self):
        """Forget everything."""
        self.valid, self.moved, self._held, self._run = False, None, None, 0
        self.stalled = self.longest = self.starved = 0

    def offer(self, *payload):
        """As the sender: be valid with this payload."""
        self._valid.value = 1
        for port, value in zip(self._payload, payload, strict=True):
            port.value = value

    def park(self):
        """As the sender: be not valid, with a payload that means nothing."""
        self._valid.value = 0
        for port in self._payload:
            size = len(port)
            port.value = (LogicArray("X" * size) if self._unknown else
                          int.from_bytes(self._rng.bytes(-(-size // 8)), "little") % (1 << size))

    def accept(self, ready):
        """As the receiver: be ready or not."""
        self._ready.value = int(ready)

    def sample(self, cycle):
        """Check the rules in this cycle, and set `valid` and `moved`."""
        valid, ready = self._known(0, self._valid, cycle), self._known(1, self._ready, cycle)
        held, self._held, self.moved, self.valid = self._held, None, None, bool(valid)
        if not valid:
            if held is not None:
                raise Failure("protocol", f"{self._names[0]} fell while stalled at cycle {cycle}")
            self.starved += ready
            return
        payload = tuple(self._known(n, port, cycle) for n, port in enumerate(self._payload, 2))
        if held is not None and held != payload:
            name, before, now = next(change for change in zip(self._names[2:], held, payload)
                                     if change[1] != change[2])
            raise Failure("protocol", f"{name} changed from {before:#x} to {now:#x} while stalled "
                          f"at cycle {cycle}")
        if ready:
            self.moved, self._run = payload, 0
        else:
            self._held = payload
            self._run += 1
            self.stalled += 1
            self.longest = max(self.longest, self._run)

    def _known(self, number, port, cycle):
        bits = str(port.value)
        try:
            return int(bits, 2)
        except ValueError:
            raise Failure("protocol", f"{self._names[number]} is {bits} at cycle {cycle}") from None


class _Beats:
    """Beats that are to move over a channel, and when; `label(n)` names beat n."""

    def __init__(self, channel, label):
        self.channel, self._label = channel, label
        self._beats, self._wanted, self.moved = [], [], 0

    @property
    def busy(self):
        """Whether there are beats left."""
        return self.moved < len(self._beats)

    @property
    def name(self):
        """Of the channel."""
        return self.channel.name

    def _begin(self, beats, wanted):
        self._beats, self._wanted, self.moved = beats, wanted, 0

    def _here(self):
        return f"{self.name} {self._label(self.moved)}"

    def _count(self, cycle):
        """Count the beat that moves in this cycle, if any; `Failure` if this is not its cycle."""
        moves = self.channel.moved is not None
        if self.moved < len(self._wanted):
            wanted = self._wanted[self.moved]
            if moves and cycle != wanted:
                raise Failure("timing", f"{self._here()}: wanted at cycle {wanted}, got {cycle}")
            if not moves and cycle >= wanted + LATE:
                raise Failure("timing", f"{self._here()}: wanted at cycle {wanted}, missing at "
                              f"cycle {cycle}")
        self.moved += moves
        return moves


class Source(_Beats):
    """Sends beats, and compares the cycle in which each is taken.

    Attributes
    ----------
    withheld : int
        Cycles in which the engine was ready for a beat that was not offered yet.
    """

    def __init__(self, channel, label="beat {}".format):
        super().__init__(channel, label)
        self.reset()

    def reset(self):
        """Send nothing."""
        self._begin([], [])
        self._gaps, self._wait, self._offered, self._parked, self.withheld = [], 0, False, True, 0
        self.channel.reset()
        self.channel.park()

    def send(self, beats, *, gaps=None, wanted=()):
        """Send payloads (tuples of int), each `gaps[n]` cycles later than the earliest possible.

        `wanted` are the cycles in which they are expected to be taken.
        """
        self._begin(beats, wanted)
        self._gaps = [0] * len(beats) if gaps is None else gaps
        self._wait, self.withheld = self._gaps[0], 0

    def drive(self):
        """Offer the next beat as soon as its gap is over."""
        if self._offered:
            return
        if self.busy and not self._wait:
            self.channel.offer(*self._beats[self.moved])
            self._offered, self._parked = True, False
            return
        self._wait = max(0, self._wait - 1)
        if not self._parked:
            self.channel.park()
            self._parked = True

    def sample(self, cycle):
        """Check the channel, and note whether the beat is taken."""
        before = self.channel.starved
        self.channel.sample(cycle)
        self.withheld += self.busy and self.channel.starved > before
        if self._count(cycle):
            self._offered = False
            self._wait = self._gaps[self.moved] if self.busy else 0


class Sink(_Beats):
    """Takes beats, and compares the bits that matter, both markers, and the cycle of each."""

    def __init__(self, channel, label="beat {}".format):
        super().__init__(channel, label)
        self.reset()

    def reset(self):
        """Expect nothing, ready for nothing."""
        self._begin([], [])
        self.accept([False])
        self.channel.reset()

    def accept(self, pattern):
        """Be ready in each cycle as the pattern says, repeated for ever."""
        self._pattern, self._phase = pattern, 0

    def expect(self, beats, *, wanted=()):
        """Expect (data, mask of the bits that matter, tlast, tuser), in these cycles."""
        self._begin(beats, wanted)

    def drive(self):
        """Be ready or not."""
        self.channel.accept(self._pattern[self._phase])
        self._phase = (self._phase + 1) % len(self._pattern)

    def sample(self, cycle):
        """Check the channel, and compare the beat that is taken."""
        self.channel.sample(cycle)
        if self.channel.valid and not self.busy:
            raise Failure("surplus", f"{self._here()}: one too many at cycle {cycle}")
        if self.channel.moved is not None:
            self._compare(*self._beats[self.moved], cycle)
        self._count(cycle)

    def _compare(self, data, mask, last, first, cycle):
        got, got_last, got_first = self.channel.moved
        for kind, name, wanted, value in (("value", "tdata", data & mask, got & mask),
                                          ("marker", "tlast", last, got_last),
                                          ("marker", "tuser", first, got_first)):
            if wanted != value:
                raise Failure(kind, f"{self._here()}: wanted {name} {wanted:#x}, got {value:#x} "
                              f"at cycle {cycle}")
