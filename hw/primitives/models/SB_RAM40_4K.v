// Simulation model of iCE40's SB_RAM40_4K as Polyphase uses it, after Lattice's FPGA-TN-02002: both
// ports of one width, without mask, always enabled. Any other use ends the simulation.
module SB_RAM40_4K #(
    parameter READ_MODE = 0,
    parameter WRITE_MODE = 0,
    parameter [255:0] INIT_0 = 0,
    parameter [255:0] INIT_1 = 0,
    parameter [255:0] INIT_2 = 0,
    parameter [255:0] INIT_3 = 0,
    parameter [255:0] INIT_4 = 0,
    parameter [255:0] INIT_5 = 0,
    parameter [255:0] INIT_6 = 0,
    parameter [255:0] INIT_7 = 0,
    parameter [255:0] INIT_8 = 0,
    parameter [255:0] INIT_9 = 0,
    parameter [255:0] INIT_A = 0,
    parameter [255:0] INIT_B = 0,
    parameter [255:0] INIT_C = 0,
    parameter [255:0] INIT_D = 0,
    parameter [255:0] INIT_E = 0,
    parameter [255:0] INIT_F = 0
) (
    input RCLK, RCLKE, RE, WCLK, WCLKE, WE,
    input [10:0] RADDR, WADDR,
    input [15:0] MASK, WDATA,
    output [15:0] RDATA
);
    localparam LANES = 1 << READ_MODE;
    localparam [4095:0] INITIAL = {
        INIT_F, INIT_E, INIT_D, INIT_C, INIT_B, INIT_A, INIT_9, INIT_8,
        INIT_7, INIT_6, INIT_5, INIT_4, INIT_3, INIT_2, INIT_1, INIT_0
    };
    reg [15:0] rows [0:255];
    reg [15:0] row;
    reg [2:0] lane;

    integer n;
    initial begin
        {row, lane} = 0;
        for (n = 0; n < 256; n = n + 1) rows[n] = INITIAL[16 * n +: 16];
    end

    always @(posedge WCLK)
        if (WE)
            for (n = 0; n < 16; n = n + 1)
                if (n % LANES == {29'd0, WADDR[10:8]} % LANES)
                    rows[WADDR[7:0]][n] <= WDATA[n - n % LANES + (LANES - 1) / 2];

    always @(posedge RCLK) begin
        row <= rows[RADDR[7:0]];
        lane <= RADDR[10:8];
        if ({RCLKE, RE, WCLKE, MASK} != 19'h70000)
            $fatal(1, "SB_RAM40_4K: a mode without a model");
    end

    genvar i;
    generate
        for (i = 0; i < 16; i = i + 1) begin : g_read
            if (i % LANES == (LANES - 1) / 2) begin : g_bit
                assign RDATA[i] = row[i - i % LANES + {29'd0, lane} % LANES];
            end else begin : g_unused
                assign RDATA[i] = 1'b0;
            end
        end
        if (READ_MODE != WRITE_MODE || READ_MODE > 3) begin : g_unknown
            initial $fatal(1, "SB_RAM40_4K: a mode without a model");
        end
    endgenerate
endmodule
