"""Writes a generated engine: Verilog, manifest, tensors, FuseSoC core and lint waivers."""

import dataclasses
import io
import os
import re
import tempfile
import zipfile
from math import prod
from pathlib import Path

import numpy as np
from amaranth.back import verilog
from amaranth.hdl import signed

from golden.model import stages_of

from . import __version__
from .chain import ChainProgram
from .engine.engine import result_latency
from .engine.loader import beat_count, weight_beat_bits
from .engine.registers import REGISTERS, STATUS_ERRORS
from .folding import Folding
from .manifest import (
    EngineInfo,
    Figures,
    Files,
    Frame,
    Manifest,
    Register,
    StreamInfo,
    WeightStream,
    digest,
)
from .options import Options
from .primitives.devices import DEVICES
from .primitives.ice40 import SINGLE_PORT_BLOCKS
from .primitives.memory import BankedMemory
from .primitives.multiplier import Multiplier
from .program import Program
from .quantisation import Quantisation, lane_bits
from .resources import device_figures, memory_bits, requantiser_multipliers
from .top import Top
from .weights import read_tensors

__all__ = ["make_program", "restore_program", "describe", "generate", "initial_blocks",
           "write_whole"]

EPOCH = (1980, 1, 1, 0, 0, 0)  # of the entries of an npz file, so that equal content is equal bytes
TOOLS = {"generic": None, "ecp5": "trellis", "ice40": "icestorm"}
# Verilator's complaints about what Amaranth writes, not about the design
WAIVED = {"DECLFILENAME": "Amaranth puts all modules into one file",
          "UNUSEDSIGNAL": "Amaranth names every field and every clock, used or not",
          "WIDTHEXPAND": "Amaranth leaves the extension of operands to Verilog's rules",
          "WIDTHTRUNC": "and the reduction of vectors to conditions",
          "CASEINCOMPLETE": "a default stands before the case instead of in it"}


def make_program(options):
    """The `Program`, or `ChainProgram`, of these `Options`; `ValueError` where they make none."""
    for name in ("height", "width"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(options, name)}")
    stages = options.stages()
    program = _chained(options, [
        _program(stage, *read_tensors(stage, stage.layer(), f"{n}." if len(stages) > 1 else ""))
        for n, stage in enumerate(stages)])
    for stage in program.stages:
        _check_operands(stage, options.target)
    if program.spram:
        _check_spram(program, options.target)
    return program


def restore_program(manifest, tensors):
    """The `Program`, or `ChainProgram`, of a manifest and its tensors."""
    options = Options(**manifest.options)
    names = {f.name for f in dataclasses.fields(Quantisation)}
    return _chained(options, [
        _program(stage, Quantisation(**{k: v for k, v in spec.items() if k in names}), part)
        for stage, (spec, part) in zip(options.stages(), stages_of(manifest.layer, tensors))])


def _chained(options, programs):
    """The only program, or the chain of them."""
    if len(programs) == 1:
        return programs[0]
    return ChainProgram(options.op, tuple(programs))


def _program(options, quantisation, tensors):
    return Program(
        layer=options.layer(), quantisation=quantisation, tensors=tensors, height=options.height,
        width=options.width, folding=Folding(pi=options.pi, po=options.po, px=options.px),
        skip_zeros=options.skip_zeros, pack=options.pack, lut_products=options.lut_products,
        serial_requant=options.serial_requant, loadable=options.loadable, spram=options.spram)


def _check_operands(program, target):
    formats, bits = program.quantisation, program.activation_bits
    if program.multipliers and not program.pack and not Multiplier.blocks(
            target, signed(bits), signed(program.weight_bits)):
        raise ValueError(f"dtype and input_zero_point must make operands that fit a multiplier of "
                         f"the target {target}, but {formats.dtype} and "
                         f"{formats.input_zero_point} make {bits} bits")


def _check_spram(program, target):
    if target != "ice40":
        raise ValueError(f"target must be ice40 where spram is set, not {target!r}")
    blocks = BankedMemory.blocks(target, program.weight_word_bits, program.steps)
    if blocks > SINGLE_PORT_BLOCKS:
        raise ValueError(f"spram must be False where weights need more than {SINGLE_PORT_BLOCKS} "
                         f"single-port memories, and these need {blocks}, not True")


def describe(program, options):
    """The `Manifest` of a program."""
    name, first, last = options.module_name(), program.stages[0], program.stages[-1]
    out_height, out_width = program.layer.output_size(program.height, program.width)
    frame = Frame(height=program.height, width=program.width, out_height=out_height,
                  out_width=out_width, smallest_height=program.smallest(0),
                  smallest_width=program.smallest(1))
    engines = [_engine(stage, options.target) for stage in program.stages]
    spec = program.spec
    return Manifest(
        name=name, generator=__version__, options=options.model_dump(mode="json"), layer=spec,
        digest=digest(spec, [engine.model_dump() for engine in engines], frame.model_dump(),
                      program.tensors),
        frame=frame, engines=engines,
        figures=_figures(program, options.target),
        input=StreamInfo(bits=first.input_beat_bits, pixels=1,
                         lane_bits=lane_bits(first.quantisation.dtype),
                         channels=first.layout.input_channels.tolist()),
        output=StreamInfo(bits=last.output_beat_bits, pixels=last.folding.px,
                          lane_bits=lane_bits(last.quantisation.output_dtype),
                          channels=last.layout.output_channels.tolist()),
        weights=WeightStream(bits=weight_beat_bits(program), beats=beat_count(program))
        if program.loadable else None,
        registers=[Register(name=n, address=a, access=x, meaning=m)
                   for n, (a, x, m) in REGISTERS.items()],
        errors=list(STATUS_ERRORS),
        files=Files(verilog=f"{name}.v", models=[file.name for file in _models(options)],
                    tensors=f"{name}.npz", core=f"{name}.core", waiver=f"{name}.vlt"))


