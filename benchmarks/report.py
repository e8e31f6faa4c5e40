"""Numbers and tables as text: Markdown for reports, aligned columns for a terminal."""

import math
import re
import textwrap
from statistics import median

WIDTH = 100  # columns of a text for a terminal
SCORES = {"classification": ("accuracy", "log-loss"), "regression": ("R²", "RMSE")}
"""The score and the loss of each task."""


def significant(value, digits=2):
    """Write a number with so many significant digits, without an exponent: 0.0012, 3.4, 120."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def seconds(value):
    """Seconds, or nothing if they were not measured."""
    return significant(value) if value else ""


def markdown_table(rows):
    """A Markdown table of dicts that share their keys; without dicts it says so."""
    if not rows:
        return "(none)"
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([row[name] for name in head] for row in rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def wrapped(text):
    """A text in lines of at most `WIDTH` columns."""
    return textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def plain_table(rows, columns, group=None):
    """A table for a terminal, numbers on the right; a value of the column `group` is not repeated.

    `columns` has for each heading the key of its value, and the function that writes it.
    """
    cells = [[write(row[key]) for key, write in columns.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells)]
    is_number = [all(re.fullmatch(r"[-\d.,]*", cell) for cell in column) for column in zip(*cells)]

    def written(line):
        aligned = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, is_number)
        ]
        return "  ".join(aligned).rstrip()

    lines, last = [written(columns), written("-" * width for width in widths)], None
    for line in cells:
        if group:
            place = list(columns).index(group)
            if line[place] == last:
                line[place] = ""
            else:
                lines += [""] if last else []
                last = line[place]
        lines.append(written(line))
    return "\n".join(lines)


def ratio_range(ratios):
    """Ratios in words: "1.2 times", or "1.2 to 3.4 times (median 2.0)"."""
    low, middle, high = (significant(of(ratios)) for of in (min, median, max))
    return f"{low} times" if low == high else f"{low} to {high} times (median {middle})"
