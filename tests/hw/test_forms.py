"""Every device form against the portable one, cycle by cycle, as exported Verilog."""

import random
import re

import pytest
from amaranth.hdl import signed, unsigned
from form_bench import clocked_verilog, difference, exported

from hw.primitives import ecp5
from hw.primitives.devices import DEVICES, MODELS
from hw.primitives.memory import BankedMemory, BlockMemory
from hw.primitives.multiplier import LutMultiplier, Multiplier, MultiplierPair, WideMultiplier
from sim import toolchain

CELLS = {"ecp5": "MULT18X18D", "ice40": "SB_MAC16"}


def instances(text, cell):
    return len(re.findall(rf"^ *{cell} ", text, re.MULTILINE))


@pytest.mark.parametrize("device, a_bits, b_bits", (
    ("ecp5", 9, 8), ("ecp5", 8, 8), ("ecp5", 9, 4), ("ecp5", 3, 8), ("ecp5", 2, 8), ("ice40", 9, 8),
    ("ice40", 9, 4)))
def test_pair_is_exact_over_all_operands(device, a_bits, b_bits, model_cache, tmp_path):
    pair = MultiplierPair(a_bits, b_bits)
    assert difference((pair, device), (MultiplierPair(a_bits, b_bits), "generic"),
                      ("a", "b0", "b1"), ("p0", "p1"), model_cache=model_cache, directory=tmp_path,
                      avoided={"b0": 128, "b1": 128} if b_bits == 8 else None) is None
    assert instances(exported(pair, "top", device), CELLS[device]) == pair.blocks(device) == 1


