"""The closed forms of the peers against the numbers that they published or that others computed."""

import pytest

from bench.layers import CASES
from bench.peers import YOUNGYANG_CYCLES, best, compare, mm2im, pixel_padding, rev2d
from hw.layers import ConvTranspose2d


def layer(cin, cout, kernel, stride, padding, **others):
    return ConvTranspose2d(in_channels=cin, out_channels=cout, kernel_size=kernel, stride=stride,
                           padding=padding, **others)


ESPCN = layer(32, 3, 6, 2, 2), 128, 128
DCGAN = [(layer(2 * n, n, 4, 2, 1), 2048 // n, 2048 // n) for n in (512, 256, 128)]


@pytest.mark.parametrize(("shape", "pe", "simd", "expected"), [
    (ESPCN, 3, 4, (4_737_758, 4_718_592, 18_874_368)),
    (ESPCN, 3, 32, (651_886, 589_824, 2_359_296)),
    (DCGAN[0], 16, 16, (403_506, 729_088, 2_097_152)),
    (DCGAN[1], 16, 16, (465_030, 624_640, 2_097_152)),
    (DCGAN[2], 16, 16, (500_526, 573_952, 2_097_152)),
    ((layer(128, 3, 4, 2, 1), 32, 32), 3, 32, (68_238, 68_624, 262_144)),
    ((layer(16, 1, 9, 4, 4), 180, 320), 1, 16, (5_549_019, None, 74_164_329)),
    ((layer(2, 3, 4, 2, 1), 8, 8), 1, 1, (6_302, 7_320, 24_576)),
])
def test_table_of_layers(shape, pe, simd, expected):
    assert tuple(peer(*shape, pe=pe, simd=simd)
                 for peer in (mm2im, rev2d, pixel_padding)) == expected


# deconv_sweep_results.json of github.com/judeharis/finn: cycles of their RTL simulation
@pytest.mark.parametrize(("shape", "fold", "expected", "simulated"), [
    ((layer(2, 3, 4, 2, 1), 8, 8), 1, 7_320, 7_350),
    ((layer(2, 3, 4, 2, 2), 8, 8), 1, 4_704, 4_733),
    ((layer(2, 3, 4, 2, 1), 4, 4), 1, 2_136, 2_158),
    ((layer(2, 3, 4, 2, 1), 4, 8), 1, 3_864, 3_894),
    ((layer(2, 3, 6, 2, 2), 8, 8), 1, 13_824, 13_866),
    ((layer(2, 3, 6, 2, 2), 4, 4), 1, 3_456, 3_482),
    ((layer(4, 4, 4, 2, 1), 8, 8), 2, 4_880, 4_911),
])
def test_rev2d_as_simulated(shape, fold, expected, simulated):
    cycles = rev2d(*shape, pe=fold, simd=fold)
    assert cycles == expected
    assert cycles < simulated <= 1.015 * cycles


def test_mm2im_with_and_without_skipping():
    shape = layer(8, 3, 6, 2, 2), 8, 8
    assert mm2im(*shape, pe=3, simd=4) == 4_262
    assert mm2im(*shape, pe=3, simd=4, skip=False) == 4_966


def test_what_peers_cannot_run():
    assert rev2d(layer(8, 8, 3, 2, 1), 8, 8, pe=1, simd=1) is None, "the stride divides the kernel"
    assert rev2d(layer(8, 8, 4, 2, 1), 8, 8, pe=3, simd=1) is None, "pe divides the channels"
    for peer in (rev2d, pixel_padding):
        assert peer(layer(8, 8, 4, 2, ((1, 2), (1, 2))), 8, 8, pe=1, simd=1) is None
    for peer in (mm2im, rev2d, pixel_padding):
        assert peer(layer(8, 8, 4, 2, 1, output_padding=1), 8, 8, pe=1, simd=1) is None
        assert peer(layer(8, 8, 4, 2, 1, groups=2), 8, 8, pe=1, simd=1) is None
        assert peer(layer(8, 8, (4, 6), 2, 1), 8, 8, pe=1, simd=1) is None


def test_best_folding_is_listed_where_it_is_better():
    shape = DCGAN[0]
    assert best(mm2im, *shape, 256) == mm2im(*shape, pe=256, simd=1) == 401_586
    assert compare(*shape, pe=16, simd=16) == {
        "FINN rev2d": 729_088, "MM2IM": 403_506, "MM2IM, best folding": 401_586,
        "FINN pixel padding": 2_097_152}
    assert compare(layer(16, 1, 9, 4, 4), 180, 320, pe=9, simd=16) == {}


def test_every_layer_has_its_published_peer():
    lowest = {case.name: min((cycles for name, cycles in case.peers.items()
                              if "best folding" not in name), default=None) for case in CASES}
    assert lowest == {
        "ESPCN": 4_718_592, "ESPCN wide": 589_824, "DCGAN 4x4": 403_506, "DCGAN 8x8": 465_030,
        "DCGAN 16x16": 500_526, "DCGAN 32x32": 68_238, "FSRCNN": 5_549_019,
        "FSRCNN wide": YOUNGYANG_CYCLES, "one multiplier": 6_302,
    } | {name: lowest[name] for name in lowest if name.startswith(("ragged", "K9"))}
