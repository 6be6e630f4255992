"""The testbench sees what is wrong: engines with one deliberate bug each, and what it says."""

import re
import shutil

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from hw import top
from hw.engine import registers
from hw.engine.engine import Engine
from hw.engine.issue_gate import IssueGate
from hw.engine.rounding import Rounding
from hw.options import run
from sim.run import Difference, app, run_testbench

ENGINE = {"k": (4,), "height": 6, "width": 6, "name": "enlarge"}    # bilinear, with many ties
PLACE = r"beat \d+ \(frame 0, row \d+, beat \d+ of the row\)"


class BadOutput(wiring.Component):
    """An engine with a bug in its output: `spoil(good, bad, glitch)` gives the assignments.

    `glitch` is high in the second cycle of a stall and in every other cycle from there on. No beat
    is lost or repeated.
    """

    def __init__(self, program, *, version, digest, spoil):
        self._engine, self._spoil = Engine(program, version=version, digest=digest), spoil
        super().__init__(self._engine.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = self._engine
        for name in ("i", "i_weights", "bus"):
            connect(m, flipped(getattr(self, name)), getattr(engine, name))
        glitch = Signal()
        m.d.sync += glitch.eq(self.o.valid & ~self.o.ready & ~glitch)
        m.d.comb += [self.o.valid.eq(engine.o.valid), self.o.payload.eq(engine.o.payload),
                     engine.o.ready.eq(self.o.valid & self.o.ready)]
        m.d.comb += self._spoil(engine.o, self.o, glitch)
        return m


def ties_away_from_zero(patch):
    near_tie = Rounding._near_tie

    def away(self, m, *arguments):
        up, tie = near_tie(self, m, *arguments)
        return up, tie & False
    patch.setattr(Rounding, "_near_tie", away)


def one_cycle_between_groups(patch):
    elaborate = IssueGate.elaborate

    def slower(self, platform):
        self._interval = 5  # one more than a group has steps
        return elaborate(self, platform)
    patch.setattr(IssueGate, "elaborate", slower)


def wrong_identity(patch):
    patch.setattr(registers, "IDENTITY", registers.IDENTITY ^ 1)


def bad_output(spoil):
    return lambda patch: patch.setattr(
        top, "Engine", lambda *program, **options: BadOutput(*program, **options, spoil=spoil))


BUGS = {  # bug, message
    "value": (ties_away_from_zero,
              rf"value: m_axis {PLACE}: wanted tdata 0x[0-9a-f]+, got 0x[0-9a-f]+ at cycle \d+"),
    "timing": (one_cycle_between_groups,
               rf"timing: [ms]_axis {PLACE}: wanted at cycle \d+, got \d+"),
    "valid falls": (bad_output(lambda good, bad, glitch: bad.valid.eq(good.valid & ~glitch)),
                    r"protocol: m_axis_tvalid fell while stalled at cycle \d+"),
    "valid waits for ready": (
        bad_output(lambda good, bad, glitch: bad.valid.eq(good.valid & bad.ready)),
        "stalls: output stalls of 64 cycles were asked for, and the longest was 0"),
    "payload changes": (
        bad_output(lambda good, bad, glitch: bad.payload.data.eq(good.payload.data ^ glitch)),
        r"protocol: m_axis_tdata changed from 0x\w+ to 0x\w+ while stalled at cycle \d+"),
    "no end of line": (
        bad_output(lambda good, bad, glitch: bad.payload.last.eq(0)),
        rf"marker: m_axis {PLACE}: wanted tlast 0x1, got 0x0 at cycle \d+"),
    "identity": (
        wrong_identity,
        r"registers: identity must be 0x504c5950, not 0x504c5951, at cycle \d+"),
}


@pytest.fixture
def good(generate):
    return generate(**ENGINE)


def test_same_engine_without_a_bug(good, model_cache):
    assert run_testbench(good, cache=model_cache)["values"] == 3 * 144


@pytest.mark.parametrize("bug, message", BUGS.values(), ids=BUGS)
def test_bug_is_found_and_named(bug, message, good, generate, model_cache, tmp_path):
    before = good.verilog.read_text()
    with pytest.MonkeyPatch.context() as patch:
        bug(patch)
        bad = generate(**ENGINE)
    assert bad.verilog.read_text() != before
    assert bad.manifest == good.manifest
    waves = tmp_path / "waves.vcd"
    with pytest.raises(Difference) as caught:
        run_testbench(bad, cache=model_cache, waves=waves)
    assert re.fullmatch(f"{message}; waves: {waves}", str(caught.value))
    assert waves.read_text().rstrip().splitlines()[-1][0] in "01b#"


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("port, expression, message", (
    ("m_axis_tdata", "m_axis_tlast ? 8'b1x00 : {}", "m_axis_tdata is [01]*X00"),
    ("m_axis_tuser", "m_axis_tvalid ? {} : 1'bx", None),
    ("m_axis_tlast", "m_axis_tvalid ? 1'bz : {}", "m_axis_tlast is Z"),
))
def test_unknown_is_found(port, expression, message, good, model_cache, tmp_path):
    """Verilator has no X and Z; Icarus Verilog has. A payload may be X while it is not valid."""
    text, count = re.subn(rf"assign {port} = (.*);", lambda match: (
        f"assign {port} = {expression.format(match[1])};"), good.verilog.read_text())
    assert count == 1
    good.verilog.write_text(text)
    options = {"simulator": "icarus", "cache": model_cache, "frames": 1}
    if message is None:
        run_testbench(good, **options)
        return
    with pytest.raises(Difference, match=rf"^protocol: {message} at cycle \d+; waves: "):
        run_testbench(good, waves=tmp_path / "waves.fst", **options)
    assert (tmp_path / "waves.fst").stat().st_size > 1000


def test_command_runs_again_for_the_waves(good, generate, model_cache, tmp_path, monkeypatch,
                                          capsys):
    wrong_identity(monkeypatch)
    bad = generate(**ENGINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYPHASE_CACHE", str(model_cache))
    monkeypatch.setattr("sys.argv", ["run", "--manifest", str(bad.path), "--stalls", "none",
                                     "--frames", "1"])
    with pytest.raises(SystemExit) as stop:
        run(app)
    assert stop.value.code == 1
    assert re.fullmatch(r"error: registers: identity must be 0x504c5950, not 0x504c5951, at cycle "
                        r"\d+; waves: build/enlarge-none-0.vcd\n", capsys.readouterr().err)
    assert "$enddefinitions" in (tmp_path / "build" / "enlarge-none-0.vcd").read_text()
