// Simulation model of ECP5's BB, after Lattice's FPGA Libraries Reference Guide.
module BB (
    input I, T,
    output O,
    inout B
);
    assign B = T ? 1'bz : I;
    assign O = B;
endmodule
