`timescale 1ps / 1ps
// A PLL: measures its reference for a while, then locks and makes MULTIPLY / (COMPARE * DIVIDE)
// times its frequency. A frequency inside it that the device does not make ends the simulation.
module pll_model #(
    parameter integer COMPARE = 1,      // reference over comparison
    parameter integer MULTIPLY = 1,     // oscillator over comparison
    parameter integer DIVIDE = 1,       // oscillator over output
    parameter integer SLOWEST = 1,      // oscillator, MHz
    parameter integer FASTEST = 1
) (
    input reference,
    output reg clock,
    output reg locked
);
    localparam integer CYCLES = 32;
    localparam real ROUNDING = 1.001;   // of periods to picoseconds
    integer cycle, edges;
    real first, last, half, megahertz;

    initial {clock, locked, cycle} = 0;

    always @(posedge reference) begin
        if (cycle == 1) first = $realtime;  // the one before may be the end of an unknown level
        cycle = cycle <= CYCLES ? cycle + 1 : cycle;
        if (cycle == CYCLES + 1 && !locked) begin
            half = ($realtime - first) / (CYCLES - 1) * COMPARE * DIVIDE / MULTIPLY / 2;
            megahertz = 500000.0 * DIVIDE / half;
            if (megahertz * ROUNDING < SLOWEST || megahertz > FASTEST * ROUNDING)
                $fatal(1, "PLL: an oscillator of %0f MHz", megahertz);
            locked = 1;
        end
    end

    initial begin
        @(posedge locked);
        last = $realtime;
        edges = 0;
        forever begin
            edges = edges + 1;
            #(last + edges * half - $realtime) clock = !clock;
        end
    end
endmodule
