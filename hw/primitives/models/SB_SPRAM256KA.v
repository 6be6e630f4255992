// Simulation model of iCE40 UltraPlus' SB_SPRAM256KA as Polyphase uses it, after Lattice's
// FPGA-TN-02022: whole words, always powered. Any other use ends the simulation. What is read in the
// cycle of a write is undefined, and so is what is in the memory at first.
module SB_SPRAM256KA (
    input [13:0] ADDRESS,
    input [15:0] DATAIN,
    input [3:0] MASKWREN,
    input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF,
    output reg [15:0] DATAOUT
);
    reg [15:0] words [0:16383];

    always @(posedge CLOCK) begin
        if (WREN) begin
            words[ADDRESS] <= DATAIN;
            DATAOUT <= ~DATAOUT;
        end else DATAOUT <= words[ADDRESS];
        if ({MASKWREN, CHIPSELECT, STANDBY, SLEEP, POWEROFF} != 8'hF9)
            $fatal(1, "SB_SPRAM256KA: a mode without a model");
    end
endmodule
