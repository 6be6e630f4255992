"""Where the multipliers of MAC arrays go on a large ECP5.

Left to itself nextpnr scatters them over the rows of the device, and the wires between them set the
clock. The rest it places well around them, and all of a device with one row.
"""

import json
import re
from collections import defaultdict

__all__ = ["place_multipliers"]

# size: columns and rows of the blocks of four multipliers, as nextpnr counts them
BLOCKS = {
    "45": ((4, 13, 22, 31, 42, 51, 60, 69, 78), (22, 46)),
    "85": ((4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114), (10, 34, 58)),
}
PLACES = (0, 1, 4, 5)       # of the multipliers of a block: in its name, and columns from its first
MULTIPLIER = re.compile(r"(.*)\bmac_array\.multiplier_(\d+)_(\d+)_(\d+)\.block")


def place_multipliers(netlist, device):
    """Fix the multipliers of all MAC arrays in a netlist, if a large device has room for them.

    Those of a sum are in one row, in the order of the input lanes. So the ones that share an
    activation are above each other, and the adder tree joins neighbours. Places are left in the
    middle, where the requantisers belong.

    Parameters
    ----------
    netlist : pathlib.Path
        As Yosys writes it with `write_json`; is rewritten.
    device : str
        Its name, such as `LFE5U-25F`.
    """
    size = re.search(r"-(\d+)F", device)[1]
    if size not in BLOCKS:
        return
    design = json.loads(netlist.read_text())
    sums = _sums(design)
    columns, rows = BLOCKS[size]
    capacity, share = len(columns) * len(PLACES), len(sums) / len(rows)
    shares = [sums[round(n * share):round((n + 1) * share)] for n in range(len(rows))]
    if any(sum(map(len, share)) > capacity for share in shares):
        return
    for row, share in zip(rows, shares):
        places = [f"X{column + n}/Y{row}/MULT18_{n}" for column in columns for n in PLACES]
        cells = [lanes[lane] for lane in sorted(set().union(*share))
                 for lanes in share if lane in lanes]
        half = len(cells) // 2
        del places[half:half + capacity - len(cells)]
        for cell, place in zip(cells, places):
            cell["attributes"]["BEL"] = place
    netlist.write_text(json.dumps(design))


def _sums(design):
    """[{input lane: cell}] of the multipliers of each sum."""
    sums = defaultdict(dict)
    for module in design["modules"].values():
        for name, cell in module["cells"].items():
            if cell["type"] == "MULT18X18D" and (found := MULTIPLIER.fullmatch(name)):
                stage, *place, lane = found.groups()
                sums[stage, *map(int, place)][int(lane)] = cell
    return [sums[key] for key in sorted(sums)]
