`timescale 1ps / 1ps
// Simulation model of iCE40's SB_PLL40_CORE as Polyphase uses it, after Lattice's FPGA-TN-02052:
// simple feedback, no delay, always running. Any other use ends the simulation.
module SB_PLL40_CORE #(
    parameter FEEDBACK_PATH = "SIMPLE",
    parameter integer DIVR = 0,
    parameter integer DIVF = 0,
    parameter integer DIVQ = 0,
    parameter integer FILTER_RANGE = 0
) (
    input REFERENCECLK, RESETB, BYPASS,
    output PLLOUTCORE, PLLOUTGLOBAL, LOCK
);
    assign PLLOUTCORE = PLLOUTGLOBAL;
    pll_model #(
        .COMPARE(DIVR + 1), .MULTIPLY(DIVF + 1), .DIVIDE(1 << DIVQ), .SLOWEST(533), .FASTEST(1066)
    ) engine (
        .reference(REFERENCECLK), .clock(PLLOUTGLOBAL), .locked(LOCK)
    );

    always @(posedge REFERENCECLK)
        if ({RESETB, BYPASS} != 2'b10) $fatal(1, "SB_PLL40_CORE: a mode without a model");

    generate
        if (FEEDBACK_PATH != "SIMPLE" || DIVQ < 1 || DIVQ > 6 || FILTER_RANGE < 1
            || FILTER_RANGE > 6) begin : g_unknown
            initial $fatal(1, "SB_PLL40_CORE: a mode without a model");
        end
    endgenerate
endmodule
