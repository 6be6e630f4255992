// Simulation model of TRELLIS_IO, into which Yosys maps the ECP5's IB, OB, OBZ and BB. Any
// direction but theirs ends the simulation.
module TRELLIS_IO #(
    parameter DIR = "INPUT"
) (
    inout B,
    input I, T,
    output O
);
    assign O = B;

    generate
        if (DIR == "OUTPUT" || DIR == "BIDIR") begin : g_output
            assign B = T === 1'b1 ? 1'bz : I;
        end else if (DIR != "INPUT") begin : g_unknown
            initial $fatal(1, "TRELLIS_IO: a mode without a model");
        end
    endgenerate
endmodule
