"""Figures of the benchmarks' reports, and the texts of the pages that quote them.

The pages have these texts by substitution, and a test compares the README's sentences with them.
After a new measurement, the test says how the README has to change.
"""

import re
from pathlib import Path

import pandas as pd

README = Path(__file__).parent.parent / "README.md"
REPORTS = Path(__file__).parent / "benchmarks"
OURS, RIVAL = "make_tabular", "CatBoost"
TREES = ["LightGBM", "XGBoost", "HistGradientBoosting"]


def tables(report):
    """The tables of a report or of the README, all cells as text, by the names of their rows."""
    path = README if report == README.stem else REPORTS / report / "report.md"
    text = path.read_text(encoding="utf-8")
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


def columns_of(report, heading):
    """The columns with this heading in all tables of a report."""
    return [table[heading] for table in tables(report) if heading in table]


def column(report, heading, part=-1):
    """A column of a report: for each row the number in bold, or else a number of the cell."""
    numbers = columns_of(report, heading)[0].map(
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
    cells = columns_of("accuracy", heading)[0]
    return {
        name: tuple(map(int, cell.split(" of ")))
        for name, cell in cells.items()
        if cell
    }


def speed(job, dtype="float64"):
    """How many times as fast the jobs are whose names begin like this."""
    jobs = column("speed", f"both {dtype}").items()
    ratios = [ratio for name, ratio in jobs if name.startswith(job)]
    low, high = min(ratios, key=float), max(ratios, key=float)
    return low if low == high else f"{low} to {high}"


def in_both_precisions(job):
    """The same in float64 and in float32."""
    return f"{speed(job)}; in float32 {speed(job, 'float32')}"


def sentences():
    """Those that the README has, too, each by a name."""
    won, won_by_regressor = wins("log-loss"), wins("RMSE")
    n_tables, n_regression = len(on_tables("log-loss")), len(on_tables("RMSE"))
    fewest = min(n for n, n_all in won.values() if n_all == n_tables)
    mlps, boosts = (
        "{} of {}".format(*won[f"8 x {name}"]) for name in ("RealMLP_TD_S", RIVAL)
    )
    ranks = mean_ranks("log-loss")
    small, middle, wide = (
        {dtype: speed(job, dtype) for dtype in ("float64", "float32")}
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
        "large_table": f"A table of 100,000 rows takes {seconds['100,000']} s.",
    }


def quoted():
    """All texts of the pages, each by a name: the sentences, and what only the pages quote."""
    return (
        sentences()
        | of_speed()
        | of_costs()
        | of_searches()
        | of_tables()
        | of_pruned()
    )


def of_speed():
    """How many times as fast skdense is, by job."""
    return {
        "tiny_fit": speed("fit, 2000x2"),
        "digits_fit": in_both_precisions("fit, 1797x64 digits, (100,)"),
        "middle_fit": in_both_precisions("fit, 20000x20, batch 200, (64, 64)"),
        "wide_fit": in_both_precisions("fit, 10000x784"),
        "lbfgs": speed("lbfgs"),
        "one_row": in_both_precisions("partial_fit, digits, (100,), 1 rows"),
        "many_rows": in_both_precisions(
            "partial_fit, 20 features, (64, 64), 20000 rows"
        ),
        "predict": speed("predict"),
    }


def of_costs():
    """Seconds and memory of Python processes, ours and MLPClassifier's."""
    (process, their_process), (peak, their_peak) = (
        [column("README", heading, part)["digits (1347 x 64)"] for part in (0, -1)]
        for heading in ("whole process, s", "peak, MB")
    )
    costs = column("costs", "measured", 0)
    name = "cores that networks of {} in one process can fill at most, float32"
    cores = [costs[name.format(sizes)] for sizes in ("(2, 2)", "(32,)", "(100,)")]
    return {
        "process": process,
        "their_process": their_process,
        "peak": peak,
        "their_peak": their_peak,
        "more_memory": f"{int(peak) - int(their_peak)} MB",
        "import": costs["`import tensorflow`, of which the first fit does a part"],
        "programs": costs["programs of 200 shapes, to 1000 x 40 and 64 units"],
        "memory_of_programs": costs["memory of these programs"] + " MB",
        "cores": "{} with networks of (2, 2), {} with (32,) and {} with (100,)".format(
            *cores
        ),
    }


def of_searches():
    """The seconds of a search over 20 settings."""
    job = "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds"
    first, later, their_first, their_later = (
        column("search", way, part)[job]
        for way in ("threads, s", "MLPClassifier, s")
        for part in (0, -1)
    )
    return {
        "search": (
            "a grid search over 20 settings of small networks, with five folds of 2,000 rows, takes "
            f"{first} s as a whole fresh Python process (*first*), import and compiling included, "
            f"and {later} s if the process repeats it (*later*). With MLPClassifier in two worker "
            f"processes, it takes {their_first} s and {their_later} s."
        )
    }


def of_tables():
    """The models of tables: their means, their wins and how long they take."""
    seconds = columns_of("accuracy", "fit, s")
    times = [
        float(fits[OURS]) / float(fits[name]) for fits in seconds[-2:] for name in TREES
    ]
    eight = float(seconds[0]["8 x RealMLP_TD_S"]) / float(seconds[0][OURS])
    won = wins("RMSE")
    n_regression = len(on_tables("RMSE"))
    lost = [
        n - higher
        for name, (higher, n) in won.items()
        if n == n_regression and name != RIVAL
    ]
    boosts, mlps, tabm = (
        f"{n - higher} of {n}"
        for higher, n in (
            won[name] for name in (f"8 x {RIVAL}", "8 x RealMLP_TD_S", "TabM_D")
        )
    )
    means = on_tables("R²").mean()
    heading = "tables on which ours has the lower loss"
    samples = [cells[RIVAL] for cells in columns_of("accuracy", heading)[-2:]]
    return {
        "trees": f"{min(times):.0f} to {max(times):.0f} times as fast",
        "lost": f"at most {max(lost)} of {n_regression} tables",
        "means": f"{means[RIVAL]:.3f}, ours {means[OURS]:.3f}",
        "eights": (
            f"Eight CatBoosts had a lower RMSE than ours on {boosts}, eight RealMLPs on {mlps}, TabM "
            f"on {tabm}."
        ),
        "eight": f"{eight:.0f} times",
        "samples": (
            f"CatBoost, which is second, has a higher log-loss than ours on {samples[0]} tables and a "
            f"higher RMSE on {samples[1]}."
        ),
    }


def of_pruned():
    """A whole process with one pruned search."""
    whole = next(
        table for table in tables("pruned") if "pruned / MLPClassifier" in table
    )
    seconds = ", ".join(
        f"{row['pruned']} s instead of {row['MLPClassifier']} s on {data}"
        for data, row in whole.iterrows()
    )
    return {
        "pruned": (
            "a whole fresh Python process with one search over 30 networks of 12 structures, five "
            f"folds and early stopping takes {seconds}; the second number is that of scikit-learn's "
            "RandomizedSearchCV over MLPClassifier, in two worker processes"
        ),
    }
