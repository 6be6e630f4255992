// Simulation model of ECP5's TRELLIS_FF as Polyphase uses it: a register without reset or enable.
// Any other use ends the simulation.
module TRELLIS_FF #(
    parameter [63:0] GSR = "ENABLED",
    parameter CEMUX = "1",
    parameter CLKMUX = "CLK",
    parameter LSRMUX = "LSR",
    parameter REGSET = "RESET",
    parameter SRMODE = "LSR_OVER_CE"
) (
    input CLK, DI,
    output reg Q
);
    initial Q = 0;
    always @(posedge CLK) Q <= DI;

    generate
        if (GSR != "DISABLED" || CEMUX != "1" || CLKMUX != "CLK" || LSRMUX != "LSR"
            || REGSET != "RESET" || SRMODE != "LSR_OVER_CE") begin : g_unknown
            initial $fatal(1, "TRELLIS_FF: a mode without a model");
        end
    endgenerate
endmodule
