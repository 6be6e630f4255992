"""An emulated board behind an object like a serial port, on whose line things go wrong."""

import numpy as np

from boards.emulation import BROKEN, Emulation
from boards.link.protocol import END
from boards.registry import find
from hw.options import Options
from sim.design import Design

SILENCE = 600       # cycles of the reference clock after which nothing more comes
CHUNK = 100
IN_A_ROW = 4        # damages of a request and its replies, at most

FAULTS = ("flip", "burst", "drop", "double", "insert", "cut", "lose")


def board(name, folder, cache, *, baud, clock=None, **options):
    """(`Design`, `Emulation`) of a layer on a board."""
    known = find(name)
    (folder / "engine").mkdir()
    (folder / "board").mkdir()
    design = Design.generate(known.options(Options(**options)), folder / "engine")
    return design, Emulation(known, design, folder / "board", baud=baud, clock=clock, cache=cache)


def check_frame(session, design, rng):
    """Send a random frame of the largest size; the result must be that of golden."""
    frame, size = design.random_frame(rng), (design.frame.height, design.frame.width)
    count = design.output_beat_count(*size) * design.manifest.output.bits // 8
    data = session.stream(*design.input_beats(frame), count)
    codes = design.output_codes(np.frombuffer(data, np.uint8), *size)
    np.testing.assert_array_equal(codes, design.expected_codes(frame))


class Port:
    """What `Session` needs of a serial port; time passes on the board while it waits.

    Parameters
    ----------
    emulation : Emulation
    faults : Faults, optional
        What happens on the line.
    """

    in_waiting, timeout = 0, 1

    def __init__(self, emulation, faults=None):
        self._emulation, self._faults = emulation, faults
        self._out, self._in = [], b""

    def write(self, line):
        self._out += self._faults.request(line) if self._faults else list(line)

    def flush(self):
        while self._out:
            self._run()

    def read(self, size):
        """Whatever comes, up to a whole packet."""
        quiet = 0
        while quiet < SILENCE and not (len(self._in) > 1 and self._in[-1] == END):
            before = len(self._in)
            self._run()
            quiet = 0 if len(self._in) > before else quiet + CHUNK
        line, self._in = self._in, b""
        return self._faults.reply(line) if self._faults and line else line

    def _run(self):
        sent, found = self._emulation.run(self._out, CHUNK)
        del self._out[:sent]
        assert all(byte < BROKEN for byte in found)
        self._in += bytes(found)


class Faults:
    """Damages requests and replies, never both of an attempt.

    Attributes
    ----------
    injected : int
        Packets that were damaged or lost.
    repeated : int
        Requests that the line brought twice.
    """

    def __init__(self, seed, share=0.5):
        self._rng, self._share = np.random.default_rng(seed), share
        self.injected, self.repeated, self._row, self._whole = 0, 0, 0, True

    def request(self, line):
        self._whole = not self._strikes()
        if not self._whole:
            self._row += 1
            return self._damage(line, ("stop", *FAULTS))
        if self._rng.random() < 0.05:
            self.repeated += 1
            return list(line) * 2
        return list(line)

    def reply(self, line):
        if self._whole and self._strikes():
            self._row += 1
            return bytes(self._damage(line, FAULTS))
        self._row = 0
        return line

    def _strikes(self):
        strikes = self._row < IN_A_ROW and self._rng.random() < self._share / 2
        self.injected += strikes
        return strikes

    def _damage(self, line, kinds):
        """What arrives, not counting the `END` at either side."""
        line, place = list(line), int(self._rng.integers(1, len(line) - 1))
        kind, noise = self._rng.choice(kinds), self._rng.integers(0, 256, 9).tolist()
        if kind == "flip":
            line[place] ^= 1 << int(self._rng.integers(8))
        elif kind == "burst":
            noise[0] = line[place] ^ 0xFF
            line[place:-1] = (noise + line[place + len(noise):-1])[:len(line) - 1 - place]
        elif kind == "drop":
            del line[place]
        elif kind == "double":
            line.insert(place, line[place])
        elif kind == "insert":
            line.insert(place, noise[0])
        elif kind == "cut":
            del line[place:]
        elif kind == "lose":
            line = []
        elif kind == "stop":
            line[place] |= BROKEN
        return line
