"""A whole picture through the Verilog."""

import numpy as np
import pytest
from PIL import Image

from hw.options import run
from sim import image
from sim.image import app
from sim.picture import beside, read_picture


@pytest.fixture
def call(monkeypatch, tmp_path, model_cache, capsys):
    """Function that runs the command in an empty folder: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYPHASE_CACHE", str(model_cache))

    def invoke(*arguments):
        monkeypatch.setattr("sys.argv", ["image", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            run(app)
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err
    return invoke


def save(path, height, width, mode="RGB"):
    rng = np.random.default_rng(height)
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8), mode).save(path)


def test_colour_by_default_each_channel_by_itself(call, tmp_path):
    save(tmp_path / "small.png", 12, 17)
    code, out, _ = call("small.png", "-o", "sub/big.png", "--side-by-side", "both.png")
    assert code == 0
    assert "17x12 to 34x24, all 2,448 values equal to golden" in out
    big = read_picture(tmp_path / "sub" / "big.png").transpose(1, 2, 0)
    assert big.shape == (24, 34, 3)
    # bilinear: the inner pixels are 9/16, 3/16, 3/16, 1/16 of their neighbours
    small = read_picture(tmp_path / "small.png").transpose(1, 2, 0).astype(int)
    wanted = (9 * small[3, 4] + 3 * small[2, 4] + 3 * small[3, 3] + small[2, 3]) / 16
    assert (abs(big[6, 8] - wanted) <= 0.5).all()
    assert read_picture(tmp_path / "both.png").shape == (3, 24, 34 * 2 + 4)


@pytest.mark.parametrize("op", ("resize2d", "separable_conv_transpose2d"))
def test_colour_of_a_layer_without_groups(call, tmp_path, op):
    save(tmp_path / "small.png", 4, 5)
    code, out, _ = call("small.png", "--op", op)
    assert code == 0
    assert "all 240 values" in out


def test_one_channel_layer_takes_the_channels_as_frames(call, tmp_path):
    save(tmp_path / "small.png", 6, 5)
    code, out, _ = call("small.png", "--cin", 1, "--dtype", "int8", "--loadable", "--px", 2)
    assert code == 0
    assert "all 360 values" in out


def test_wide_codes_are_the_same_picture(call, tmp_path):
    save(tmp_path / "small.png", 6, 5)
    pictures = []
    for formats in ((), ("--dtype", "uint16", "--output-dtype", "uint12")):
        code, out, _ = call("small.png", *formats)
        assert code == 0 and "all 360 values" in out
        pictures.append(read_picture(tmp_path / "big.png").astype(int))
    assert abs(pictures[0] - pictures[1]).max() <= 1


def test_grey_with_a_larger_generated_frame(call, tmp_path):
    save(tmp_path / "small.png", 6, 5, "L")
    code, out, _ = call("small.png", "--height", 9, "--width", 8)
    assert code == 0
    assert "5x6 to 10x12" in out


@pytest.mark.parametrize("arguments, message", [
    (["none.png"], "photo must be a file that exists, not 'none.png'"),
    (["text.png"], "photo must be a picture that Pillow can read, not 'text.png'"),
    (["small.png", "--cin", "2"], "cin must be 1 or the channels of the picture (3), not 2"),
    (["small.png", "--cin", "3", "--cout", "2"], "cout must be 1 or 3 to make a picture, not 2"),
    (["small.png", "--height", "3"], "picture must be at most 5x3, not 5x6"),
    (["wide.png"], "photo must be at most 8192 pixels a side, not 9000x1"),
])
def test_wrong_input(call, tmp_path, arguments, message):
    save(tmp_path / "small.png", 6, 5)
    save(tmp_path / "wide.png", 1, 9000, "L")
    (tmp_path / "text.png").write_text("no picture")
    code, _, err = call(*arguments)
    assert code == 2
    assert err == f"error: {message}\n"
    assert not (tmp_path / "big.png").exists()


def test_a_wrong_pixel_is_found(call, tmp_path, monkeypatch):
    save(tmp_path / "small.png", 6, 5)
    truth = image.Design.expected_codes

    def wrong(self, codes):
        changed = truth(self, codes).copy()
        changed[1, 2, 3] += 1
        return changed
    monkeypatch.setattr(image.Design, "expected_codes", wrong)
    code, _, err = call("small.png")
    assert code == 1
    assert "1 of 360 pixels differ from golden, the first in frame 0, channel 1, row 2, column 3" \
        in err
    assert not (tmp_path / "big.png").exists()


def test_pictures():
    assert read_picture("astronaut").shape == (3, 512, 512)
    assert beside(np.zeros((1, 2, 2), np.uint8), np.zeros((1, 4, 6), np.uint8)).shape == (1, 4, 16)
