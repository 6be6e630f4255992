"""Models of the cells around an engine, and that they stop at what they do not model."""

import re
from subprocess import CalledProcessError

import pytest
from simulated import MODELS, in_icarus, in_verilator
from tiny import Tiny

from boards.pll import plan
from boards.registry import BOARDS
from hw.export import initial_blocks

REFERENCE = {"ecp5": 25_000_000, "ice40": 12_000_000}
# of a design: the clock that its PLL makes, when its reset ends, and what leaves the line
BENCH = """`timescale 1ps / 1ps
module bench;
    reg reference = 0, rx = 1;
    wire pin = reference, line = rx;
    wire tx, clock, reset;
    realtime start;
    integer edges = 0;
    always #({half}) reference = !reference;
    top dut (.{clock}(pin), .uart_0__rx__io(line), .uart_0__tx__io(tx));
    assign clock = dut.engine_clk, reset = dut.engine_rst;
    always @(negedge reset) if ($realtime > 0) $display("released %0f", $realtime);
    always @(posedge clock) begin
        if (edges == 100) start = $realtime;
        if (edges == 1100) $display("period %0f", ($realtime - start) / 1000);
        edges <= edges + 1;
    end
    initial begin
        #30000000 rx = 0;
        #1000000 $display("tx %b", tx);
        rx = 1;
        #1000000 $display("tx %b", tx);
        $finish;
    end
endmodule
"""
CELLS = {
    "EHXPLLL": """EHXPLLL #({parameters}) dut (
        .CLKI(reference), .CLKFB(feedback), .CLKOP(feedback), .CLKOS(clock), .LOCK(lock),
        .RST({bad}), .STDBY(1'b0), .PLLWAKESYNC(1'b0), .PHASESEL0(1'b0), .PHASESEL1(1'b0),
        .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .ENCLKOP(1'b0));""",
    "SB_PLL40_CORE": """SB_PLL40_CORE #({parameters}) dut (
        .REFERENCECLK(reference), .PLLOUTGLOBAL(clock), .LOCK(lock), .RESETB(1'b1),
        .BYPASS({bad}));""",
    "SB_PLL40_2_PAD": """SB_PLL40_2_PAD #({parameters}) dut (
        .PACKAGEPIN(reference), .PLLOUTGLOBALB(clock), .LOCK(lock), .RESETB(1'b1),
        .BYPASS({bad}));""",
}
CELL_BENCH = """`timescale 1ps / 1ps
module bench;
    reg reference = 0;
    wire feedback, clock, lock;
    always #({half}) reference = !reference;
    {cell}
    initial #10000000 begin $display("lock %b", lock); $finish; end
endmodule
"""
FIXED = {"EHXPLLL": {"FEEDBK_PATH": '"CLKOP"', "CLKOP_ENABLE": '"ENABLED"',
                     "CLKOS_ENABLE": '"ENABLED"'}}


@pytest.fixture
def simulate(icarus, tmp_path, model_cache):
    """Function that runs testbenches, given as text and with files in front of it."""
    def run(text, *files, simulator=in_icarus):
        bench = tmp_path / "bench.v"
        bench.write_text(text)
        return simulator(tmp_path, [bench, *files], model_cache)
    return run


def bench(cell, bad="1'b0", **change):
    """A testbench of a PLL, planned for 40 MHz but for what is changed."""
    target = "ecp5" if cell == "EHXPLLL" else "ice40"
    reference = REFERENCE[target]
    values = {**FIXED.get(cell, {}), **plan(target, reference, 40e6).parameters, **change}
    parameters = ", ".join(f".{name}({value})" for name, value in values.items())
    return CELL_BENCH.format(half=round(0.5e12 / reference),
                             cell=CELLS[cell].format(parameters=parameters, bad=bad))


