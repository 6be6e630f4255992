// Simulation model of ECP5's OB, after Lattice's FPGA Libraries Reference Guide.
module OB (
    input I,
    output O
);
    assign O = I;
endmodule
