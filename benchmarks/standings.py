"""The report of `accuracy.py`: rivals' losses over ours by task, half and kind of table."""

import numpy as np
import pandas as pd

from benchmarks.contestants import LEGEND, PACKAGES
from benchmarks.report import SCORES, markdown_table, significant
from benchmarks.tables import describe

TIE = 0.001
N_SAMPLES = 10_000
HALVES = {"all": "all tables", "confirming": "confirming tables, on which no setting was chosen"}
WORSE = 1.03  # a loss over that of an older version which is told for each table
MEANING = f"""\
*ratio*: a rival's loss over ours, the geometric mean over the splits of a table and then over the
tables, in brackets its range of 95 % in {N_SAMPLES:,} bootstrap samples of the tables. Above 1,
ours has the lower loss. *median*: the ratio of the table in the middle; where it is nearer to 1 than
the mean, a few tables decide the mean. *ours lower, equal, higher*: on how many tables ours has the
lower loss, the same within {TIE:.1%}, or the higher one. *splits*: on how many of all splits of all
tables ours has the lower loss. *mean rank*: by the loss, on the tables that all contestants of that
list finished; 1 is the best. *accuracy*, *R²*: the mean over the same tables. *first run*, *fit*:
seconds of processor time, the median over the tables, of the first split and of the mean of later
ones; ours import TensorFlow in each fit, and compile in the first one. *1,000 rows*: milliseconds of
processor time to predict as many, the median over the tables.

A random quarter of the rows is held out in each split. The RMSE is divided by the target's standard
deviation. In the lists of tables, a cell is the mean score / the mean loss over the splits."""


def _measured(rows, older=False):
    """The rows with a result: those of this version and its rivals, or those of an older one."""
    return pd.DataFrame(
        [row for row in rows if "error" not in row and (row["version"] is not None) == older]
    )


def losses(rows):
    """The losses: a row for each table and split, a column for each contestant; NaN if it failed."""
    wide = _measured(rows).pivot(index=["task", "data", "seed"], columns="estimator", values="loss")
    return wide[[name for name in PACKAGES if name in wide]]


def _seconds(measured):
    """Seconds of the first split and of later ones: a row for each contestant and table."""
    is_first = measured.seed == 0
    later = measured[~is_first] if (~is_first).any() else measured
    groups = {"first run, s": measured[is_first], "fit, s": later}
    return pd.DataFrame(
        {name: group.groupby(["estimator", "data"]).seconds.mean() for name, group in groups.items()}
    )


def ratios(loss):
    """Each rival's loss over ours, the geometric mean over a table's splits: a row for each table."""
    logs = np.log(loss)
    ours = logs.columns[0]
    return np.exp(logs.drop(columns=ours).sub(logs[ours], axis=0).groupby("data").mean())


def mean_ratio(of_tables):
    """The geometric mean of a rival's ratios, and its range of 95 % in bootstrap samples of tables."""
    logs = np.log(of_tables.dropna().to_numpy())
    means = np.random.default_rng(0).choice(logs, (N_SAMPLES, len(logs))).mean(axis=1)
    return np.exp([logs.mean(), *np.quantile(means, [0.025, 0.975])])


def median_ratio(of_tables):
    """The median of a rival's ratios."""
    return of_tables.dropna().median()


def counts(of_tables):
    """On how many tables ours has the lower loss, an equal one, the higher one."""
    found = of_tables.dropna()
    lower, higher = (found > 1 + TIE).sum(), (found < 1 / (1 + TIE)).sum()
    return lower, len(found) - lower - higher, higher


def to_markdown(rows):
    """What was done, where ours stands by task, half and kind of table, and all figures."""
    loss = losses(rows)
    tables = {data: describe(data) for data in loss.index.unique("data")}
    parts = [LEGEND, MEANING]
    for task, of_task in loss.groupby("task"):
        there = of_task.dropna(axis=1, how="all").columns
        if absent := [name for name in PACKAGES if name not in there]:
            parts.append(f"Not run for {task}: {', '.join(absent)}.")
    for task, (_, loss_name) in SCORES.items():
        of_task = [data for data, table in tables.items() if table["task"] == task]
        confirming = [data for data in of_task if tables[data]["half"] == "confirming"]
        for half, names in zip(HALVES, (of_task, confirming)):
            part = loss[loss.index.isin(names, "data")]
            if len(part):
                title = f"**{task.capitalize()}, {loss_name}: {HALVES[half]}**"
                parts += [f"{title} ({_size(part)})", markdown_table(_standing(part, rows))]
        if of_task:
            by_kind = _by_kind(ratios(loss[loss.index.isin(of_task, "data")]), tables)
            parts += [
                f"**{task.capitalize()}, {loss_name}: ratios by kind of table** (how many there are)",
                markdown_table(by_kind),
            ]
    for task, names in SCORES.items():
        of_task = [data for data, table in tables.items() if table["task"] == task]
        if of_task:
            heading = f"**{task.capitalize()}: {names[0]} / {names[1]}**"
            parts += [heading, markdown_table(_figures(rows, of_task, tables))]
    return "\n\n".join([*parts, *_against(rows), *_failures(rows)])


