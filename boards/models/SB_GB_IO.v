// Simulation model of iCE40's SB_GB_IO as Polyphase uses it, after Lattice's
// SBTICETechnologyLibrary: an input without registers. Any other use ends the simulation.
module SB_GB_IO #(
    parameter [5:0] PIN_TYPE = 0,
    parameter PULLUP = 0,
    parameter IO_STANDARD = "SB_LVCMOS"
) (
    inout PACKAGE_PIN,
    output GLOBAL_BUFFER_OUTPUT
);
    assign GLOBAL_BUFFER_OUTPUT = PACKAGE_PIN;

    generate
        if (PIN_TYPE != 6'b000001) begin : g_unknown
            initial $fatal(1, "SB_GB_IO: a mode without a model");
        end
    endgenerate
endmodule
