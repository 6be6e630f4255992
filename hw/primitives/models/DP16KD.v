// Simulation model of ECP5's DP16KD as Polyphase uses it, after Lattice's FPGA-TN-02204: written by
// port A and read by port B, words of the same width, always enabled.
// Any other use ends the simulation.
module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter [47:0] REGMODE_A = "NOREG",
    parameter [47:0] REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter [319:0] INITVAL_00 = 0,
    parameter [319:0] INITVAL_01 = 0,
    parameter [319:0] INITVAL_02 = 0,
    parameter [319:0] INITVAL_03 = 0,
    parameter [319:0] INITVAL_04 = 0,
    parameter [319:0] INITVAL_05 = 0,
    parameter [319:0] INITVAL_06 = 0,
    parameter [319:0] INITVAL_07 = 0,
    parameter [319:0] INITVAL_08 = 0,
    parameter [319:0] INITVAL_09 = 0,
    parameter [319:0] INITVAL_0A = 0,
    parameter [319:0] INITVAL_0B = 0,
    parameter [319:0] INITVAL_0C = 0,
    parameter [319:0] INITVAL_0D = 0,
    parameter [319:0] INITVAL_0E = 0,
    parameter [319:0] INITVAL_0F = 0,
    parameter [319:0] INITVAL_10 = 0,
    parameter [319:0] INITVAL_11 = 0,
    parameter [319:0] INITVAL_12 = 0,
    parameter [319:0] INITVAL_13 = 0,
    parameter [319:0] INITVAL_14 = 0,
    parameter [319:0] INITVAL_15 = 0,
    parameter [319:0] INITVAL_16 = 0,
    parameter [319:0] INITVAL_17 = 0,
    parameter [319:0] INITVAL_18 = 0,
    parameter [319:0] INITVAL_19 = 0,
    parameter [319:0] INITVAL_1A = 0,
    parameter [319:0] INITVAL_1B = 0,
    parameter [319:0] INITVAL_1C = 0,
    parameter [319:0] INITVAL_1D = 0,
    parameter [319:0] INITVAL_1E = 0,
    parameter [319:0] INITVAL_1F = 0,
    parameter [319:0] INITVAL_20 = 0,
    parameter [319:0] INITVAL_21 = 0,
    parameter [319:0] INITVAL_22 = 0,
    parameter [319:0] INITVAL_23 = 0,
    parameter [319:0] INITVAL_24 = 0,
    parameter [319:0] INITVAL_25 = 0,
    parameter [319:0] INITVAL_26 = 0,
    parameter [319:0] INITVAL_27 = 0,
    parameter [319:0] INITVAL_28 = 0,
    parameter [319:0] INITVAL_29 = 0,
    parameter [319:0] INITVAL_2A = 0,
    parameter [319:0] INITVAL_2B = 0,
    parameter [319:0] INITVAL_2C = 0,
    parameter [319:0] INITVAL_2D = 0,
    parameter [319:0] INITVAL_2E = 0,
    parameter [319:0] INITVAL_2F = 0,
    parameter [319:0] INITVAL_30 = 0,
    parameter [319:0] INITVAL_31 = 0,
    parameter [319:0] INITVAL_32 = 0,
    parameter [319:0] INITVAL_33 = 0,
    parameter [319:0] INITVAL_34 = 0,
    parameter [319:0] INITVAL_35 = 0,
    parameter [319:0] INITVAL_36 = 0,
    parameter [319:0] INITVAL_37 = 0,
    parameter [319:0] INITVAL_38 = 0,
    parameter [319:0] INITVAL_39 = 0,
    parameter [319:0] INITVAL_3A = 0,
    parameter [319:0] INITVAL_3B = 0,
    parameter [319:0] INITVAL_3C = 0,
    parameter [319:0] INITVAL_3D = 0,
    parameter [319:0] INITVAL_3E = 0,
    parameter [319:0] INITVAL_3F = 0,
    parameter [63:0] GSR = "ENABLED"
) (
    input CLKA, CEA, OCEA, RSTA, WEA, CSA0, CSA1, CSA2,
    input CLKB, CEB, OCEB, RSTB, WEB, CSB0, CSB1, CSB2,
    input
        ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    input
        ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    input
        DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13,
        DIA14, DIA15, DIA16, DIA17,
    input
        DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13,
        DIB14, DIB15, DIB16, DIB17,
    output
        DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13,
        DOA14, DOA15, DOA16, DOA17,
    output
        DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13,
        DOB14, DOB15, DOB16, DOB17
);
    wire [13:0] address_a = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
    };
    wire [13:0] address_b = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
    };
    wire [35:0] data = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
        DIB3, DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8,
        DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
    };
    // 1024 units of 20 bits, of which the upper two do not exist
    localparam [20479:0] INITIAL = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39,
        INITVAL_38, INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32,
        INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B,
        INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24,
        INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D,
        INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16,
        INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F,
        INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
        INITVAL_00
    };
    reg [17:0] units [0:1023];
    reg [35:0] array, register;
    wire [35:0] out = REGMODE_B == "OUTREG" ? register : array;
    wire [9:0] unit_a = address_a[13:4], unit_b = address_b[13:4];
    // the first bit of a word in its unit: nine bits for every eight of a narrow one
    wire [4:0] bit_a = address_a[3] ? 5'd9 + {2'b0, address_a[2:0]} : {2'b0, address_a[2:0]};
    wire [4:0] bit_b = address_b[3] ? 5'd9 + {2'b0, address_b[2:0]} : {2'b0, address_b[2:0]};
    wire [17:0] mask = (18'd1 << DATA_WIDTH_A) - 18'd1;
    wire [17:0] narrow = units[unit_b] >> bit_b;

    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
        DOB3, DOB2, DOB1, DOB0
    } = DATA_WIDTH_B == 36 ? out[35:18] : out[17:0];
    assign {
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
        DOA3, DOA2, DOA1, DOA0
    } = DATA_WIDTH_B == 36 ? out[17:0] : 18'd0;

    integer n;
    initial begin
        {array, register} = 0;
        for (n = 0; n < 1024; n = n + 1) units[n] = INITIAL[20 * n +: 18];
    end

    always @(posedge CLKA)
        if (DATA_WIDTH_A == 36) begin
            if (address_a[0]) units[{unit_a[9:1], 1'b0}][8:0] <= data[8:0];
            if (address_a[1]) units[{unit_a[9:1], 1'b0}][17:9] <= data[17:9];
            if (address_a[2]) units[{unit_a[9:1], 1'b1}][8:0] <= data[26:18];
            if (address_a[3]) units[{unit_a[9:1], 1'b1}][17:9] <= data[35:27];
        end else if (WEA && DATA_WIDTH_A == 18) begin
            if (address_a[0]) units[unit_a][8:0] <= data[8:0];
            if (address_a[1]) units[unit_a][17:9] <= data[17:9];
        end else if (WEA)
            units[unit_a] <= units[unit_a] & ~(mask << bit_a) | (data[17:0] & mask) << bit_a;

    always @(posedge CLKB) begin
        array <= DATA_WIDTH_B == 36 ? {units[{unit_b[9:1], 1'b1}], units[{unit_b[9:1], 1'b0}]}
                 : DATA_WIDTH_B == 18 ? {18'd0, units[unit_b]} : {18'd0, narrow & mask};
        register <= array;
        if ({CEA, OCEA, RSTA, CSA0, CSA1, CSA2, CEB, OCEB, RSTB, CSB0, CSB1, CSB2, WEB}
            != 13'b1100001100000)
            $fatal(1, "DP16KD: a mode without a model");
    end

    generate
        // a string of five characters has zeros in front
        if (DATA_WIDTH_A != DATA_WIDTH_B || RESETMODE != "SYNC" || GSR != "DISABLED"
            || REGMODE_B != "OUTREG" && REGMODE_B != {8'd0, "NOREG"}
            || DATA_WIDTH_B == 36 && REGMODE_A != REGMODE_B) begin : g_unknown
            initial $fatal(1, "DP16KD: a mode without a model");
        end
    endgenerate
endmodule
