// Simulation model of iCE40 UltraPlus' SB_MAC16 as Polyphase uses it, after Lattice's FPGA-TN-02007:
// with all registers, a product and an addend in each half (twice 8 x 8) or in both (16 x 16).
// Any other use ends the simulation.
module SB_MAC16 #(
    parameter [0:0] NEG_TRIGGER = 0,
    parameter [0:0] A_REG = 0,
    parameter [0:0] B_REG = 0,
    parameter [0:0] C_REG = 0,
    parameter [0:0] D_REG = 0,
    parameter [0:0] TOP_8x8_MULT_REG = 0,
    parameter [0:0] BOT_8x8_MULT_REG = 0,
    parameter [0:0] PIPELINE_16x16_MULT_REG1 = 0,
    parameter [0:0] PIPELINE_16x16_MULT_REG2 = 0,
    parameter [1:0] TOPOUTPUT_SELECT = 0,
    parameter [1:0] TOPADDSUB_LOWERINPUT = 0,
    parameter [0:0] TOPADDSUB_UPPERINPUT = 0,
    parameter [1:0] TOPADDSUB_CARRYSELECT = 0,
    parameter [1:0] BOTOUTPUT_SELECT = 0,
    parameter [1:0] BOTADDSUB_LOWERINPUT = 0,
    parameter [0:0] BOTADDSUB_UPPERINPUT = 0,
    parameter [1:0] BOTADDSUB_CARRYSELECT = 0,
    parameter [0:0] MODE_8x8 = 0,
    parameter [0:0] A_SIGNED = 0,
    parameter [0:0] B_SIGNED = 0
) (
    input CLK, CE,
    input [15:0] A, B, C, D,
    input AHOLD, BHOLD, CHOLD, DHOLD, IRSTTOP, IRSTBOT, ORSTTOP, ORSTBOT, OLOADTOP, OLOADBOT,
    input ADDSUBTOP, ADDSUBBOT, OHOLDTOP, OHOLDBOT, CI, ACCUMCI, SIGNEXTIN,
    output [31:0] O
);
    reg [15:0] a, b, c, d, top, bottom;
    reg [31:0] pipeline, second;
    initial {a, b, c, d, pipeline, second, top, bottom} = 0;

    function [15:0] product8(input [7:0] x, input [7:0] y);
        product8 = {{8{A_SIGNED & x[7]}}, x} * {{8{B_SIGNED & y[7]}}, y};
    endfunction

    wire [31:0] product16 = {{16{A_SIGNED & a[15]}}, a} * {{16{B_SIGNED & b[15]}}, b};
    wire [31:0] products = MODE_8x8 ? pipeline : second;

    always @(posedge CLK) begin
        a <= A;
        b <= B;
        c <= C;
        d <= D;
        pipeline <= MODE_8x8 ? {product8(a[15:8], b[15:8]), product8(a[7:0], b[7:0])} : product16;
        second <= pipeline;
        top <= products[31:16] + c;
        bottom <= products[15:0] + d;
        if ({CE, AHOLD, BHOLD, CHOLD, DHOLD, IRSTTOP, IRSTBOT, ORSTTOP, ORSTBOT, OLOADTOP, OLOADBOT,
             ADDSUBTOP, ADDSUBBOT, OHOLDTOP, OHOLDBOT, CI, ACCUMCI, SIGNEXTIN} != 18'h20000)
            $fatal(1, "SB_MAC16: a mode without a model");
    end
    assign O = {top, bottom};

    generate
        if ({A_REG, B_REG, C_REG, D_REG, TOP_8x8_MULT_REG, BOT_8x8_MULT_REG,
             PIPELINE_16x16_MULT_REG1, PIPELINE_16x16_MULT_REG2} != 8'hff || NEG_TRIGGER
            || TOPOUTPUT_SELECT != 1 || BOTOUTPUT_SELECT != 1
            || !TOPADDSUB_UPPERINPUT || !BOTADDSUB_UPPERINPUT
            || TOPADDSUB_LOWERINPUT != (MODE_8x8 ? 1 : 2)
            || BOTADDSUB_LOWERINPUT != TOPADDSUB_LOWERINPUT
            || TOPADDSUB_CARRYSELECT != 0 || BOTADDSUB_CARRYSELECT != 0) begin : g_unknown
            initial $fatal(1, "SB_MAC16: a mode without a model");
        end
    endgenerate
endmodule