@pytest.mark.parametrize("simulator", [in_icarus, in_verilator])
@pytest.mark.parametrize("name", ["ulx3s-25f", "icebreaker", "hx8k-breakout"])
def test_clocks(name, simulator, simulate, tmp_path):
    """The clock as planned, reset while there is none, and a line through the buffers."""
    board = BOARDS[name]
    clock = plan(board.target, board.reference, 40e6)
    platform = board.platform()
    files = platform.build(Tiny(board, clock), do_build=False, debug_verilog=True).files
    design = tmp_path / "top.v"
    design.write_text(initial_blocks(files["top.debug.v"]))
    text = simulate(BENCH.format(half=round(0.5e12 / board.reference),
                                 clock=f"{platform.default_clk}_0__io"), design,
                    simulator=simulator)
    period, = (float(value) for value in re.findall(r"period ([\d.]+)", text))
    assert period == pytest.approx(1e12 / float(clock.frequency), rel=1e-4)
    released, = (float(value) for value in re.findall(r"released ([\d.]+)", text))
    assert 254 * 1e12 / board.reference <= released < 265 * 1e12 / board.reference
    assert re.findall(r"tx (.)", text) == ["0", "1"]


@pytest.mark.parametrize("cell", CELLS)
def test_lock(cell, simulate):
    assert "lock 1" in simulate(bench(cell))


@pytest.mark.parametrize("cell, change", [
    ("EHXPLLL", {"FEEDBK_PATH": '"CLKOS"'}), ("EHXPLLL", {"CLKOS_ENABLE": '"DISABLED"'}),
    ("EHXPLLL", {"CLKOS_CPHASE": 0}), ("EHXPLLL", {"CLKI_DIV": 3}), ("EHXPLLL", {"bad": "1'b1"}),
    ("SB_PLL40_CORE", {"FEEDBACK_PATH": '"DELAY"'}), ("SB_PLL40_CORE", {"DIVF": 20}),
    ("SB_PLL40_CORE", {"bad": "1'b1"}), ("SB_PLL40_2_PAD", {"DIVQ": 7}),
    ("SB_PLL40_2_PAD", {"FILTER_RANGE": 0})])
def test_no_model(cell, change, simulate):
    """A frequency that the PLL does not reach, and modes that are not modelled."""
    with pytest.raises(CalledProcessError) as error:
        simulate(bench(cell, **change))
    assert re.search(f"{cell}: a mode without a model|PLL: an oscillator of",
                     error.value.stdout + error.value.stderr)


@pytest.mark.parametrize("cell, parameter, ports", [
    ("SB_IO", "PIN_TYPE(6'b010000)", ".PACKAGE_PIN(a)"),
    ("SB_GB_IO", "PIN_TYPE(6'b000000)", ".PACKAGE_PIN(a)"),
    ("TRELLIS_IO", 'DIR("SIDEWAYS")', ".B(a)")])
def test_no_model_of_pins(cell, parameter, ports, simulate):
    with pytest.raises(CalledProcessError) as error:
        simulate(f"module bench; wire a; {cell} #(.{parameter}) dut ({ports});\n"
                 "initial #10 $finish; endmodule\n")
    assert f"{cell}: a mode without a model" in error.value.stdout + error.value.stderr


def test_both_ways(simulate):
    """Buffers that drive, let go and read."""
    text = simulate("""module bench;
    reg value = 0, release_it = 0, other = 1;
    wire a, b, read_a, read_b;
    BB bb (.B(a), .I(value), .T(release_it), .O(read_a));
    TRELLIS_IO #(.DIR("BIDIR")) io (.B(b), .I(value), .T(release_it), .O(read_b));
    assign a = release_it ? other : 1'bz, b = release_it ? other : 1'bz;
    initial begin
        #10 $display("%b%b", read_a, read_b);
        release_it = 1;
        #10 $display("%b%b", read_a, read_b);
        $finish;
    end
endmodule
""")
    assert text.split()[:2] == ["00", "11"]


def test_models_stand_alone():
    """Each file has the module of its name, where simulators look for it."""
    for file in MODELS.glob("*.v"):
        assert re.search(rf"^module {file.stem}\b", file.read_text(), re.MULTILINE)
