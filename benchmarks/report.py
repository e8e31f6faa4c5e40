"""Figures as text: numbers and Markdown tables."""

import math

SCORES = {"classification": ("accuracy", "log-loss"), "regression": ("R²", "RMSE")}
"""The score and the loss of each task."""


def significant(value, digits=2):
    """Write a number with so many significant digits, without an exponent: 0.0012, 3.4, 120."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def markdown_table(rows):
    """A Markdown table of dicts that share their keys; without dicts it says so."""
    if not rows:
        return "(none)"
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([row[name] for name in head] for row in rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
