"""Broken streams: one frame is spoiled, its error bit is set, all later frames are right."""

import contextlib

import numpy as np
import pytest

from sim.compiled import CompiledModel

LAYER = {"cin": 2, "cout": 2, "k": 4, "s": 2, "pi": 1, "po": 2, "height": 4, "width": 5}
ERRORS = ("line_early", "line_late", "frame_early", "no_start")


def frames_of(beats, first, last, design):
    """What the engine makes of any beats: (frames of codes, names of errors), by its contract."""
    frame, words = design.frame, len(design.manifest.input.channels)
    line, size = frame.width * words, frame.height * frame.width * words
    frames, errors, current, lost = [], set(), None, False
    for data, is_first, is_last in zip(beats, first, last):
        if is_first:
            if current is not None:
                errors.add("frame_early")
                frames.append(current)
            current = []
        elif current is None:
            if not lost:
                errors.add("no_start")
            lost = True
            continue
        current.append(data)
        end = len(current) % line == 0
        lost = bool(is_last != end)
        if lost:
            errors.add("line_late" if end else "line_early")
        if lost or len(current) == size:
            frames.append(current)
            current = None
    channels = np.ravel(design.manifest.input.channels)
    codes = []
    for received in frames:
        words_in = np.zeros((size, len(received[0])), dtype=np.int64)
        words_in[:len(received)] = received
        pixels = words_in.reshape(frame.height, frame.width, -1).transpose(2, 0, 1)
        codes.append(pixels[np.argsort(channels)])
    return codes, errors


def spoil(rng, parts):
    """Change good beats in one of the ways in which a stream goes wrong."""
    beats, first, last = (p.copy() for p in parts)
    place = int(rng.integers(len(beats)))
    match rng.integers(6):
        case 0:                                                     # beats are lost
            keep = np.ones(len(beats), bool)
            keep[place:place + int(rng.integers(1, 12))] = False
            return beats[keep], first[keep], last[keep]
        case 1:                                                     # a beat comes twice
            order = np.sort(np.append(np.arange(len(beats)), place))
            return beats[order], first[order], last[order]
        case 2:
            last[place] ^= True
        case 3:
            first[place] ^= True
        case 4:                                                     # the frame is broken off
            return beats[:place + 1], first[:place + 1], last[:place + 1]
        case 5:                                                     # it goes on after its end
            order = np.append(np.arange(len(beats)), rng.integers(1, len(beats), 3))
            return beats[order], first[order], last[order]
    return beats, first, last


def status_errors(model, design):
    registers = {r.name: r.address for r in design.manifest.registers}
    bits = model.read(registers["status"]) >> 8
    return {name for n, name in enumerate(design.manifest.errors) if bits >> n & 1}


def stream(model, parts, **options):
    return model.stream(*(np.concatenate(p) for p in zip(*parts)), **options)


@pytest.mark.parametrize("op", ("conv_transpose2d", "separable_conv_transpose2d"))
def test_every_error_and_every_later_frame(generate, model_cache, op):
    design = generate(**LAYER, op=op)
    rng = np.random.default_rng(5)
    seen = set()
    for stalls in range(2):
        with CompiledModel(design.verilog, top=design.manifest.name, weights=False,
                           cache=model_cache) as model:
            parts = []
            for _ in range(120):
                good = design.input_beats(design.random_frame(rng))
                parts.append(spoil(rng, good) if rng.random() < 0.6 else good)
            parts.append(design.input_beats(design.random_frame(rng)))
            beats, first, last = (np.concatenate(p) for p in zip(*parts))
            frames, errors = frames_of(beats, first, last, design)
            count = design.output_beat_count(4, 5)
            result = model.stream(
                beats, first, last, expect=count * len(frames), timeout=5000,
                gaps=rng.integers(0, 4, len(beats)) if stalls else None,
                ready=rng.random(101) < 0.7 if stalls else None)
            for number, codes in enumerate(frames):
                got = design.output_codes(result.data[number * count:(number + 1) * count], 4, 5)
                assert np.array_equal(got, design.expected_codes(codes)), f"frame {number}"
            assert status_errors(model, design) == errors
            model.idle(100)
            assert not model.stalled
            registers = {r.name: r.address for r in design.manifest.registers}
            assert model.read(registers["frames"]) == len(frames)
            model.write(registers["status"], 0xFFFFFFFF)
            assert status_errors(model, design) == set()
            seen |= errors
    assert seen == set(ERRORS)


@pytest.mark.parametrize("skip_zeros", [False, True])
def test_reset_at_any_moment(generate, model_cache, skip_zeros):
    design = generate(**LAYER, skip_zeros=skip_zeros)
    rng = np.random.default_rng(6)
    count = design.output_beat_count(4, 5)
    with CompiledModel(design.verilog, top=design.manifest.name, weights=False,
                       cache=model_cache) as model:
        for _ in range(60):
            frames = [design.random_frame(rng) for _ in range(2)]
            length = int(rng.integers(1, 80))
            broken = [np.concatenate(p)[:length] for p in zip(*map(design.input_beats, frames))]
            with contextlib.suppress(TimeoutError):  # the output is not taken, so it may be stuck
                model.stream(*broken, expect=0, timeout=150)
            model.idle(int(rng.integers(0, 120)))
            model.reset(int(rng.integers(1, 4)))
            codes = design.random_frame(rng)
            result = model.stream(*design.input_beats(codes), expect=count, timeout=5000)
            assert np.array_equal(design.output_codes(result.data, 4, 5),
                                  design.expected_codes(codes))
            assert status_errors(model, design) == set()


def test_data_before_configuration(generate, model_cache):
    design = generate(**LAYER, loadable=True)
    rng = np.random.default_rng(7)
    codes = design.random_frame(rng)
    with CompiledModel(design.verilog, top=design.manifest.name, weights=True,
                       cache=model_cache) as model:
        model.stream(*design.input_beats(codes), expect=0)
        model.idle(300)
        assert not model.stalled
        assert status_errors(model, design) == {"not_configured"}
        model.load(design.weight_beats())
        result = model.stream(*design.input_beats(codes), timeout=5000,
                              expect=design.output_beat_count(4, 5))
        assert np.array_equal(design.output_codes(result.data, 4, 5), design.expected_codes(codes))


def test_frame_size_outside_what_was_generated(generate, model_cache):
    design = generate(**LAYER)
    registers = {r.name: r.address for r in design.manifest.registers}
    with CompiledModel(design.verilog, top=design.manifest.name, weights=False,
                       cache=model_cache) as model:
        for name, bad in (("height", 0), ("height", 5), ("width", 6), ("width", 2**31)):
            before = model.read(registers[name])
            model.write(registers[name], bad)
            assert model.read(registers[name]) == before
            assert status_errors(model, design) == {"geometry"}
            model.write(registers["status"], 0xFFFFFFFF)
        for name in ("identity", "clock"):
            with pytest.raises(RuntimeError, match="SLVERR"):
                model.write(registers[name], 1)
        with pytest.raises(RuntimeError, match="SLVERR"):
            model.read(0x3C)
