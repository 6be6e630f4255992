"""python -m boards.list: the boards, and how to connect them."""

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hw.options import run

from .registry import BOARDS

__all__ = ["app"]

COLUMNS = ("board", "device", "multipliers", "block RAMs", "clock", "connect")


def main():
    """Show the boards that an engine can be built for."""
    rows = Table(box=SIMPLE_HEAD)
    for name in COLUMNS:
        rows.add_column(name, no_wrap=name != "connect")
    for board in BOARDS.values():
        capacity = board.capacity
        memories = str(capacity.block_rams)
        if capacity.single_port_rams:
            memories += f", {capacity.single_port_rams} large"
        rows.add_row(board.name, board.device, str(capacity.multipliers), memories,
                     f"{board.reference / 1e6:g} MHz", board.link)
    Console(highlight=False, emoji=False).print(rows)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    run(app)
