"""An AXI4-Lite master inside a simulator, which checks what it is answered."""

from itertools import count

from .streams import LATE, Channel, Failure

__all__ = ["Bus"]


class Bus:
    """An AXI4-Lite master: one access at a time, with random delays on every channel.

    Attributes
    ----------
    answer : tuple of int
        Data of the last access, if it was a read, and the cycle in which its address was taken.
    """

    CHANNELS = {"aw": "addr", "w": "data strb", "b": "resp", "ar": "addr", "r": "data resp"}
    ANSWERS = ("b", "r")
    name = "s_axi"

    def __init__(self, top, *, delays, rng, unknown=False):
        self._delays = delays
        self._channels = {
            name: Channel(top, f"s_axi_{name}", " ".join(
                f"s_axi_{name}{port}" for port in f"valid ready {payload}".split()),
                rng=rng, unknown=unknown) for name, payload in self.CHANNELS.items()}
        self.reset()

    def reset(self):
        """Access nothing."""
        self._access, self._requests, self._awaited, self._cycle = None, {}, None, 0
        for name, channel in self._channels.items():
            channel.reset()
            if name in self.ANSWERS:
                channel.accept(False)
            else:
                channel.park()

    def read(self, address):
        """Begin to read a register."""
        self._access = self._exchange(f"the read of {address:#x}", {"ar": (address,)}, "r")

    def write(self, address, data):
        """Begin to write a register."""
        self._access = self._exchange(f"the write to {address:#x}",
                                      {"aw": (address,), "w": (data, 0b1111)}, "b")

    @property
    def busy(self):
        """Whether an access is under way."""
        return self._access is not None

    def drive(self):
        """Go on with the access."""
        if self.busy and next(self._access, None) is None:
            self._access = None

    def sample(self, cycle):
        """Check all channels."""
        self._cycle = cycle
        for channel in self._channels.values():
            channel.sample(cycle)
        for name in self.ANSWERS:
            if self._channels[name].valid and (name != self._awaited or self._requests):
                raise Failure("registers", f"s_axi_{name}valid without a request at cycle {cycle}")

    def _exchange(self, what, requests, awaited):
        """Runs in `drive`, each time up to the next cycle."""
        self._requests, self._awaited, answer = dict(requests), awaited, self._channels[awaited]
        begin = {name: int(self._delays.integers(4)) for name in requests}
        ready_from = int(self._delays.integers(8))
        for n in count():
            for name, payload in requests.items():
                if n == begin[name]:
                    self._channels[name].offer(*payload)
            answer.accept(n >= ready_from)
            yield what
            for name in [name for name in self._requests if self._channels[name].moved is not None]:
                self._channels[name].park()
                del self._requests[name]
                taken = self._cycle
            if answer.moved is not None:
                break
            if n == LATE:
                raise Failure("registers", f"no answer to {what} at cycle {self._cycle}")
        answer.accept(False)
        self._awaited = None
        *data, response = answer.moved
        if response:
            raise Failure("registers", f"the answer to {what} is {response} at cycle {self._cycle}")
        self.answer = (*data, taken)
