"""A line on the terminal that tells what a command is doing."""

import contextlib

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["telling"]


@contextlib.contextmanager
def telling(text):
    """A function that changes the text; nothing is written where there is no terminal."""
    console = Console(stderr=True)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
                  console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None)
        yield lambda text: progress.update(task, description=text)
