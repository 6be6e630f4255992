// Simulation model of ECP5's IB, after Lattice's FPGA Libraries Reference Guide.
module IB (
    input I,
    output O
);
    assign O = I;
endmodule
