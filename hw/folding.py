"""How far a layer is unrolled into hardware, and how its channels lie in stream beats.

`pi` input channels, `po` output channels and `px` output pixels are worked on in each cycle, by
`pi * po * px` products. Channels that do not divide by the folding are padded: the last beat
of a group has idle lanes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .layers import whole

__all__ = ["Folding", "ChannelLayout"]

IDLE = -1  # marks a lane without a channel


@dataclass(frozen=True, kw_only=True)
class Folding:
    """Input channels, output channels and output pixels per cycle."""

    pi: int = 1
    po: int = 1
    px: int = 1

    def __post_init__(self):
        for name in ("pi", "po", "px"):
            whole(name, getattr(self, name), 1)

    @property
    def products(self):
        """Products of each cycle."""
        return self.pi * self.po * self.px


@dataclass(frozen=True)
class ChannelLayout:
    """Which channel travels in which lane of which beat.

    Where `po` is larger than the output channels of one convolution group (a depthwise layer),
    several groups are worked on side by side, each on its own `pi` input channels.

    Raises
    ------
    ValueError
        If the folding cannot serve the layer; names the field, its value and the rule.
    """

    in_channels: int
    out_channels: int
    groups: int
    folding: Folding

    def __post_init__(self):
        pi, po, px = self.folding.pi, self.folding.po, self.folding.px
        if pi > self.group_inputs:
            raise ValueError(f"pi must be at most in_channels/groups ({self.group_inputs}), "
                             f"not {pi}")
        if po > self.out_channels:
            raise ValueError(f"po must be at most out_channels ({self.out_channels}), not {po}")
        if po > self.group_outputs and (po % self.group_outputs or pi != self.group_inputs):
            raise ValueError(f"po beyond out_channels/groups ({self.group_outputs}) must be a "
                             f"multiple of it with pi = in_channels/groups ({self.group_inputs}), "
                             f"not po = {po}, pi = {pi}")
        if px > 1 and self.output_beats > 1:
            raise ValueError(f"px must be 1 unless po covers all output channels "
                             f"({self.out_channels}), not px = {px} with po = {po}")

    @property
    def group_inputs(self):
        return self.in_channels // self.groups

    @property
    def group_outputs(self):
        return self.out_channels // self.groups

    @cached_property
    def parallel_groups(self):
        """Convolution groups side by side in one beat."""
        return max(1, self.folding.po // self.group_outputs) if self.groups > 1 else 1

    @property
    def blocks(self):
        """Convolution groups one after the other (each `parallel_groups` wide)."""
        return -(-self.groups // self.parallel_groups)

    @property
    def block_inputs(self):
        """Input beats of one block, for one pixel."""
        return -(-self.group_inputs // self.folding.pi)

    @property
    def block_outputs(self):
        """Output beats of one block, for one pixel: the output-channel groups."""
        return 1 if self.parallel_groups > 1 else -(-self.group_outputs // self.folding.po)

    @property
    def input_beats(self):
        """Beats of one input pixel."""
        return self.blocks * self.block_inputs

    @property
    def output_beats(self):
        """Beats of one output pixel."""
        return self.blocks * self.block_outputs

    @property
    def input_lanes(self):
        """Channels in one input beat."""
        return self.folding.pi * self.parallel_groups

    @cached_property
    def input_channels(self):
        """Array (input_beats, input_lanes) of channel numbers, -1 for an idle lane."""
        return _lay_out(self.groups, self.group_inputs, self.parallel_groups, self.folding.pi)

    @cached_property
    def output_channels(self):
        """Array (output_beats, po) of channel numbers, -1 for an idle lane."""
        lanes = self.group_outputs if self.parallel_groups > 1 else self.folding.po
        return _lay_out(self.groups, self.group_outputs, self.parallel_groups, lanes)


def _lay_out(groups, size, parallel, lanes):
    blocks, beats = -(-groups // parallel), -(-size // lanes)
    channels = np.full((blocks * parallel, beats * lanes), IDLE)
    channels[:groups, :size] = np.arange(groups * size).reshape(groups, size)
    channels = channels.reshape(blocks, parallel, beats, lanes)
    return channels.transpose(0, 2, 1, 3).reshape(blocks * beats, parallel * lanes)
