"""The options: what they mean, and one clear line for each that is wrong."""

import pytest

from hw.gen import app
from hw.layers import Conv2d, ConvTranspose2d, SubPixelConv2d
from hw.options import Options, run

OPS = ("op must be 'conv_transpose2d', 'conv2d', 'sub_pixel_conv2d', 'resize2d', "
       "'resize_conv2d', 'separable_conv_transpose2d' or 'bilinear_conv2d', not 'deconv'")
WRONG = [
    ("--spram", "loadable must be True where spram is set, not False"),
    ("--spram --loadable", "target must be ice40 where spram is set, not 'generic'"),
    ("--spram --loadable --target ice40 --cin 4 --cout 4 --pi 4 --po 4",
     ("spram must be False where weights need more than 4 single-port memories, and these need 16, "
      "not True")),
    ("--k 0", "kernel_size must be a whole number in 1..64, not 0"),
    ("--k 4x", "k must be whole numbers separated by commas, not '4x'"),
    ("--k 1,2,3", "k must be N or VERTICAL,HORIZONTAL, not 1,2,3"),
    ("--k 65", "kernel_size must be a whole number in 1..64, not 65"),
    ("--s 0", "stride must be a whole number in 1..32, not 0"),
    ("--p -1", "padding must be a whole number at least 0, not -1"),
    ("--p 1,2,3", "p must be N, VERTICAL,HORIZONTAL or TOP,BOTTOM,LEFT,RIGHT, not 1,2,3"),
    ("--p 90", "padding must leave at least one output pixel, but a 64x64 input gives -50x-50"),
    ("--op-pad 2", "output_padding must be smaller than stride or dilation (2, 1), not 2"),
    ("--op conv2d --op-pad 1", "op_pad must not be given for conv2d, not (1,)"),
    ("--op resize2d --k 3", "k must not be given for resize2d, not (3,)"),
    ("--op resize2d --loadable",
     "loadable must be False for resize2d, which has no weights, not True"),
    ("--op resize2d --weights random", "weights must be auto or a file for resize2d, not 'random'"),
    ("--op resize2d --mode bilinear --s 6 --requant compact",
     "scale_factor must be one that requantisation (compact) divides by exactly, not (6, 6)"),
    ("--op conv2d --s 2 --px 2",
     "px must be 1 where a convolution has a stride, or the edges are repeated, not 2"),
    ("--op sub_pixel_conv2d --s 2,3", "s must be one factor for sub_pixel_conv2d, not 2,3"),
    ("--op deconv", OPS),
    ("--groups 3", "groups must divide in_channels (1), not 3"),
    ("--cin x", "cin must be a valid integer, unable to parse string as an integer, not 'x'"),
    ("--cin 0", "in_channels must be a whole number at least 1, not 0"),
    ("--pi 2", "pi must be at most in_channels/groups (1), not 2"),
    ("--po 2", "po must be at most out_channels (1), not 2"),
    ("--px 0", "px must be a whole number at least 1, not 0"),
    ("--cout 4 --px 2", ("px must be 1 unless po covers all output channels (4), not px = 2 with "
                        "po = 1")),
    ("--cin 6 --cout 6 --groups 3 --po 3 --pi 2",
     ("po beyond out_channels/groups (2) must be a multiple of it with pi = "
      "in_channels/groups (2), not po = 3, pi = 2")),
    ("--height 0", "height must be at least 1, not 0"),
    ("--weight-bits 17", "weight_bits must be a whole number in 2..16, not 17"),
    ("--dtype int32", "dtype must be one of uint4 to uint16 and int4 to int16, not 'int32'"),
    ("--output-dtype half",
     "output_dtype must be one of uint4 to uint16 and int4 to int16, not 'half'"),
    ("--dtype uint16 --target ice40",
     ("dtype and input_zero_point must make operands that fit a multiplier of the target ice40, "
      "but uint16 and 0 make 17 bits")),
    ("--activation mish", ("activation must be one of none, relu, clamp, leaky_relu, prelu, tanh, "
                          "sigmoid, hard_sigmoid, not 'mish'")),
    ("--activation clamp:1", "activation clamp takes 2 parameters, not 1"),
    ("--activation clamp:a:b", "activation must have numbers after its colons, not 'clamp:a:b'"),
    ("--activation clamp:5:1", "activation clamp must have its lower bound first, not (5.0, 1.0)"),
    ("--activation prelu", "weights must hold slope for the activation prelu"),
    ("--requant tflite",
     "requant must be 'onnxruntime', 'compact' or 'tflite-reference', not 'tflite'"),
    ("--requant compact --multiplier-bits 3",
     "multiplier_bits must be a whole number in 8..24, not 3"),
    ("--target xilinx", "target must be 'generic', 'ecp5' or 'ice40', not 'xilinx'"),
    ("--name 9x", "name must be a Verilog identifier, not '9x'"),
    ("--name small", "name must be a Verilog identifier, not 'small'"),
    ("--weights nothing.npz",
     "weights must be auto, bilinear, random or a file that exists, not 'nothing.npz'"),
    ("--weights bilinear --cin 2", ("weights must be random or a file unless op is "
                                   "conv_transpose2d with groups = cin = cout, not 'bilinear'")),
    ("nothing.toml", "file must exist, not 'nothing.toml'"),
    ("--frobnicate 1", "No such option: --frobnicate"),
]


