"""The manifest: what stands beside every generated Verilog file, for tools and for people."""

import hashlib
import json
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Manifest", "digest"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Frame(_Part):
    """Sizes of the largest frame, and the smallest that can be set at run time."""

    height: int
    width: int
    out_height: int
    out_width: int
    smallest_height: int
    smallest_width: int


class EngineInfo(_Part):
    """The engine of a layer; the fields up to `pack` are those that timing depends on."""

    pi: int = Field(description="input channels per cycle")
    po: int = Field(description="output channels per cycle")
    px: int = Field(description="output pixels per cycle")
    requantisers: int = Field(description="output channels requantised per cycle, for each pixel")
    serial_requant: bool = Field(description="whether they multiply bit by bit")
    turn_interval: int = Field(description="cycles from one channel of a requantiser to the next")
    magnitude_bits: int = Field(description="width of the magnitude of accumulator plus bias")
    max_height: int
    skip_zeros: bool
    pruned: bool
    pack: bool = Field(description="whether two output channels share a multiplier")
    lut_products: bool = Field(description="whether the MAC array is made of look-up tables alone")
    accumulator_bits: int
    line_rows: int = Field(description="input rows that the line buffer holds")
    loadable: bool
    spram: bool = Field(description="whether weights are in single-port memories")
    target: Literal["generic", "ecp5", "ice40"]


class DeviceFigures(_Part):
    """What the engine takes of its device."""

    multipliers: int = Field(description="MULT18X18D or SB_MAC16, of the MAC array and the "
                                         "requantisers")
    block_rams: int = Field(description="DP16KD or SB_RAM40_4K")
    single_port_rams: int = Field(description="SB_SPRAM256KA")
    luts: int = Field(description="an estimate: LUT4s of the ECP5, logic cells of the iCE40")


class Figures(_Part):
    """Closed-form figures of the largest frame with dense activations."""

    cycles_per_frame: int = Field(description="from one frame to the next, back to back; with "
                                              "pruned weights, and of a chain, a lower bound")
    latency: int = Field(description="cycles from the first input beat to the first output beat; "
                                     "of a chain, a lower bound")
    macs: int = Field(description="multiplications of one frame, zeros inserted, no tap left out")
    useful_macs: int = Field(description="without inserted zeros, taps outside the frame and "
                                         "pruned weights")
    utilisation: float = Field(description="useful_macs / (pi * po * px * cycles_per_frame)")
    multipliers: int = Field(description="of the MAC array: pi * po * px, half of that, or none")
    requantiser_multipliers: int = Field(description="18-bit multipliers of the requantisers")
    memory_bits: int
    device: DeviceFigures | None = Field(description="null for the target generic")


class StreamInfo(_Part):
    """Channels in each beat of a pixel (of px pixels), -1 for an idle lane, lowest lane first."""

    bits: int
    lane_bits: int = Field(description="bits of a lane, of which a code takes the lowest")
    pixels: int
    channels: list[list[int]]


class WeightStream(_Part):
    """The weight stream; `beats` are those of a whole load."""

    bits: int
    beats: int


class Register(_Part):
    """One AXI4-Lite register."""

    name: str
    address: int
    access: Literal["ro", "rw", "rw1c"]
    meaning: str


class Files(_Part):
    """Names of the files beside the manifest."""

    verilog: str
    models: list[str] = Field(description="simulation models of the vendor cells in the Verilog")
    tensors: str
    core: str
    waiver: str


class Manifest(_Part):
    """Everything about one generated engine."""

    format: Literal[1] = 1
    name: str
    generator: str = Field(description="version of Polyphase")
    digest: str = Field(description="SHA-256 of layer, formats, engine, frame and tensors; its "
                                    "first 32 bits are in the register `digest`")
    options: dict = Field(description="the options as given and filled in")
    layer: dict = Field(description="layer and number formats, as golden.model.forward reads them")
    frame: Frame
    engines: list[EngineInfo] = Field(description="of each layer, in the order that data flows")
    figures: Figures
    input: StreamInfo
    output: StreamInfo
    weights: WeightStream | None
    registers: list[Register]
    errors: list[str] = Field(description="error bits of the register `status`, from bit 8 up")
    files: Files

    @property
    def target(self):
        """The device family."""
        return self.engines[0].target

    def text(self):
        """The manifest as JSON text, always the same for the same content."""
        return json.dumps(self.model_dump(), indent=1) + "\n"


def digest(spec, engines, frame, tensors):
    """SHA-256 of everything that the hardware computes from."""
    state = hashlib.sha256(json.dumps([spec, engines, frame], sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        state.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return state.hexdigest()