def _against(rows):
    """Losses and seconds of ours over those of an older version."""
    older = _measured(rows, older=True)
    if older.empty:
        return []
    ours = _measured(rows).query("estimator == 'skdense'")
    splits = ["task", "data", "seed"]
    logs = np.log(ours.set_index(splits).loss / older.set_index(splits).loss).dropna()
    seconds = _seconds(ours).loc["skdense"] / _seconds(older).loc["skdense"]
    lists = []
    for task, (_, loss_name) in SCORES.items():
        of_task = np.exp(logs[logs.index.isin([task], "task")].groupby("data").mean())
        halves = {name: describe(name)["half"] for name in of_task.index}
        for half in ("all", *sorted(set(halves.values()))):
            found = of_task[[half in ("all", halves[name]) for name in of_task.index]]
            worse = found[found > WORSE].sort_values(ascending=False)
            times = seconds.loc[found.index].median()
            lists.append(
                {
                    "list": f"{task}, {loss_name}",
                    "half": half,
                    "tables": len(found),
                    "loss": "{:.4f} [{:.4f}, {:.4f}]".format(*mean_ratio(found)),
                    "median": f"{median_ratio(found):.4f}",
                    "lower, equal, higher": "{}, {}, {}".format(*counts(1 / found)),
                    "first run": f"{times['first run, s']:.2f}",
                    "fit": f"{times['fit, s']:.2f}",
                    f"above {WORSE}": ", ".join(f"{name} {value:.3f}" for name, value in worse.items()),
                }
            )
    version = older.version.iloc[0]
    text = f"""\
**Ours over skdense {version}**: the loss, in the geometric mean as above, the processor time, in the
median over the tables, and the tables on which the loss is above {WORSE} times its."""
    return [text, markdown_table(lists)]


def _size(loss):
    splits = loss.groupby("data").size()
    few, many = splits.min(), splits.max()
    return f"{len(splits)} tables, {many if few == many else f'{few} to {many}'} splits of each"


def _standing(loss, rows):
    """The rows of a list: a rival each, after ours."""
    ours = loss.columns[0]
    of_tables = ratios(loss)
    complete = loss.dropna(axis=1, how="all").groupby("data").mean().dropna()
    ranks = complete.rank(axis=1).mean()
    measured = _measured(rows)
    measured = measured[measured.data.isin(of_tables.index)]
    (task,) = loss.index.unique("task")
    scores = measured[measured.data.isin(complete.index)].groupby("estimator").score.mean()
    seconds = _seconds(measured).groupby("estimator").median()
    predicting = measured.groupby(["estimator", "data"]).predict.mean().groupby("estimator").median()
    standing = []
    for name in loss:
        row = dict.fromkeys(["estimator", "ratio", "median", "ours lower, equal, higher", "splits"], "")
        row["estimator"] = name
        if name != ours and of_tables[name].notna().any():
            of_rival = of_tables[name].dropna()
            both = loss[[ours, name]].dropna()
            row |= {
                "ratio": "{:.3f} [{:.3f}, {:.3f}]".format(*mean_ratio(of_rival)),
                "median": f"{median_ratio(of_rival):.3f}",
                "ours lower, equal, higher": "{}, {}, {}".format(*counts(of_rival)),
                "splits": f"{(both[ours] < both[name]).sum()} of {len(both)}",
            }
        if name in seconds.index:
            is_ranked = name in ranks and len(complete) > 0
            row["mean rank"] = f"{ranks[name]:.2f}" if is_ranked else ""
            row[SCORES[task][0]] = f"{scores[name]:.3f}" if is_ranked else ""
            row |= seconds.loc[name].map(significant).to_dict()
            standing.append(row | {"1,000 rows, ms": significant(1000 * predicting[name])})
    return standing


def _by_kind(of_tables, tables):
    groups = dict.fromkeys(group for table in tables.values() for group in table["groups"])
    rows = []
    for name in of_tables.dropna(axis=1, how="all"):
        row = {"estimator": name}
        for group in sorted(groups):
            of_group = [data for data in of_tables.index if group in tables[data]["groups"]]
            found = of_tables.loc[of_group, name].dropna()
            means = "{:.3f} [{:.3f}, {:.3f}]".format(*mean_ratio(found)) if len(found) else ""
            row[group] = f"{means} ({len(found)})"
            if len(found):
                row[group] = f"{means}, median {median_ratio(found):.3f} ({len(found)})"
        rows.append(row)
    return rows


def _figures(rows, names, tables):
    """A row for each table: what it is like, and the score and the loss of each contestant."""
    table = _measured(rows)
    table = table[table.data.isin(names)]
    means = table.groupby(["data", "estimator"])[["score", "loss"]].mean()
    shown = [name for name in PACKAGES if name in set(table.estimator)]
    figures = []
    for data in sorted(names, key=lambda name: (tables[name]["rows"], name)):
        of_data = means.loc[data]
        cells = {name: "{:.3f} / {:.3f}".format(*of_data.loc[name]) for name in of_data.index}
        described = tables[data]
        counted = ("numbers", "dates", "texts", "categories")
        columns = ", ".join(f"{described[kind]} {kind}" for kind in counted if described[kind])
        row = {"data": data, "half": described["half"], "rows": f"{described['rows']:,}"}
        figures.append(
            row
            | {"columns": columns, "levels": described["levels"] or ""}
            | {name: cells.get(name, "") for name in shown}
        )
    return figures


def _failures(rows):
    failed = [row for row in rows if "error" in row]
    if not failed:
        return []
    reasons = {}
    for row in failed:
        who = " ".join([row["estimator"], *([row["version"]] if row["version"] else [])])
        reasons.setdefault((who, row["error"]), []).append(f"{row['data']} {row['seed']}")
    lines = [
        f"- {estimator}, {error}: {', '.join(where)}" for (estimator, error), where in reasons.items()
    ]
    return ["**Without a result** (table and split)", "\n".join(lines)]