def _engine(program, target):
    folding = program.folding
    return EngineInfo(
        pi=folding.pi, po=folding.po, px=folding.px, requantisers=program.requantisers,
        serial_requant=program.serial_requant, turn_interval=program.turn_interval,
        magnitude_bits=program.magnitude_bits, max_height=program.height,
        skip_zeros=program.skip_zeros, pruned=program.pruned, pack=program.pack,
        lut_products=program.lut_products, accumulator_bits=program.accumulator_bits,
        line_rows=program.line_rows, loadable=program.loadable, spram=program.spram,
        target=target)


def _figures(program, target):
    stages = program.stages
    cycles = max(stage.schedule.cycles for stage in stages)
    useful = sum(stage.schedule.useful_macs for stage in stages)
    return Figures(
        cycles_per_frame=cycles,
        latency=sum(stage.schedule.latency(result_latency(stage)) for stage in stages),
        macs=sum(map(_macs, stages)), useful_macs=useful,
        utilisation=useful / (sum(stage.folding.products for stage in stages) * cycles),
        multipliers=sum(stage.multipliers for stage in stages),
        requantiser_multipliers=sum(map(requantiser_multipliers, stages)),
        memory_bits=memory_bits(program), device=device_figures(program, target))


def _macs(program):
    """Multiplications of one frame, zeros inserted, no tap left out."""
    return (prod(program.layer.output_size(program.height, program.width))
            * prod(program.layer.kernel_size) * program.layer.group_inputs
            * program.layer.out_channels)


def generate(options, directory):
    """Write all files of an engine into `directory`; all appear, or none. Returns the `Manifest`.

    Raises
    ------
    ValueError
        Naming the field, its value and the rule.
    """
    program = make_program(options)
    manifest = describe(program, options)
    version = tuple(int(part) for part in __version__.split("."))
    top = Top(program, version=version, digest=int(manifest.digest[:8], 16))
    text = initial_blocks(verilog.convert(top, name=manifest.name, emit_src=False,
                                          strip_internal_attrs=True,
                                          platform=DEVICES[options.target]))
    files = manifest.files
    write_whole(Path(directory), {
        **{file.name: file.read_bytes() for file in _models(options)},
        files.verilog: text.encode(), f"{manifest.name}.json": manifest.text().encode(),
        files.tensors: _npz(program.tensors), files.core: _core(manifest).encode(),
        files.waiver: _waiver(files.verilog).encode(),
    })
    return manifest


def _models(options):
    return DEVICES[options.target].models


def initial_blocks(text):
    """Verilog with initial values in blocks instead of declarations.

    A declaration with a value makes no event in SystemVerilog, so that `always @*` blocks that
    depend on it alone would never run in Icarus Verilog.
    """
    return re.sub(r"^( *)(reg (?:\[\d+:0\] )?)(\S+) +?= (\S+);$", r"\1\2\3 ;\n\1initial \3 = \4;",
                  text, flags=re.MULTILINE)


def write_whole(directory, contents):
    """Write files (name: bytes) so that each appears whole, after all of them could be written."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".") as scratch:
        for name, content in contents.items():
            (Path(scratch) / name).write_bytes(content)
        for name in contents:
            os.replace(Path(scratch) / name, directory / name)


def _npz(tensors):
    """The tensors in npz format, without the time of day that `numpy.savez` writes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(tensors):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asarray(tensors[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), entry.getvalue())
    return buffer.getvalue()


def _core(manifest):
    """A FuseSoC core (CAPI2) with a target to lint and, for a device family, one to synthesise."""
    tool = TOOLS[manifest.target]
    synth = f"""
  synth:
    filesets: [rtl]
    toplevel: {manifest.name}
    default_tool: {tool}
""" if tool else ""
    models = f"""
  models:
    files: [{", ".join(manifest.files.models)}]
    file_type: verilogSource
""" if manifest.files.models else ""
    simulated = "rtl, models" if models else "rtl"
    return f"""CAPI=2:
name: polyphase:engines:{manifest.name}:{manifest.generator}
description: {manifest.layer["op"]} engine, digest {manifest.digest[:16]}

filesets:
  rtl:
    files: [{manifest.files.verilog}]
    file_type: verilogSource{models.rstrip()}
  waiver:
    files: [{manifest.files.waiver}]
    file_type: vlt

targets:
  default: &default
    filesets: [{simulated}]
    toplevel: {manifest.name}
  lint:
    <<: *default
    filesets: [waiver, {simulated}]
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
{synth}"""


def _waiver(verilog_name):
    rules = "".join(f'// {reason}\nlint_off -rule {rule} -file "*{verilog_name}"\n'
                    for rule, reason in WAIVED.items())
    return "`verilator_config\n" + rules