@pytest.mark.parametrize("arguments, message", WRONG, ids=[a for a, _ in WRONG])
def test_wrong_options(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gen", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        run(app)
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.err.splitlines() == [f"error: {message}"]
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text, message", [
    ("k = ", "file must be TOML"),
    ("kernel = 3", "kernel must be one of op, k, s, p"),
    ('k = "a"', "k must be whole numbers separated by commas, not 'a'"),
    ("k = {a = 1}", "k must be whole numbers separated by commas"),
    ("k = 3.9", "k must be whole numbers separated by commas, not 3.9"),
    ("k = []", "k must be whole numbers separated by commas, not []"),
    ("pi = true", "pi must be a whole number, not True"),
    ("pi = 2.0", "pi must be a whole number, not 2.0"),
])
def test_wrong_files(text, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "layer.toml").write_text(text)
    monkeypatch.setattr("sys.argv", ["gen", str(tmp_path / "layer.toml")])
    with pytest.raises(SystemExit) as stop:
        run(app)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_command_line_outranks_file(tmp_path):
    path = tmp_path / "layer.toml"
    path.write_text('k = [3, 5]\ns = 2\nweights = "mine.npz"\n')
    options = Options.read(path, {"s": "3"})
    assert (options.k, options.s) == ((3, 5), (3,))
    assert options.weights == str(tmp_path / "mine.npz")


@pytest.mark.parametrize("k", range(1, 12))
@pytest.mark.parametrize("s", range(1, 6))
def test_by_default_the_output_is_stride_times_the_input(k, s):
    for op in ("conv_transpose2d", "sub_pixel_conv2d"):
        layer = Options(op=op, k=k, s=s).layer()
        assert layer.output_size(7, 9) == (7 * s, 9 * s)
    assert Options(op="conv2d", k=k).layer().output_size(7, 9) == (7, 9)


def test_layers():
    assert Options(k="3,5", s="2,3", p="1,2,3,4", op_pad="1,2", dilation=2, cin=4, cout=6,
                   groups=2).layer() == ConvTranspose2d(
        in_channels=4, out_channels=6, kernel_size=(3, 5), stride=(2, 3),
        padding=((1, 2), (3, 4)), output_padding=(1, 2), dilation=2, groups=2)
    assert Options(op="conv2d", k=3, p="1,0").layer() == Conv2d(
        in_channels=1, out_channels=1, kernel_size=3, padding=((1, 1), (0, 0)))
    assert Options(op="sub_pixel_conv2d", s=3, k=4, order="DCR").layer() == SubPixelConv2d(
        in_channels=1, out_channels=1, kernel_size=4, padding=((1, 2), (1, 2)), upscale_factor=3,
        order="DCR")


def test_name():
    assert Options().module_name() == "conv_transpose2d_k4_s2"
    assert Options(k=(3, 5), s=(2, 1)).module_name() == "conv_transpose2d_k3x5_s2x1"
