"""SVG of grids of labelled cells: a page of blocks, a block of rows of grids."""

import colorsys
import textwrap
import xml.etree.ElementTree as ET
from dataclasses import dataclass

__all__ = ["CHARACTER", "EMPTY", "PIXEL", "ZERO", "Grid", "colour", "page"]

PAGE_WIDTH = 880   # pixels, about the width of a README
MARGIN = 20
GAP = 14           # between grids
LINE = 17          # height of a line of text
CHARACTER = 7      # width of a character, 12 pixels high, at most on average
FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
STYLE = """
text { fill: #1a1a1a; font-size: 12px; }
.title { font-size: 17px; font-weight: bold; }
.head { font-weight: bold; }
.cell { text-anchor: middle; }
.row { text-anchor: end; }
rect { stroke: #9a9a9a; }
.frame { fill: none; stroke: #1a1a1a; stroke-width: 2.5; }
"""
EMPTY, PIXEL, ZERO = "#ffffff", "#e4e4e4", "url(#zero)"


def colour(index, count, dark=False):
    """A light colour, one of `count` that differ, or a darker tone of it."""
    lightness = 0.84 - 0.09 * (index % 2 and count > 6) - 0.12 * dark
    red, green, blue = (round(255 * v) for v in
                        colorsys.hls_to_rgb((index / count + 0.58) % 1, lightness, 0.7))
    return f"#{red:02x}{green:02x}{blue:02x}"


@dataclass(frozen=True)
class Grid:
    """A table of cells with a caption above, and labels beside and above the cells.

    Attributes
    ----------
    caption : sequence of str
        Lines of text; the first is the heading.
    cells : list of list of (str, sequence of str)
        Fill and lines of text of each cell.
    cell : (int, int)
        Width and height of a cell, pixels.
    columns, rows : sequence of str
        Labels, or none.
    ends : sequence of str
        What stands behind each row, or none.
    frame : (int, int) or None
        Rows and columns of cells, on every side, outside a frame.
    """

    caption: tuple
    cells: list
    cell: tuple
    columns: tuple = ()
    rows: tuple = ()
    ends: tuple = ()
    frame: tuple | None = None

    @property
    def width(self):
        table = self._left + self.cell[0] * len(self.cells[0]) + _text_width(self.ends)
        return max(table, _text_width(self.caption))

    @property
    def height(self):
        return self._top + self.cell[1] * len(self.cells)

    @property
    def _left(self):
        return _text_width(self.rows)

    @property
    def _top(self):
        return LINE * (len(self.caption) + bool(self.columns)) + 5

    def draw(self, parent, x, y):
        """Draw with the upper left corner at (x, y)."""
        for number, line in enumerate(self.caption):
            _write(parent, x, y + LINE * number + 13, line, "text" if number else "head")
        left, top, (w, h) = x + self._left, y + self._top, self.cell
        for m, label in enumerate(self.columns):
            _write(parent, left + m * w + w // 2, top - 5, label, "cell")
        for n, row in enumerate(self.cells):
            if self.rows:
                _write(parent, left - 5, top + n * h + h // 2 + 4, self.rows[n], "row")
            if self.ends:
                _write(parent, left + len(row) * w + 6, top + n * h + h // 2 + 4, self.ends[n],
                       "text")
            for m, (fill, lines) in enumerate(row):
                _rectangle(parent, left + m * w, top + n * h, w, h, fill=fill)
                for number, line in enumerate(lines):
                    middle = top + n * h + h // 2 + 4 + (2 * number - len(lines) + 1) * 6
                    _write(parent, left + m * w + w // 2, middle, line, "cell")
        if self.frame:
            up, side = self.frame
            _rectangle(parent, left + side * w, top + up * h, w * (len(self.cells[0]) - 2 * side),
                       h * (len(self.cells) - 2 * up), **{"class": "frame"})


def _text_width(lines):
    return max((len(line) * CHARACTER + 8 for line in lines), default=0)


def _write(parent, x, y, text, kind):
    if text:
        element = ET.SubElement(parent, "text", {"class": kind, "x": str(x), "y": str(y)})
        element.text = text


def _rectangle(parent, x, y, width, height, **more):
    ET.SubElement(parent, "rect", {"x": str(x), "y": str(y), "width": str(width),
                                   "height": str(height), **more})


def page(title, subtitle, blocks, notes):
    """The text of an SVG file.

    `blocks` are lists of rows of `Grid`; they stand beside each other where the page has room,
    otherwise below each other. `notes` are paragraphs below.
    """
    above, below = _wrap([subtitle]), _wrap(notes)
    sizes = [_block_size(block) for block in blocks]
    beside = sum(w for w, _ in sizes) + 2 * GAP * (len(blocks) - 1) <= PAGE_WIDTH - 2 * MARGIN
    top = MARGIN + LINE * (1 + len(above)) + GAP
    heights = [h for _, h in sizes]
    bottom = top + (max(heights) if beside else sum(heights) + GAP * (len(blocks) - 1))
    size = PAGE_WIDTH, bottom + LINE * len(below) + MARGIN - 5
    root = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "width": str(size[0]), "height": str(size[1]),
        "viewBox": f"0 0 {size[0]} {size[1]}", "font-family": FONT, "role": "img",
        "aria-labelledby": "title"})
    ET.SubElement(root, "title", {"id": "title"}).text = f"{title}: {subtitle}"
    hatch = ET.SubElement(ET.SubElement(root, "defs"), "pattern", {
        "id": "zero", "width": "6", "height": "6", "patternUnits": "userSpaceOnUse"})
    ET.SubElement(hatch, "path", {"d": "M-1 1L1 -1M0 6L6 0M5 7L7 5", "stroke": "#b8b8b8"})
    ET.SubElement(root, "style").text = STYLE
    _rectangle(root, 0, 0, *size, fill=EMPTY, style="stroke: none")
    _write(root, MARGIN, MARGIN + 14, title, "title")
    for number, line in enumerate(above):
        _write(root, MARGIN, MARGIN + 34 + LINE * number, line, "text")
    x, y = MARGIN, top
    for block, (width, height) in zip(blocks, sizes):
        _draw_block(root, block, x, y)
        x, y = (x + width + 2 * GAP, y) if beside else (x, y + height + GAP)
    for number, line in enumerate(below):
        _write(root, MARGIN, bottom + LINE * number + 8, line, "text")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _wrap(paragraphs):
    width = (PAGE_WIDTH - 2 * MARGIN) // CHARACTER
    return [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, width)]


def _column_widths(block):
    return [max(grid.width for grid in column) + GAP for column in zip(*block)]


def _row_heights(block):
    return [max(grid.height for grid in row) + GAP for row in block]


def _block_size(block):
    return sum(_column_widths(block)) - GAP, sum(_row_heights(block))


def _draw_block(root, block, x, y):
    for row, height in zip(block, _row_heights(block)):
        left = x
        for grid, width in zip(row, _column_widths(block)):
            grid.draw(root, left, y)
            left += width
        y += height
