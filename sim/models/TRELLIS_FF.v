// Simulation model of ECP5's TRELLIS_FF, a slice's register, after nextpnr: ecp5/pack.cc
// (`pack_ffs`: SD tells whether the datum comes from the look-up table beside it, or over M) and
// ecp5/bitstream.cc (`write_ff`). Anything else ends the simulation.
module TRELLIS_FF #(
    parameter SD = "0",
    parameter CLKMUX = "CLK",
    parameter CEMUX = "1",
    parameter LSRMUX = "LSR",
    parameter LSRMODE = "LSR",
    parameter SRMODE = "LSR_OVER_CE",
    parameter REGSET = "RESET",
    parameter GSR = "ENABLED"
) (
    input CLK, CE, LSR, DI, M,
    output reg Q
);
    localparam SET = REGSET == "SET";
    wire clock = CLK ^ (CLKMUX == "INV");
    wire enable = CEMUX == "1" || CEMUX != "0" && CE ^ (CEMUX == "INV");
    wire reset = LSR ^ (LSRMUX == "INV");
    wire datum = SD == "1" ? DI : M;
    initial Q = SET;

    generate
        if (SRMODE == "ASYNC") begin : g_asynchronous
            always @(posedge clock or posedge reset)
                if (reset) Q <= SET;
                else if (enable) Q <= datum;
        end else begin : g_synchronous
            always @(posedge clock)
                if (reset) Q <= SET;
                else if (enable) Q <= datum;
        end

        if (SD != "0" && SD != "1" || CLKMUX != "CLK" && CLKMUX != "INV"
            || CEMUX != "1" && CEMUX != "0" && CEMUX != "CE" && CEMUX != "INV"
            || LSRMUX != "LSR" && LSRMUX != "INV" || LSRMODE != "LSR"
            || SRMODE != "LSR_OVER_CE" && SRMODE != "ASYNC"
            || REGSET != "RESET" && REGSET != "SET" || GSR != "DISABLED") begin : g_unknown
            initial $fatal(1, "TRELLIS_FF: a mode without a model");
        end
    endgenerate
endmodule