def test_a_difference_is_found(model_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(ecp5, "OVERLAP", 9)
    found = difference((MultiplierPair(9, 8), "ecp5"), (MultiplierPair(9, 8), "generic"),
                       ("a", "b0", "b1"), ("p0", "p1"), avoided={"b0": 128, "b1": 128},
                       model_cache=model_cache, directory=tmp_path)
    assert abs(found["a"] * found["b0"]) >= 1 << 14


@pytest.mark.parametrize("device", CELLS)
@pytest.mark.parametrize("a, b", ((signed(9), signed(8)), (unsigned(8), signed(4))))
def test_multiplier_over_all_operands(device, a, b, model_cache, tmp_path):
    assert difference((Multiplier(a, b), device), (Multiplier(a, b), "generic"), "ab", "p",
                      model_cache=model_cache, directory=tmp_path) is None
    text = exported(Multiplier(a, b), "top", device)
    assert instances(text, CELLS[device]) == Multiplier.blocks(device, a, b) == 1


@pytest.mark.parametrize("a, b", ((signed(9), signed(8)), (unsigned(8), unsigned(5)),
                                  (signed(5), signed(1)), (signed(7), unsigned(7))))
def test_lut_multiplier_over_all_operands(a, b, model_cache, tmp_path):
    assert difference((LutMultiplier(a, b), "generic"), (Multiplier(a, b), "generic"), "ab", "p",
                      model_cache=model_cache, directory=tmp_path) is None
    assert "*" not in re.sub(r"/\*.*?\*/|@\*|\(\*|\*\)", "", exported(LutMultiplier(a, b), "top"))


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("device, a, b", (
    ("ecp5", signed(18), signed(18)), ("ecp5", unsigned(17), signed(18)),
    ("ice40", signed(16), signed(16)), ("ice40", unsigned(16), unsigned(16)),
    ("ice40", signed(16), unsigned(16)), ("ice40", signed(18), signed(4))))
def test_wide_operands_of_a_multiplier(device, a, b, tmp_path):
    rng, rows = random.Random(1), []
    ends = [[low, low + 1, -1 if shape.signed else 1, 0, low + (1 << shape.width) - 1]
            for shape in (a, b) for low in [-(1 << shape.width - 1) if shape.signed else 0]]
    for x in ends[0] + [rng.randrange(ends[0][0], ends[0][-1]) for _ in range(9)]:
        rows += [{"a": x, "b": y} for y in
                 ends[1] + [rng.randrange(ends[1][0], ends[1][-1]) for _ in range(9)]]
    seen = clocked_verilog(Multiplier(a, b), rows + [{}] * Multiplier.LATENCY, ("p",),
                           device=device, directory=tmp_path)
    assert [p for p, in seen[Multiplier.LATENCY:]] == [row["a"] * row["b"] for row in rows]


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("device", DEVICES)
def test_wide_multiplier(device, tmp_path):
    rng, dut = random.Random(2), WideMultiplier(25, 24)
    rows = [{"a": rng.getrandbits(25), "b": rng.getrandbits(24)} for _ in range(99)]
    rows += [{"a": (1 << 25) - 1, "b": (1 << 24) - 1}]
    seen = clocked_verilog(dut, rows + [{}] * dut.LATENCY, ("p",), device=device,
                           directory=tmp_path)
    assert [p for p, in seen[dut.LATENCY:]] == [row["a"] * row["b"] for row in rows]
    assert dut.blocks(device, 25, 24) == 4
    cell = CELLS.get(device, r"\\top\.block_\d\d ")
    assert instances(exported(WideMultiplier(25, 24), "top", device), cell) == 4


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("device, width, depth, blocks", (
    ("ecp5", 1, 9000, 1), ("ecp5", 2, 5000, 1), ("ecp5", 4, 3000, 1), ("ecp5", 9, 2048, 1),
    ("ecp5", 18, 1024, 1), ("ecp5", 36, 512, 1), ("ecp5", 40, 600, 3), ("ecp5", 5, 3000, 2),
    ("ecp5", 17, 1500, 2), ("ecp5", 70, 33, 2), ("ecp5", 8, 32, 0), ("ecp5", 36, 40, 1),
    ("ecp5", 1, 16400, 2), ("ice40", 16, 256, 1), ("ice40", 8, 512, 1), ("ice40", 4, 1000, 1),
    ("ice40", 2, 2048, 1), ("ice40", 9, 300, 2), ("ice40", 40, 600, 9), ("ice40", 8, 8, 0),
    ("generic", 9, 300, None)))
def test_memory(device, width, depth, blocks, tmp_path):
    rng, dut = random.Random(width), BlockMemory
    words = [rng.getrandbits(width) for _ in range(depth - 1)]
    model, expected, rows = dict(enumerate(words)), [], []
    for cycle in range(400):
        # every other read is of a word just written
        read = rows[-1]["w_addr"] if cycle % 2 else rng.randrange(depth)
        write, data = rng.randrange(depth), rng.getrandbits(width)
        enable = int(rng.random() < 0.7 and read != write)
        rows.append({"r_addr": read, "w_addr": write, "w_data": data, "w_en": enable})
        expected.append(model.get(read, 0))
        if enable:
            model[write] = data
    memory = BlockMemory(width=width, depth=depth, init=words)
    seen = clocked_verilog(memory, rows, ("r_data",), device=device, directory=tmp_path)
    assert [data for data, in seen[dut.LATENCY:]] == expected[:-dut.LATENCY]
    assert BlockMemory.blocks(device, width, depth) == blocks
    if blocks is not None:
        cell = {"ecp5": "DP16KD", "ice40": "SB_RAM40_4K"}[device]
        assert instances((tmp_path / "top.v").read_text(), cell) == blocks


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("device, width, depth, blocks", (
    ("ice40", 16, 300, 2), ("ice40", 5, 1, 2), ("ice40", 32, 20000, 8), ("ice40", 20, 16384, 4),
    ("generic", 20, 70, None)))
def test_banked_memory(device, width, depth, blocks, tmp_path):
    """One bank is filled and then read, while the other one is filled."""
    rng, bank = random.Random(depth), BankedMemory.bank(depth)
    rows, expected, before = [], [], {}
    for turn in range(6):
        places = sorted({0, depth - 1, *(rng.randrange(depth) for _ in range(30))})
        base, other, written = turn % 2 * bank, (turn + 1) % 2 * bank, {}
        for place in places:
            written[other + place] = rng.getrandbits(width)
            read = rng.choice(sorted(before)) if before else base
            rows.append({"r_addr": read, "w_addr": other + place, "w_en": 1,
                         "w_data": written[other + place]})
            expected.append(before.get(read))
        before = written
    memory = BankedMemory(width=width, depth=depth)
    seen = clocked_verilog(memory, rows, ("r_data",), device=device, directory=tmp_path)
    checked = [(data, word) for (data,), word in zip(seen[BankedMemory.LATENCY:], expected)
               if word is not None]
    assert len(checked) >= len(rows) // 2
    assert all(data == word for data, word in checked)
    assert BankedMemory.blocks(device, width, depth) == blocks
    if blocks is not None:
        assert instances((tmp_path / "top.v").read_text(), "SB_SPRAM256KA") == blocks


@pytest.mark.parametrize("file", sorted(MODELS.glob("*.v")), ids=lambda file: file.stem)
def test_models_have_no_lint(file):
    assert "%Warning" not in toolchain.verilator("--lint-only", "-Wall", file)


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("change", (("REG_PIPELINE_CLK", "NONE"), ("SIGNEDA", "1'b0")))
def test_a_mode_without_a_model_ends_the_simulation(change, tmp_path, monkeypatch):
    name, value = change
    text = exported(Multiplier(signed(9), signed(8)), "top", "ecp5")
    old, new = ((f'.{name}("CLK0")', f'.{name}("{value}")') if value == "NONE"
                else (f".{name}(1'h1)", f".{name}({value})"))
    assert old in text
    source = tmp_path / "top.v"
    source.write_text(text.replace(old, new) + "module bench; reg clk = 0; "
                      "top dut (.clk(clk)); initial begin #1 clk = 1; #1 $finish; end endmodule\n")
    target = tmp_path / "top.vvp"
    toolchain.run(["iverilog", "-o", target, "-s", "bench", source, *DEVICES["ecp5"].models],
                  None, "rejected")
    with pytest.raises(RuntimeError, match="MULT18X18D: a mode without a model"):
        toolchain.run(["vvp", "-n", target], None, "error")
