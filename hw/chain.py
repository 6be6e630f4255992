"""Layers that follow each other in one module: an engine for each, and codes in between."""

from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from .layers import smallest_length

__all__ = ["Chain", "ChainProgram"]


@dataclass(frozen=True)
class Chain:
    """Layers of which each takes the output codes of the one before it.

    Behind the first one, outputs are as many as inputs, and a number that is always the same.
    """

    op: str
    stages: tuple

    def output_length(self, axis, length):
        """As of a `hw.layers.Layer`; none above 0 if some stage has no output."""
        return reduce(lambda n, layer: layer.output_length(axis, n) if n > 0 else n, self.stages,
                      length)

    def output_size(self, height, width):
        """As of a `hw.layers.Layer`."""
        return reduce(lambda size, layer: layer.output_size(*size), self.stages, (height, width))


@dataclass(frozen=True)
class ChainProgram:
    """The `Program` of each stage, for frames as large as those that the one before makes.

    Raises
    ------
    ValueError
        If the output of a stage is not what the next one takes; names the field, its value and the
        rule.
    """

    op: str
    stages: tuple

    def __post_init__(self):
        for number, (before, stage) in enumerate(zip(self.stages, self.stages[1:]), 1):
            if not np.array_equal(before.layout.output_channels, stage.layout.input_channels):
                raise ValueError(f"pi must divide in_channels/groups ({stage.layout.group_inputs}) "
                                 f"for {self.op}, not {stage.folding.pi}")
            formats = {"input_zero_point": (before.quantisation.output_zero_point,
                                            stage.quantisation.input_zero_point)}
            if before.layer.weight_shape is not None:   # otherwise the scale passes through
                formats["input_scale"] = (before.tensors["output_scale"],
                                          stage.tensors["input_scale"])
            for name, (given, taken) in formats.items():
                if given != taken:
                    raise ValueError(f"{number}.{name} must be that of the codes of stage "
                                     f"{number - 1} ({given}), not {taken}")

    loadable = spram = False

    @property
    def height(self):
        return self.stages[0].height

    @property
    def width(self):
        return self.stages[0].width

    @cached_property
    def layer(self):
        return Chain(self.op, tuple(stage.layer for stage in self.stages))

    @property
    def tensors(self):
        """The tensors of all stages, named as `torch.nn.Sequential` does."""
        return {f"{n}.{name}": value for n, stage in enumerate(self.stages)
                for name, value in stage.tensors.items()}

    @property
    def spec(self):
        """The formats of the whole, and each layer, as `golden` and the manifest have them."""
        stages = [stage.spec for stage in self.stages]
        before = {name: stages[0][name] for name in ("in_channels", "dtype", "input_zero_point")}
        behind = {name: stages[-1][name] for name in ("out_channels", "output_dtype",
                                                       "output_zero_point")}
        return {"op": self.op, **before, **behind, "stages": stages}

    def smallest(self, axis):
        """Smallest input length that leaves an output."""
        return smallest_length(self.layer, axis)
