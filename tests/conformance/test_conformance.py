"""Cases of others: the quick form, and that it finds what is wrong."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance import onnx_nodes, run, tflite_vectors
from conformance.cases import (
    Case,
    Excluded,
    OutOfScope,
    cases_of,
    collected,
    integer_case,
    resize_layer,
)
from conformance.report import failures, summary, write
from conformance.run import check, options_of
from hw.export import make_program

ROOT = Path(__file__).parent.parent.parent
TRANSPOSED = {"op": "conv_transpose2d", "stride": [2, 2], "output_padding": [0, 0]}


def test_quick_form(model_cache):
    """Golden on every case, the Verilog on each kind of layer; nothing is written."""
    page = ROOT / "docs" / "conformance.md"
    before = page.read_bytes() if page.exists() else None
    done = subprocess.run([sys.executable, "-m", "conformance", "--quick"], cwd=ROOT, text=True,
                          capture_output=True,
                          env={**os.environ, "POLYPHASE_CACHE": str(model_cache)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (page.read_bytes() if page.exists() else None) == before
    total, = (line.split()[1:] for line in done.stdout.splitlines() if line.strip()[:4] == "all ")
    cases, right, wrong, refused, excluded, golden, _, verilog = (
        int(cell.replace(",", "")) for cell in total)
    assert cases == right + wrong + refused + excluded
    assert wrong == 0 and right > 600 and golden > 3_000_000 and verilog > 50_000


def small(**changes):
    """A transposed convolution of one channel: 2 x 2 pixels, kernel 2, stride 2."""
    x = np.array([[[[1, 2], [3, 4]]]])
    weight = np.array([[[[1, 2], [3, -4]]]])
    result = np.kron(x[0, 0], weight[0, 0])[None, None]
    return replace(integer_case(TRANSPOSED, x, result, weight=weight), **changes)


def off_by_one(case):
    codes = case.codes.copy()
    codes[0, 0, 1, 2] -= 1
    return replace(case, codes=codes)


def test_a_right_case(model_cache):
    outcome = check(small(), cache=model_cache)
    assert (outcome.refused, outcome.failure) == (None, None)
    assert (outcome.golden, outcome.verilog, outcome.near) == (16, 16, 0)


def test_codes_of_golden_are_compared():
    assert check(off_by_one(small()), verilog=False).failure == "golden: 1 of 16 codes differ"


def test_accumulators_are_compared():
    sums = small().accumulators + np.eye(4, dtype=int)
    assert check(small(accumulators=sums), verilog=False).failure == \
        "golden: 4 of 16 accumulators differ"


def test_codes_of_the_verilog_are_compared(model_cache, monkeypatch):
    """The Verilog is that of another weight, golden's is the case's own."""
    other = small()
    other.tensors["weight"] = other.tensors["weight"] + [[[[0, 0], [0, 1]]]]
    monkeypatch.setattr(run, "options_of", lambda case, folder: options_of(other, folder))
    assert check(small(), cache=model_cache).failure == "Verilog: 4 of 16 codes differ"


def test_shapes_are_compared():
    failure = check(small(accumulators=None, codes=small().codes[..., :3]), verilog=False).failure
    assert failure == "golden: the output has shape (1, 1, 4, 4), not (1, 1, 4, 3)"


def test_refusals_carry_the_message_of_the_generator():
    case = small(spec={**small().spec, "output_padding": [2, 2], "stride": [2, 2]})
    outcome = check(case, verilog=False)
    assert outcome.refused == \
        "output_padding must be smaller than stride or dilation (2, 1), not 2"


def test_an_error_that_says_no_rule_is_no_refusal(monkeypatch):
    def options(case, folder):
        raise ValueError("cannot reshape")
    monkeypatch.setattr(run, "options_of", options)
    assert check(small(), verilog=False).failure == "hw.gen fails: cannot reshape"


def test_float_answers_may_differ_by_one_next_to_ties_only():
    case = small()
    case.tensors["output_scale"] = 2.0
    codes = np.rint(case.accumulators / 2).astype(int)
    ties = case.accumulators % 2 == 1
    other = np.where(ties, case.accumulators - codes, codes)
    assert check(replace(case, codes=codes), verilog=False).failure is None
    assert check(replace(case, codes=other), verilog=False).failure.startswith("golden: ")
    outcome = check(replace(case, codes=other, near_ties=True), verilog=False)
    assert outcome.failure is None and outcome.near == np.count_nonzero(codes != other) > 0
    assert any("are rounded the other way next to a tie" in line for line in failures([outcome]))
    for wrong in (np.where(ties, other + 1, other), np.where(ties, other, other + 1)):
        assert check(replace(case, codes=wrong, near_ties=True), verilog=False).failure


def test_what_golden_refuses_the_generator_must_refuse(monkeypatch):
    case = small(spec={**small().spec, "dtype": "float32"})
    monkeypatch.setattr(run, "options_of", lambda _, folder: options_of(small(), folder))
    assert check(case, verilog=False).failure.startswith("golden refuses what hw.gen takes: dtype")


@pytest.mark.parametrize("x, zero_point, dtype", [
    ([0, 15], 0, "uint4"), ([0, 16], 0, "uint5"), ([-8, 7], 0, "int4"), ([-9, 7], 0, "int5"),
    ([0, 1], 255, "uint8"), ([0, 65535], 0, "uint16"), ([-1, 2**15 - 1], 0, "int16")])
def test_codes_are_as_narrow_as_possible(x, zero_point, dtype):
    case = integer_case({"op": "resize2d"}, np.array([[[x]]]), np.zeros((1, 1, 1, 2)),
                        zero_point=zero_point)
    assert case.spec["dtype"] == dtype


def test_results_beyond_16_bits_are_clipped():
    case = integer_case(TRANSPOSED, np.ones((1, 1, 1, 1)), np.full((1, 1, 2, 2), -40_000),
                        weight=np.ones((1, 1, 2, 2)))
    assert case.spec["output_dtype"] == "int16" and (case.codes == -2**15).all()
    assert (case.accumulators == -40_000).all()


@pytest.mark.parametrize("function, reason", [
    (lambda: integer_case(TRANSPOSED, np.array([[[[0.5]]]]), np.ones((1, 1, 1, 1))),
     "values are no whole numbers"),
    (lambda: integer_case(TRANSPOSED, np.ones((1, 0, 1, 1)), np.ones((1, 1, 1, 1))),
     "a tensor is empty"),
    (lambda: resize_layer("nearest", "half_pixel", (4, 4), (8, 7)),
     "the factor is no whole number"),
    (lambda: resize_layer("bilinear", "align_corners", (4, 4), (8, 8)),
     "the factor is no whole number")])
def test_what_is_out_of_scope(function, reason):
    with pytest.raises(OutOfScope, match=reason):
        function()
    assert collected("a", "b", "c", function) == Excluded(source="a", operator="b", name="c",
                                                          reason=reason)


def test_bilinear_answers_are_exact():
    """Means over 9 that PyTorch rounds: their sums are whole, and so are their roundings."""
    layer, divisor = resize_layer("bilinear", "align_corners", (2, 2), (4, 4))
    assert layer["scale_factor"] == [3, 3] and divisor == 9
    sums = np.arange(16).reshape(1, 1, 4, 4) * 3
    case = integer_case(layer, np.ones((1, 1, 2, 2)), (sums / 9).astype(np.float32), divisor=9)
    assert (case.accumulators == sums).all()
    assert case.codes.ravel().tolist() == [round(value / 9) for value in sums.ravel()]


def test_a_runtime_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.delitem(sys.modules, "conformance.litert", raising=False)
    with pytest.raises(RuntimeError, match="ai_edge_litert.* is missing.*pip install -e"):
        cases_of("litert")


def test_onnx_node_tests():
    """Which of them are cases, and why the others are not."""
    reasons = {}
    for case in onnx_nodes.collect():
        reason = case.reason if isinstance(case, Excluded) else None
        counts = reasons.setdefault(case.operator, {})
        counts[reason] = counts.get(reason, 0) + 1
    assert reasons == {
        "Conv": {None: 6}, "ConvInteger": {None: 2}, "DepthToSpace": {None: 2},
        "QLinearConv": {None: 1}, "Upsample": {None: 1},
        "ConvTranspose": {None: 10, "three dimensions": 1},
        "Resize": {None: 6, "mode is cubic": 11, "the image becomes smaller": 14,
                   "the factor is no whole number": 5,
                   "coordinates are half_pixel_symmetric": 1,
                   "nearest_mode is round_prefer_ceil with coordinates asymmetric": 1,
                   "nearest_mode is ceil with coordinates half_pixel": 1}}


def test_foldings_differ_and_fit(tmp_path):
    case = next(case for case in tflite_vectors.collect() if case.name == "TwoFiltersTest")
    foldings = set()
    for number in range(20):
        options = options_of(replace(case, name=str(number)), tmp_path)
        make_program(options)
        foldings.add((options.pi, options.po, options.px))
    assert len(foldings) > 3


def test_vectors_are_repeatable():
    first, second = (list(tflite_vectors.collect()) for _ in range(2))
    assert len(first) == 16 and len({case.name for case in first}) == 16
    for a, b in zip(first, second):
        assert isinstance(a, Case) and a.spec == b.spec and np.array_equal(a.codes, b.codes)


def test_the_page():
    right = check(replace(small(), source="ONNX node tests", operator="Up", name="right"),
                  verilog=False)
    wrong = check(replace(off_by_one(small()), source="PyTorch samples", operator="Up",
                          name="wrong"), verilog=False)
    out = Excluded(source="ONNX node tests", operator="Up", name="out", reason="3 dimensions")
    results = [right, out, wrong]
    assert summary(results)[-1] == ("all", "", "3", "1", "1", "0", "1", "16", "0", "0")
    page = write(results)
    assert "- PyTorch samples, wrong: golden: 1 of 16 codes differ" in page
    assert "| 3 dimensions | ONNX node tests, Up: 1 |" in page
    assert "| right | conv_transpose2d, 1x2x2 to 1x4x4, k 2,2, s 2,2, uint4 to int5 | golden |" \
        in page
    assert failures([right, out]) == []
