// Simulation model of ECP5's DCCA, a buffer in front of a global net, as nextpnr inserts it
// (ecp5/globals.cc). One that can be stopped ends the simulation.
module DCCA (
    input CLKI, CE,
    output CLKO
);
    assign CLKO = CLKI;

    always @(posedge CLKI) if (!CE) $fatal(1, "DCCA: a mode without a model");
endmodule
