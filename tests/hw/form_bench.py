"""Simulations of primitives as exported Verilog, with the models of the cells that they use."""

import os
import subprocess

from amaranth.back import verilog

from hw.export import initial_blocks
from hw.primitives.devices import DEVICES
from sim import toolchain
from sim.verilator import COMPILE

VERILATE = ("--cc", "-O3", "--x-assign", "unique", "--x-initial", "unique", "--noassert",
            "--no-timing", "--quiet-stats", "-Wno-fatal", "--prefix", "Vboth",
            "--top-module", "both")
BENCH = """module bench;
    reg clk = 0, rst = 0;
    reg [{i_bits}-1:0] rows [0:{cycles}-1];
    wire [{i_bits}-1:0] i;
    wire [{o_bits}-1:0] o;
    integer n;
    reg [{i_bits}-1:0] row = 0;
    assign i = row;
    top dut ({ports}, .clk(clk){rst});
    initial begin
        $readmemh("rows.hex", rows);
        for (n = 0; n < {cycles}; n = n + 1) begin
            row = rows[n];
            #1 $display("%h", o);
            clk = 1;
            #1 clk = 0;
        end
    end
endmodule
"""
BOTH = """module both (input clk, output reg bad, output reg [63:0] at);
    reg [63:0] count;
    initial {{count, bad, at}} = 0;
    wire [{o_bits}-1:0] x, y;
    wire [{i_bits}-1:0] i = count[{i_bits}-1:0];
{inputs}
    first dut_1 ({ports_1}, .clk(clk){rst_1});
    second dut_2 ({ports_2}, .clk(clk){rst_2});
    always @(posedge clk) begin
        count <= count + 1;
        if (!bad && count > {latency} && x != y) begin
            bad <= 1;
            at <= count - {latency};
        end
    end
endmodule
"""
MAIN = """#include "Vboth.h"
#include <cstdio>
#include <cstdlib>
void vl_fatal(const char*, int, const char*, const char* message) {{
    std::puts(message);
    std::abort();
}}
int main() {{
    VerilatedContext context;
    Vboth top{{&context}};
    for (long n = 0; n < {cycles}L; n++) {{
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    }}
    std::printf("%d %llu\\n", (int) top.bad, (unsigned long long) top.at);
}}
"""


def exported(dut, name, device=None):
    """The Verilog of a component in the form of a device, as an engine would be exported."""
    text = verilog.convert(dut, name=name, platform=DEVICES.get(device), emit_src=False,
                           strip_internal_attrs=True)
    return initial_blocks(text)


def clocked_verilog(dut, inputs, outputs, *, device, directory):
    """`bench_helpers.clocked` with the form of a device, in Icarus Verilog."""
    names = list(dict.fromkeys(name for row in inputs for name in row))
    widths = {name: len(getattr(dut, name)) for name in (*names, *outputs)}
    rows, state = [], dict.fromkeys(names, 0)
    for row in inputs:
        state |= row
        word = 0
        for name in names:
            word = word << widths[name] | state[name] & (1 << widths[name]) - 1
        rows.append(f"{word:x}\n")
    text = exported(dut, "top", device)
    ports = ", ".join((_ports(names, widths, "i"), _ports(outputs, widths, "o")))
    bench = BENCH.format(i_bits=sum(widths[n] for n in names), cycles=len(rows), ports=ports,
                         o_bits=sum(widths[n] for n in outputs), rst=_reset(text))
    (directory / "rows.hex").write_text("".join(rows))
    (directory / "top.v").write_text(text + bench)
    toolchain.run(["iverilog", "-o", directory / "top.vvp", "-s", "bench", directory / "top.v",
                   *_models(device)], os.environ, "Icarus Verilog rejects the form")
    seen = []
    for line in subprocess.run(["vvp", "-n", "top.vvp"], cwd=directory, check=True, text=True,
                               capture_output=True).stdout.split():
        word, values = int(line.replace("x", "0"), 16), []
        for name in reversed(outputs):
            value = word & (1 << widths[name]) - 1
            word >>= widths[name]
            signed = getattr(dut, name).shape().signed and value >> widths[name] - 1
            values.append(value - (signed << widths[name]))
        seen.append(values[::-1])
    return seen


def difference(first, second, inputs, outputs, *, avoided=None, model_cache, directory):
    """Where two forms differ, among all values of all inputs: None, or the inputs.

    Parameters
    ----------
    first, second : (Component, str)
        Components of the same latency, and devices.
    inputs, outputs : list of str
    avoided : dict
        A value of an input that stands for zero instead.
    """
    (dut, _), widths = first, {}
    for name in (*inputs, *outputs):
        widths[name] = len(getattr(dut, name))
    texts = [exported(*form) for form in (
        (first[0], "first", first[1]), (second[0], "second", second[1]))]
    i_bits = sum(widths[name] for name in inputs)
    low, lines = i_bits, []
    for name in inputs:
        low -= widths[name]
        value = f"i[{low + widths[name] - 1}:{low}]"
        if name in (avoided or {}):
            value = f"{value} == {widths[name]}'d{avoided[name]} ? 0 : {value}"
        lines.append(f"    wire [{widths[name] - 1}:0] {name} = {value};")
    operands = ", ".join(f".{name}({name})" for name in inputs)
    both = BOTH.format(
        i_bits=i_bits, o_bits=sum(widths[name] for name in outputs), latency=dut.LATENCY,
        inputs="\n".join(lines), rst_1=_reset(texts[0]), rst_2=_reset(texts[1]),
        ports_1=f"{operands}, {_ports(outputs, widths, 'x')}",
        ports_2=f"{operands}, {_ports(outputs, widths, 'y')}")
    source = directory / "both.v"
    cells = {file: file.read_text() for _, device in (first, second) for file in _models(device)}
    source.write_text("".join([*texts, *cells.values(), both]))
    toolchain.verilator(*VERILATE, "--Mdir", directory / "generated", source)
    unit = directory / "unit.cc"
    unit.write_text("".join(f'#include "{file}"\n' for file in sorted(
        (directory / "generated").glob("*.cpp"))) + MAIN.format(
            cycles=(1 << i_bits) + dut.LATENCY + 2))
    model_cache.mkdir(parents=True, exist_ok=True)
    # the same as that of the compiled engines, so that it is compiled once
    header, *others = toolchain.runtime(model_cache, COMPILE, '#include "verilated.h"\n',
                                        ("verilated", "verilated_threads"))
    program = directory / "both"
    toolchain.compile_cpp(COMPILE, "-include", header, f"-I{directory / 'generated'}", unit,
                          *others, output=program)
    bad, at = map(int, toolchain.run([program], os.environ, "the comparison fails").split())
    if not bad:
        return None
    found = {}
    for name in reversed(inputs):
        found[name] = at & (1 << widths[name]) - 1
        at >>= widths[name]
    return found


def _models(device):
    return DEVICES[device].models if device else []


def _reset(text):
    # Amaranth leaves out a reset that nothing uses
    return ", .rst(1'b0)" if "input rst;" in text.partition("endmodule")[0] else ""


def _ports(names, widths, vector):
    low, found = sum(widths[name] for name in names), []
    for name in names:
        low -= widths[name]
        found.append(f".{name}({vector}[{low + widths[name] - 1}:{low}])")
    return ", ".join(found)
