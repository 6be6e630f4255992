// Simulation model of ECP5's TRELLIS_RAMW, the slice that hands on what is written to the memories
// of the two slices beside it, after nextpnr: ecp5/cells.cc (`dram_to_ramw_split`).
module TRELLIS_RAMW (
    input A0, B0, C0, D0, A1, B1, C1, D1,
    output WADO0, WADO1, WADO2, WADO3, WDO0, WDO1, WDO2, WDO3
);
    assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0};
    assign {WDO3, WDO2, WDO1, WDO0} = {B1, D1, A1, C1};
endmodule
