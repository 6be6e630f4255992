// Simulation model of ECP5's OBZ, after Lattice's FPGA Libraries Reference Guide.
module OBZ (
    input I, T,
    output O
);
    assign O = T ? 1'bz : I;
endmodule
