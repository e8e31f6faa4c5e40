"""Figures of the benchmarks' reports, and the sentences of the pages that quote them.

The pages have these sentences by substitution, and a test compares the README's with them. After a new
measurement, the test says how the README has to change.
"""

import re
from pathlib import Path

import pandas as pd

REPORTS = Path(__file__).parent / "benchmarks"
OURS, RIVAL = "make_tabular", "CatBoost"


def tables(report):
    """The tables of a report, all cells as text, by the names of their rows."""
    text = (REPORTS / report / "report.md").read_text(encoding="utf-8")
    found = []
    for block in text.split("\n\n"):
        if block.startswith("| "):
            lines = [
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in block.strip().splitlines()
            ]
            found.append(
                pd.DataFrame(lines[2:], columns=lines[0]).set_index(lines[0][0])
            )
    return found


def column(report, heading, part=-1):
    """A column of a report: for each row the number in bold, or else a number of the cell."""
    table = next(table for table in tables(report) if heading in table)
    numbers = table[heading].map(
        lambda cell: re.findall(r"\*\*([\d.]+)", cell) or re.findall(r"[\d.]+", cell)
    )
    return {name: found[part] for name, found in numbers.items() if found}


def on_tables(loss):
    """The scores or the losses of all models on the tables of one task: a row for each table.

    Only models that were on all of these tables have a column.
    """
    part = 1 if loss in ("log-loss", "RMSE") else 0
    lists = [table for table in tables("accuracy") if "rows" in table]
    of_task = lists[0 if loss in ("accuracy", "log-loss") else 1].drop(columns="rows")
    complete = of_task.loc[:, (of_task != "").all()]
    return complete.map(lambda cell: float(cell.split(" / ")[part]))


def mean_ranks(loss):
    """The mean rank of each model by its loss or its score; 1 is the best."""
    is_loss = loss in ("log-loss", "RMSE")
    return on_tables(loss).rank(axis=1, ascending=is_loss).mean().sort_values()


def wins(loss):
    """On how many tables each model has a higher loss than ours, and of how many that it was on."""
    heading = f"tables on which ours has the lower {loss}"
    cells = next(table[heading] for table in tables("accuracy") if heading in table)
    return {
        name: tuple(map(int, cell.split(" of ")))
        for name, cell in cells.items()
        if cell
    }


def sentences():
    """Each sentence by a name."""
    won, won_by_regressor = wins("log-loss"), wins("RMSE")
    n_tables, n_regression = len(on_tables("log-loss")), len(on_tables("RMSE"))
    fewest = min(n for n, n_all in won.values() if n_all == n_tables)
    mlps, boosts = (
        "{} of {}".format(*won[f"8 x {name}"]) for name in ("RealMLP_TD_S", RIVAL)
    )
    ranks = mean_ranks("log-loss")
    small, middle, wide = (
        {
            dtype: column("speed", f"both {dtype}")[job]
            for dtype in ("float64", "float32")
        }
        for job in (
            "fit, 2000x2, plain sgd, batch 100, (2, 2), 600 epochs",
            "fit, 1797x64 digits, (100,), 100 epochs",
            "fit, 10000x784, 10 classes, batch 256, (512, 512), 3 epochs",
        )
    )
    seconds = column("table_sizes", "seconds of a fit")
    return {
        "classifier": (
            f"The classifier came first: on at least {fewest} of {n_tables} tables it had a lower "
            f"log-loss than each of them, and its mean rank was {ranks[OURS]:.1f}; the next was "
            f"{ranks.index[1]} with {ranks.iloc[1]:.1f}. Eight RealMLPs had a higher "
            f"log-loss on {mlps} tables, eight CatBoosts on {boosts}."
        ),
        "regressor": (
            f"The regressor came second: {RIVAL} had a lower RMSE on "
            f"{n_regression - won_by_regressor[RIVAL][0]} of {n_regression} tables."
        ),
        "speed": (
            f"they are {small['float64']} times as fast for two layers of 2 units, {middle['float64']} "
            f"times for 100 units and {wide['float64']} times for two layers of 512 units, which in "
            f"float32 are {wide['float32']} times as fast."
        ),
        "large table": f"A table of 100,000 rows takes {seconds['100,000']} s.",
    }
