// Simulation model of iCE40's SB_IO as Polyphase uses it, after Lattice's SBTICETechnologyLibrary:
// an input, or an output with enable, without registers. Any other use ends the simulation.
module SB_IO #(
    parameter [5:0] PIN_TYPE = 0,
    parameter PULLUP = 0,
    parameter IO_STANDARD = "SB_LVCMOS"
) (
    inout PACKAGE_PIN,
    input OUTPUT_ENABLE, D_OUT_0,
    output D_IN_0
);
    assign D_IN_0 = PACKAGE_PIN;

    generate
        if (PIN_TYPE == 6'b101001) begin : g_output
            assign PACKAGE_PIN = OUTPUT_ENABLE ? D_OUT_0 : 1'bz;
        end else if (PIN_TYPE != 6'b000001) begin : g_unknown
            initial $fatal(1, "SB_IO: a mode without a model");
        end
    endgenerate
endmodule
