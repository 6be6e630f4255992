// Simulation model of ECP5's TRELLIS_COMB, half of a slice's combinational part, after nextpnr:
// ecp5/cells.cc (`lut_to_comb`, `ccu2_to_comb`, `dram_to_comb`), ecp5/pack.cc (`pack_lut5xs`) and
// the bits that ecp5/bitstream.cc (`write_comb`) makes of it. Anything else ends the simulation.
module TRELLIS_COMB #(
    parameter MODE = "LOGIC",
    parameter [15:0] INITVAL = 0,
    parameter CCU2_INJECT1 = "NO",
    parameter WREMUX = "WRE",
    parameter WCKMUX = "WCK",
    parameter MUX = "NONE"      // not of nextpnr: what OFX chooses from, F and F1 or FXA and FXB
) (
    input A, B, C, D, M, F1, FXA, FXB, FCI,
    input WD, WAD0, WAD1, WAD2, WAD3, WRE, WCK,
    output F, OFX, FCO
);
    wire [3:0] place = {D, C, B, A};

    generate
        if (MODE == "LOGIC") begin : g_logic
            assign F = INITVAL[place];
            assign FCO = 1'b0;
        end else if (MODE == "CCU2") begin : g_carry
            // the quarter of the table with C and D low is the carry that a bit generates
            localparam INJECT = CCU2_INJECT1 == "YES";
            assign F = INITVAL[place] ^ (!INJECT & FCI);
            assign FCO = INITVAL[place] ? FCI : !INJECT & INITVAL[{2'b00, B, A}];
        end else begin : g_memory
            // INITVAL is in the order of the table, whose inputs D, B, C, A are address bits 0 to 3
            reg [15:0] words;
            initial words = INITVAL;
            always @(posedge WCK) if (WRE) words[{WAD0, WAD2, WAD1, WAD3}] <= WD;
            assign F = words[place];
            assign FCO = 1'b0;
        end
        assign OFX = MUX == "F1" ? (M ? F1 : F) : MUX == "FX" ? (M ? FXB : FXA) : 1'b0;

        if (MODE != "LOGIC" && MODE != "CCU2" && MODE != "DPRAM"
            || CCU2_INJECT1 != "NO" && CCU2_INJECT1 != "YES"
            || WREMUX != "WRE" || WCKMUX != "WCK"
            || MUX != "NONE" && MUX != "F1" && MUX != "FX") begin : g_unknown
            initial $fatal(1, "TRELLIS_COMB: a mode without a model");
        end
    endgenerate
endmodule
