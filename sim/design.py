"""A generated engine as the simulations see it: its manifest, its streams, and what is expected."""

from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from golden.chain import Stage, simulate_chain
from golden.model import forward, stages_of
from golden.quantisation import dtype_range
from golden.timing import EngineParameters
from hw.engine.loader import weight_beats
from hw.export import generate, restore_program
from hw.manifest import Manifest
from hw.options import Options

__all__ = ["Design", "engine_parameters"]


class Design:
    """One engine in the folder of its manifest.

    Parameters
    ----------
    path : pathlib.Path
        The manifest.

    Attributes
    ----------
    manifest : hw.manifest.Manifest
    verilog : pathlib.Path
    tensors : dict of str to numpy.ndarray

    Raises
    ------
    ValueError
        If the manifest, or a file that it names, cannot be read.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            self.manifest = Manifest.model_validate_json(self.path.read_text())
        except (OSError, ValidationError, UnicodeDecodeError):
            raise ValueError(f"manifest must be one that hw.gen wrote, not {str(path)!r}") from None
        self.verilog = self.path.parent / self.manifest.files.verilog
        tensors = self.path.parent / self.manifest.files.tensors
        for file in (self.verilog, tensors):
            if not file.is_file():
                raise ValueError(f"files of the manifest must lie beside it, but {file} is missing")
        with np.load(tensors) as file:
            self.tensors = {name: file[name] for name in file.files}

    @classmethod
    def generate(cls, options, directory):
        """Generate the engine of these `Options` into a folder."""
        manifest = generate(options, directory)
        return cls(Path(directory) / f"{manifest.name}.json")

    @property
    def spec(self):
        """The layer as `golden` reads it."""
        return self.manifest.layer

    @property
    def output_dtype(self):
        """The dtype of the output codes."""
        return self.spec["output_dtype"]

    @property
    def frame(self):
        return self.manifest.frame

    @cached_property
    def _engines(self):
        return [engine_parameters(info) for info in self.manifest.engines]

    def output_size(self, height, width):
        """(height, width) of the output of a frame."""
        return self._layer.output_size(height, width)

    @cached_property
    def _layer(self):
        return Options(**self.manifest.options).layer()

    def random_frame(self, rng, height=None, width=None, density=1.0):
        """Random input codes (channels, height, width); `density` of them not zero."""
        low, high = dtype_range(self.spec["dtype"])
        shape = (self.spec["in_channels"], height or self.frame.height, width or self.frame.width)
        codes = rng.integers(low, high + 1, shape)
        return np.where(rng.random(shape) < density, codes, self.spec["input_zero_point"])

    def input_beats(self, codes):
        """Beats of one frame: (bytes (n, k), first (n,), last (n,))."""
        channels = np.array(self.manifest.input.channels)
        # an idle lane holds the zero point, or its words would not count as zero
        padded = np.concatenate([codes, np.full_like(codes[:1], self.spec["input_zero_point"])])
        words = padded[channels].transpose(2, 3, 0, 1)
        height, width, beats, lanes = words.shape
        first, last = np.zeros((height, width, beats), bool), np.zeros((height, width, beats), bool)
        first[0, 0, 0] = True
        last[:, -1, -1] = True
        return (_lanes(words.reshape(-1, lanes), self.manifest.input.lane_bits), first.ravel(),
                last.ravel())

    def stream_beats(self, frames):
        """Beats of frames, one after the other, as `input_beats`."""
        return tuple(np.concatenate(part) for part in zip(*map(self.input_beats, frames)))

    @property
    def addresses(self):
        """{register: its address}."""
        return {register.name: register.address for register in self.manifest.registers}

    def output_beat_count(self, height, width):
        """Output beats of a frame of this input size."""
        rows, columns = self.output_size(height, width)
        info = self.manifest.output
        return rows * -(-columns // info.pixels) * len(info.channels)

    def output_beats(self, codes):
        """Beats of one output frame: (bytes (n, k), which are used (n, k), first (n,), last (n,)).

        Bytes are not used where a lane has no channel, or a pixel lies beyond the line.
        """
        channels, pixels = np.array(self.manifest.output.channels), self.manifest.output.pixels
        rows, columns = codes.shape[1:]
        padded = np.pad(codes, ((0, 1), (0, 0), (0, -columns % pixels)))
        words = padded[channels].transpose(2, 3, 0, 1)
        used = np.zeros(words.shape, bool)
        used[:, :columns] = channels >= 0
        beats = words[0, :, :, 0].size // pixels
        first, last = np.zeros((rows, beats), bool), np.zeros((rows, beats), bool)
        first[0, 0] = True
        last[:, -1] = True
        info = self.manifest.output
        lanes = info.bits // info.lane_bits
        return (_lanes(words.reshape(-1, lanes), info.lane_bits),
                used.reshape(-1, lanes).repeat(info.lane_bits // 8, axis=1), first.ravel(),
                last.ravel())

    def output_codes(self, data, height, width):
        """Codes (channels, rows, columns) from the bytes of the output beats of one frame."""
        rows, columns = self.output_size(height, width)
        info = self.manifest.output
        low, _ = dtype_range(self.output_dtype)
        lanes = np.ascontiguousarray(data).view(f"<{'i' if low < 0 else 'u'}{info.lane_bits // 8}")
        pixels = lanes.reshape(rows, -1, np.size(info.channels))[:, :columns]
        codes = np.zeros((self.spec["out_channels"], rows, columns), dtype=np.int64)
        for lane, channel in enumerate(np.ravel(info.channels)):
            if channel >= 0:
                codes[channel] = pixels[:, :, lane]
        return codes

    def expected_codes(self, codes):
        """Output codes that golden wants for an input frame."""
        return forward(self.spec, self.tensors, codes)

    def expected_timing(self, frames, *, gaps=None, ready=None, start=0):
        """`golden.timing.Timing` of frames of input codes, one after the other."""
        stages = []
        for engine, (spec, tensors) in zip(self._engines, stages_of(self.spec, self.tensors)):
            stages.append(Stage(spec=spec, engine=engine, weight=tensors.get("weight"),
                                frames=frames if engine.skip_zeros else
                                [codes.shape[1:] for codes in frames]))
            if len(stages) < len(self._engines):
                frames = [forward(spec, tensors, codes) for codes in frames]
        return simulate_chain(stages, gaps=gaps, ready=ready, start=start)

    def weight_beats(self):
        """Beats of the weight stream, uint8 (n, bytes), that load the tensors of this design."""
        size = self.manifest.weights.bits // 8
        beats = weight_beats(self._program)
        return np.frombuffer(b"".join(beat.to_bytes(size, "little") for beat in beats),
                             dtype=np.uint8).reshape(-1, size)

    @cached_property
    def _program(self):
        return restore_program(self.manifest, self.tensors)


def engine_parameters(info):
    """What of a manifest's `EngineInfo` the timing depends on, as `golden.timing` wants it."""
    return EngineParameters(**{name: getattr(info, name)
                               for name in EngineParameters.__dataclass_fields__})


def _lanes(codes, bits):
    """Codes (n, lanes) as the bytes of their lanes, the lowest first: uint8 (n, bytes)."""
    return np.ascontiguousarray(codes).astype(f"<i{bits // 8}").view(np.uint8)
