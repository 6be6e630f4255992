"""The pictures: well-formed, inside the page, and true; those in docs are what hw.gen draws."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sample_programs import convolution, sub_pixel, transposed

from hw.gen import app
from hw.layers import Resize2d, ResizeConv2d
from hw.options import Options, run
from hw.phase_view import PhaseView
from hw.picture import draw, write_picture

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
DRAWN = {  # file in docs/pictures: what hw.gen was given
    "k4_s2": "--k 4 --s 2",
    "k3_s2": "--k 3 --s 2",
    "k9_s3": "--k 9 --s 3 --cin 16",
    "k64_s32": "--k 64 --s 32",
    "resize_conv2d_k3_s2": "--op resize_conv2d --k 3 --s 2 --cin 4",
    "sub_pixel_k3_s2": "--op sub_pixel_conv2d --k 3 --s 2 --cin 4",
}


def resized(**more):
    return ResizeConv2d(in_channels=4, out_channels=4, **more)


LAYERS = {
    "smaller than the stride": transposed(kernel=2, stride=3, padding=0),
    "one pixel": transposed(kernel=1, stride=1, padding=0),
    "pairs": transposed(4, 6, (3, 9), (4, 1), ((1, 0), (4, 3)), groups=2),
    "dilated": transposed(2, 2, (3, 4), (2, 3), (1, 2), dilation=(2, 5), output_padding=1),
    "padding beyond the kernel": transposed(kernel=3, stride=2, padding=9),
    "largest of both axes": transposed(1024, 1024, 9, 4, 0),
    "beyond both axes": transposed(1024, 1024, 10, 5),
    "rows only": transposed(kernel=(11, 3), stride=(3, 2)),
    "largest": transposed(kernel=64, stride=32, padding=16),
    "largest, dense": transposed(kernel=64, stride=2, padding=0),
    "convolution": convolution(3, 5, (3, 5), ((1, 1), (2, 0)), dilation=(3, 1)),
    "large convolution": convolution(1, 1, 64, 0),
    "sub-pixel": sub_pixel(4, 2, 9, 4, 4),
    "sub-pixel in groups": sub_pixel(4, 4, groups=2, order="DCR"),
    "large sub-pixel": sub_pixel(1, 1, 5, 2, 8),
    "strided": convolution(3, 5, (3, 5), stride=(2, 3)),
    "large and strided": convolution(1, 1, 64, stride=32),
    "nearest": resized(kernel_size=3, padding=1),
    "nearest, largest of both axes": resized(kernel_size=9, padding=4, scale_factor=4),
    "nearest in pairs": resized(kernel_size=(2, 5), padding=((0, 2), (9, 1)), scale_factor=(3, 1)),
    "nearest, dilated": resized(kernel_size=4, dilation=(3, 2)),
    "nearest, one axis": resized(kernel_size=20, scale_factor=(2, 5)),
    "nearest, largest": resized(kernel_size=64, scale_factor=32),
    "bilinear": resized(kernel_size=3, mode="bilinear"),
    "bilinear alone": Resize2d(in_channels=3, out_channels=3, mode="bilinear"),
    "bilinear alone, one axis": Resize2d(in_channels=3, out_channels=3, mode="bilinear",
                                         scale_factor=(1, 7), coordinates="align_corners"),
    "nearest alone": Resize2d(in_channels=3, out_channels=3),
}


view_of = cache(PhaseView)


def generate(arguments, monkeypatch):
    """Run hw.gen for a small frame; returns the exit code."""
    monkeypatch.setattr("sys.argv", ["hw.gen", "--height", "2", "--width", "2",
                                     *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        run(app)
    return stop.value.code


def elements(text, name):
    return ET.fromstring(text).iter(f"{{http://www.w3.org/2000/svg}}{name}")


def prose(text):
    """All texts of a picture, without line breaks."""
    return " ".join(e.text for e in elements(text, "text"))


def labels(text):
    return [e.text for e in elements(text, "text") if e.get("class").startswith("cell")]


@pytest.mark.parametrize("name, arguments", DRAWN.items(), ids=DRAWN)
def test_the_pictures_in_docs_are_up_to_date(name, arguments, tmp_path, monkeypatch):
    drawn = tmp_path / f"{name}.svg"
    options = Options.read(None, dict(re.findall(r"--(\S+) (\S+)", arguments)))
    write_picture(options.layer(), drawn)
    assert drawn.read_bytes() == (PICTURES / f"{name}.svg").read_bytes()


def test_no_other_pictures():
    assert {path.stem for path in PICTURES.iterdir()} == set(DRAWN)


def test_hw_gen_draws(tmp_path, monkeypatch):
    path = tmp_path / "new" / "layer.svg"
    assert not generate(["-o", tmp_path / "engine", "--picture", path], monkeypatch)
    assert path.read_text() == draw(transposed())
    assert [p.name for p in path.parent.iterdir()] == ["layer.svg"]


@pytest.mark.parametrize("name", ("layer.png", "layer", ".svg"))
def test_other_suffixes_are_refused(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert generate(["--picture", name], monkeypatch) == 2
    assert capsys.readouterr().err == f"error: picture must end in .svg, not '{name}'\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_everything_is_on_the_page(layer):
    text = draw(layer)
    root = ET.fromstring(text)
    width, height = int(root.get("width")), int(root.get("height"))
    assert root.get("viewBox") == f"0 0 {width} {height}" and width == 880
    for rectangle in elements(text, "rect"):
        x, y, w, h = (int(rectangle.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + w <= width and 0 <= y < y + h <= height
    for line in elements(text, "text"):
        x, y = int(line.get("x")), int(line.get("y"))
        assert line.text and 0 < y < height
        if line.get("class") == "text":  # from x to the right
            assert 0 < x < x + 6.5 * len(line.text) < width, line.text


@pytest.mark.parametrize("name", [name for name in LAYERS if "alone" not in name])
@pytest.mark.parametrize("axis", (0, 1))
def test_kernel_indices(name, axis):
    layer, view = LAYERS[name], view_of(LAYERS[name])
    dilation, padding = layer.dilation[axis], layer.padding[axis][0]
    for phase in range(view.phases[axis]):
        found = {(offset, k) for offset, kernels in zip(view.offsets[axis][phase],
                                                        view.kernels[axis][phase])
                 for k in kernels}
        if layer.op == "conv_transpose2d":
            stride = layer.stride[axis]
            expected = {(o, k) for o in range(-400, 400) for k in range(layer.kernel_size[axis])
                        if stride * o + k * dilation == phase + padding}
        else:
            # a convolution, of an image that has several pixels for one where there are phases
            factor = getattr(layer, "scale_factor", (1, 1))[axis]
            start, shares = (phase, layer.shares(axis)) if factor > 1 else (0, [{0: 1}])
            expected = {((start + k * dilation - padding) // factor + offset, k)
                        for k in range(layer.kernel_size[axis])
                        for offset in shares[(start + k * dilation - padding) % factor]}
        assert found == expected


@pytest.mark.parametrize("name", [name for name, layer in LAYERS.items()
                                  if layer.op == "conv_transpose2d"])
def test_what_a_naive_engine_multiplies(name):
    view = view_of(LAYERS[name])
    for axis in 0, 1:
        stride = view.phases[axis]
        pixels = np.arange(1, 400)
        inserted = np.zeros(stride * len(pixels), int)
        inserted[::stride] = pixels
        origin = 200
        for phase in range(stride):
            for position, _ in view.enlarged(axis, phase):
                offset = view.pixel(axis, position)
                met = inserted[stride * origin + position]
                assert met == (0 if offset is None else pixels[origin + offset])
            useful = sum(view.pixel(axis, n) is not None for n, _ in view.enlarged(axis, phase))
            assert useful == len(view.offsets[axis][phase])


def test_what_a_naive_engine_repeats():
    view = view_of(LAYERS["nearest in pairs"])
    repeated = np.repeat(np.arange(-100, 100), 3)
    assert view.repeats and not view.zeros
    for phase in range(3):
        met = {}
        for position, k in view.enlarged(0, phase):
            assert repeated[300 + position] == view.pixel(0, position)
            met.setdefault(view.pixel(0, position), []).append(k)
        assert list(met) == list(view.offsets[0][phase])
        assert list(met.values()) == view.kernels[0][phase]


@pytest.mark.parametrize("kernel, stride", ((4, 2), (3, 2), (5, 3), (9, 3), (9, 4), (2, 3)))
def test_each_weight_is_in_one_phase(kernel, stride):
    layer = transposed(kernel=kernel, stride=stride, padding=0)
    text = draw(layer)
    drawn = Counter(label for label in labels(text) if re.fullmatch(r"\d,\d", label))
    view = view_of(layer)
    busiest = [view.kernels[axis][view.busiest(axis)] for axis in (0, 1)]
    naive = Counter(f"{ky},{kx}" for (ky,) in busiest[0] for (kx,) in busiest[1])
    everyone = Counter(f"{ky},{kx}" for ky in range(kernel) for kx in range(kernel))
    assert drawn == everyone + naive
    zeros = sum(e.get("fill") == "url(#zero)" for e in elements(text, "rect"))
    inside = kernel**2 - sum(naive.values())
    assert zeros >= inside
    assert f"{inside} of {kernel**2} are × 0" in prose(text)
    assert f": {kernel**2:,} over all" in prose(text)
    assert f"{(kernel * stride)**2:,} with the inserted zeros" in prose(text)


def test_costs():
    text = prose(draw(transposed(32, 16, 3, groups=2)))
    for line in ("1 tap × 16 = 16 MACs", "2 taps × 16 = 32 MACs", "4 taps × 16 = 64 MACs",
                 ("MACs of an output channel, taps × input channels: 144 over all 2 × 2 phases, "
                  "576 with the inserted zeros.")):
        assert line in text
    text = draw(sub_pixel(4, 1))
    assert "All 4 phases, own weights" in text and "9 taps × 4 = 36 MACs" in text
    assert "One phase" in draw(convolution(1, 1))


def test_merged_taps():
    text = prose(draw(LAYERS["nearest"]))
    assert "phase 0, 0: 9 taps, 4 pixels" in text and text.count("4 taps × 4 = 16 MACs") == 4
    assert "64 over all 2 × 2 phases, 144 on the enlarged image." in text
    found = labels(draw(LAYERS["nearest"]))
    # in each phase one tap of one weight, two of two, one of four, and the naive one's single ones
    assert Counter(label for label in found if "+" in label and label[0] not in "ij") == Counter(
        {"0+1": 8, "1+2": 8})


def test_shares():
    text = draw(LAYERS["bilinear alone"])
    drawn = Counter(int(label) for label in labels(text) if label.isdigit())
    assert drawn == Counter([1, 3, 3, 9] * 4 + [4] * 16)
    assert "in parts of 16." in text and "4 taps × 1 = 4 MACs" in text


def test_steps():
    found = labels(draw(LAYERS["strided"]))
    assert "2i−1" in [e.text for e in elements(draw(LAYERS["strided"]), "text")]
    assert "3j−1" in found and "3j+3" in found


def test_large_layers_have_one_axis():
    text = draw(LAYERS["rows only"])
    assert "Only rows are drawn: kernel above 9 or more than 4 phases an axis." in text
    assert "i−1" in labels(text) and "j−1" not in labels(text)
    text = draw(LAYERS["largest"])
    assert "Only columns are drawn" in text
    drawn = Counter(int(label) for label in labels(text) if label.isdigit())
    assert drawn == Counter(range(64)) + Counter((16, 48))
