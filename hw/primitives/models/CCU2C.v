// Simulation model of ECP5's CCU2C, two bits of a carry chain, as Polyphase uses it, after Lattice's
// FPGA Libraries Reference Guide: a bit's look-up table says whether it propagates the carry, and
// the quarter of the table with C and D low, which carry it generates. Injection is not modelled.
module CCU2C #(
    parameter [15:0] INIT0 = 0,
    parameter [15:0] INIT1 = 0,
    parameter [23:0] INJECT1_0 = "YES",
    parameter [23:0] INJECT1_1 = "YES"
) (
    input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
    output S0, S1, COUT
);
    wire propagate0 = INIT0[{D0, C0, B0, A0}];
    wire propagate1 = INIT1[{D1, C1, B1, A1}];
    wire middle = propagate0 ? CIN : INIT0[{2'b00, B0, A0}];
    assign S0 = propagate0 ^ CIN;
    assign S1 = propagate1 ^ middle;
    assign COUT = propagate1 ? middle : INIT1[{2'b00, B1, A1}];

    generate
        // a string of two characters has zeros in front
        if (INJECT1_0 != {8'd0, "NO"} || INJECT1_1 != {8'd0, "NO"}) begin : g_unknown
            initial $fatal(1, "CCU2C: a mode without a model");
        end
    endgenerate
endmodule
