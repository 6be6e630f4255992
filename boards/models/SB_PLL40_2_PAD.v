`timescale 1ps / 1ps
// Simulation model of iCE40's SB_PLL40_2_PAD as Polyphase uses it, after Lattice's FPGA-TN-02052:
// simple feedback, no delay, always running; port A is its reference, port B its clock. Any other
// use ends the simulation.
module SB_PLL40_2_PAD #(
    parameter FEEDBACK_PATH = "SIMPLE",
    parameter integer DIVR = 0,
    parameter integer DIVF = 0,
    parameter integer DIVQ = 0,
    parameter integer FILTER_RANGE = 0
) (
    input PACKAGEPIN, RESETB, BYPASS,
    output PLLOUTCOREA, PLLOUTGLOBALA, PLLOUTCOREB, PLLOUTGLOBALB, LOCK
);
    assign PLLOUTCOREA = PACKAGEPIN, PLLOUTGLOBALA = PACKAGEPIN;
    assign PLLOUTCOREB = PLLOUTGLOBALB;
    pll_model #(
        .COMPARE(DIVR + 1), .MULTIPLY(DIVF + 1), .DIVIDE(1 << DIVQ), .SLOWEST(533), .FASTEST(1066)
    ) engine (
        .reference(PACKAGEPIN), .clock(PLLOUTGLOBALB), .locked(LOCK)
    );

    always @(posedge PACKAGEPIN)
        if ({RESETB, BYPASS} != 2'b10) $fatal(1, "SB_PLL40_2_PAD: a mode without a model");

    generate
        if (FEEDBACK_PATH != "SIMPLE" || DIVQ < 1 || DIVQ > 6 || FILTER_RANGE < 1
            || FILTER_RANGE > 6) begin : g_unknown
            initial $fatal(1, "SB_PLL40_2_PAD: a mode without a model");
        end
    endgenerate
endmodule
