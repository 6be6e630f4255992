`timescale 1ps / 1ps
// Simulation model of ECP5's EHXPLLL as Polyphase uses it, after Lattice's FPGA-TN-02200: feedback
// from CLKOP, output CLKOS, no phase shift, always running. Any other use ends the simulation.
module EHXPLLL #(
    parameter FEEDBK_PATH = "CLKOP",
    parameter CLKOP_ENABLE = "ENABLED",
    parameter CLKOS_ENABLE = "DISABLED",
    parameter integer CLKI_DIV = 1,
    parameter integer CLKFB_DIV = 1,
    parameter integer CLKOP_DIV = 8,
    parameter integer CLKOP_CPHASE = 0,
    parameter integer CLKOS_DIV = 8,
    parameter integer CLKOS_CPHASE = 0
) (
    input CLKI, CLKFB, RST, STDBY, PLLWAKESYNC, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP,
    input PHASELOADREG, ENCLKOP,
    output CLKOP, CLKOS, LOCK
);
    wire unused;
    pll_model #(
        .COMPARE(CLKI_DIV), .MULTIPLY(CLKFB_DIV * CLKOP_DIV), .DIVIDE(CLKOP_DIV),
        .SLOWEST(400), .FASTEST(800)
    ) feedback (
        .reference(CLKI), .clock(CLKOP), .locked(unused)
    );
    pll_model #(
        .COMPARE(CLKI_DIV), .MULTIPLY(CLKFB_DIV * CLKOP_DIV), .DIVIDE(CLKOS_DIV),
        .SLOWEST(400), .FASTEST(800)
    ) engine (
        .reference(CLKI), .clock(CLKOS), .locked(LOCK)
    );

    always @(posedge CLKI)
        if (CLKFB !== CLKOP || {RST, STDBY, PLLWAKESYNC, PHASESEL0, PHASESEL1} != 0)
            $fatal(1, "EHXPLLL: a mode without a model");

    generate
        if (FEEDBK_PATH != "CLKOP" || CLKOP_ENABLE != "ENABLED" || CLKOS_ENABLE != "ENABLED"
            || CLKOP_CPHASE != CLKOP_DIV - 1 || CLKOS_CPHASE != CLKOS_DIV - 1) begin : g_unknown
            initial $fatal(1, "EHXPLLL: a mode without a model");
        end
    endgenerate
endmodule
