"""The report of contestants on tables: ranks by task and size of the table, means, and all figures."""

import numpy as np
import pandas as pd

from benchmarks.benchmark_utils.tables import GROUPS, SAMPLES
from benchmarks.contestants import LEGEND, PACKAGES
from benchmarks.report import SCORES, markdown_table, significant

MEANING = """\
A quarter of the rows is held out in each split, the same for all: one split of each table, and five of
each sample. *Ranks* are of the means over a table's splits; 1 is the best on a table. In brackets: the
range of 95 % of the mean ranks in 10,000 bootstrap samples of the group's tables; few tables can say
little. *fit*: seconds of processor time, the median of a table's splits, and their mean over the
tables. Each model has a fresh process for a table. Ours, whose folder of programs is empty, import
TensorFlow and compile in its first split.
The RMSE is divided by the target's standard deviation. In the last table of each task, every cell is
the score / the loss; the means before it are given for those who were on all tables."""


def of_tables(rows):
    """Each contestant's mean score, mean loss and median seconds on each table."""
    table = pd.DataFrame(rows)
    keys = ["rows", "group", "task", "data", "estimator"]
    averages = {"score": "mean", "loss": "mean", "seconds": "median"}
    return table.groupby(keys).agg(averages).reset_index()


def by_contestant(table, value):
    """Of one value: a row for each table, a column for each contestant, NaN if it was not on it."""
    wide = table.pivot(index="data", columns="estimator", values=value)
    return wide[[name for name in PACKAGES if name in wide]]


def to_markdown(rows):
    """What was done, the ranks in each group of tables, and for each task the figures of each table."""
    table = of_tables(rows)
    parts = [LEGEND, MEANING]
    for group in (*GROUPS, SAMPLES):
        of_group = table[table.group == group.name]
        for task, of_task in of_group.groupby("task"):
            parts += [_title(group, task, of_task), markdown_table(_ranks(task, of_task))]
    whole = table[table.group != SAMPLES.name]
    for task, names in SCORES.items():
        of_task = whole[whole.task == task]
        parts += [f"**{task.capitalize()}**", *map(markdown_table, _figures(names, of_task))]
    return "\n\n".join(parts)


def _title(group, task, table):
    n_tables = table.data.nunique()
    splits = "1 split" if group.splits == 1 else f"{group.splits} splits"
    left_out = "".join(f"; without {name}" for name in group.left_out)
    tables = "1 table" if n_tables == 1 else f"{n_tables} tables"
    return f"**{task.capitalize()}, {group.name}** ({tables}; {splits} of each{left_out})"


def _ranks(task, table):
    """The rows of a group's table: mean ranks, and on how many tables ours is better."""
    score_name, loss_name = SCORES[task]
    score, loss, seconds = (by_contestant(table, value) for value in ("score", "loss", "seconds"))
    ours = loss.columns[0]
    by_score, by_loss = score.rank(axis=1, ascending=False), loss.rank(axis=1)
    return [
        {
            "estimator": name,
            f"mean rank, {score_name}": _with_interval(by_score[name]),
            f"mean rank, {loss_name}": _with_interval(by_loss[name]),
            "tables on which ours has the lower loss": _wins(loss, ours, name),
            "fit, s": significant(seconds[name].mean()),
        }
        for name in loss
    ]


def _with_interval(ranks, n_samples=10_000):
    samples = np.random.default_rng(0).choice(ranks, (n_samples, len(ranks))).mean(axis=1)
    low, high = np.quantile(samples, [0.025, 0.975])
    return f"{ranks.mean():.2f} [{low:.1f}, {high:.1f}]"


def _wins(loss, ours, name):
    return "" if name == ours else f"{(loss[ours] < loss[name]).sum()} of {loss[name].count()}"


def _mean(values, form):
    """The mean, nothing if some are missing."""
    return "" if values.isna().any() else form(values.mean())


def _figures(names, table):
    """The rows of a task's summary and of the table of its data sets."""
    score_name, loss_name = names
    score, loss, seconds = (by_contestant(table, value) for value in ("score", "loss", "seconds"))
    ours = loss.columns[0]
    summary = [
        {
            "estimator": name,
            f"mean {score_name}": _mean(score[name], "{:.4f}".format),
            f"mean {loss_name}": _mean(loss[name], "{:.4f}".format),
            f"tables on which ours has the lower {loss_name}": _wins(loss, ours, name),
            "fit, s": _mean(seconds[name], significant),
        }
        for name in loss
    ]
    shown = [name for name in PACKAGES if name in set(table.estimator)]
    of_sets = []
    for (n_rows, data), of_data in table.groupby(["rows", "data"]):
        cells = {row.estimator: f"{row.score:.3f} / {row.loss:.3f}" for row in of_data.itertuples()}
        of_sets.append(
            {"data": data, "rows": f"{n_rows:,}"} | {name: cells.get(name, "") for name in shown}
        )
    return summary, of_sets
