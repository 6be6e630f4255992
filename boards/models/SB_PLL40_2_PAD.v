`timescale 1ps / 1ps
// Simulation model of iCE40's SB_PLL40_2_PAD as Polyphase uses it, after Lattice's FPGA-TN-02052:
// simple feedback, no delay, always running; port A is its reference, port B its clock. Any other
// use ends the simulation.
module SB_PLL40_2_PAD #(
    parameter FEEDBACK_PATH = "SIMPLE",
    parameter integer DIVR = 0,
    parameter integer DIVF = 0,
    parameter integer DIVQ = 0,
    parameter integer FILTER_RANGE = 0,
    parameter PLLOUT_SELECT_PORTB = "GENCLK",
    parameter DELAY_ADJUSTMENT_MODE_FEEDBACK = "FIXED",
    parameter DELAY_ADJUSTMENT_MODE_RELATIVE = "FIXED",
    parameter [3:0] FDA_FEEDBACK = 0,
    parameter [3:0] FDA_RELATIVE = 0,
    parameter [1:0] SHIFTREG_DIV_MODE = 0,
    parameter [0:0] ENABLE_ICEGATE_PORTA = 0,
    parameter [0:0] ENABLE_ICEGATE_PORTB = 0,
    parameter [0:0] TEST_MODE = 0
) (
    input PACKAGEPIN, RESETB, BYPASS,
    input EXTFEEDBACK, LATCHINPUTVALUE, SDI, SCLK,      // of modes without a model
    input [7:0] DYNAMICDELAY,
    output SDO,
    output PLLOUTCOREA, PLLOUTGLOBALA, PLLOUTCOREB, PLLOUTGLOBALB, LOCK
);
    assign SDO = 1'b0;
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
            || FILTER_RANGE > 6 || PLLOUT_SELECT_PORTB != "GENCLK"
            || DELAY_ADJUSTMENT_MODE_FEEDBACK != "FIXED"
            || DELAY_ADJUSTMENT_MODE_RELATIVE != "FIXED" || TEST_MODE
            || FDA_FEEDBACK != 0 || FDA_RELATIVE != 0
            || ENABLE_ICEGATE_PORTA || ENABLE_ICEGATE_PORTB) begin : g_unknown
            initial $fatal(1, "SB_PLL40_2_PAD: a mode without a model");
        end
    endgenerate
endmodule
