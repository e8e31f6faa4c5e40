"""The report and the picture of `accuracy.py`: other models' losses over ours, by task.

Each task has a list of the tables that confirm, on which hardly any setting was chosen
(`decisions.md` names them), and one of all tables.
The picture is of the former.
"""

import numpy as np
import pandas as pd

from benchmarks import plots
from benchmarks.contestants import LEGEND, PACKAGES, SETTINGS
from benchmarks.report import SCORES, markdown_table, significant
from benchmarks.tables import TO_CHOOSE_ON, describe

TIE = 0.001
N_SAMPLES = 10_000
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
deviation. In the lists of tables, a cell is the mean score / the mean loss over the splits,
with their number in brackets if other splits of the table have no result."""


def measured(rows):
    """The rows with a result, as a DataFrame."""
    return pd.DataFrame([row for row in rows if "error" not in row])


def lists(results):
    """The results of each task by the title of their list: all tables, if some are to choose on, and
    those that confirm. A task without results of skdense has no list.
    """
    found = {}
    for task, (_, loss_name) in SCORES.items():
        task_results = results[results.task == task]
        if "skdense" not in set(task_results.estimator):
            continue
        confirming = task_results[~task_results.data.isin(TO_CHOOSE_ON)]
        title = f"{task.capitalize()}, {loss_name}"
        if len(confirming) < len(task_results):
            found[f"{title}: all tables"] = task_results
        found[f"{title}: confirming tables, on which hardly any setting was chosen"] = confirming
    return {title: part for title, part in found.items() if len(part)}


def losses(results):
    """The losses: a row for each table and split, a column for each contestant; NaN if it failed."""
    wide = results.pivot(index=["data", "seed"], columns="estimator", values="loss")
    return wide[[name for name in PACKAGES if name in wide]]


def ratios(loss):
    """Each rival's loss over ours, the geometric mean over a table's splits: a row for each table."""
    logs = np.log(loss)
    ours = logs.columns[0]
    return np.exp(logs.drop(columns=ours).sub(logs[ours], axis=0).groupby("data").mean())


def mean_ratio(table_ratios):
    """The geometric mean of a rival's ratios, and its range of 95 % in bootstrap samples of tables."""
    logs = np.log(table_ratios.to_numpy())
    means = np.random.default_rng(0).choice(logs, (N_SAMPLES, len(logs))).mean(axis=1)
    return np.exp([logs.mean(), *np.quantile(means, [0.025, 0.975])])


def counts(table_ratios):
    """On how many tables ours has the lower loss, an equal one, the higher one."""
    lower, higher = (table_ratios > 1 + TIE).sum(), (table_ratios < 1 / (1 + TIE)).sum()
    return lower, len(table_ratios) - lower - higher, higher


def seconds(results):
    """Of each contestant the seconds of the first split and of later ones, medians over the tables."""
    is_first = results.seed == 0
    later = results[~is_first] if (~is_first).any() else results
    return pd.DataFrame(
        {
            name: part.groupby(["estimator", "data"]).seconds.mean().groupby("estimator").median()
            for name, part in {"first run, s": results[is_first], "fit, s": later}.items()
        }
    )


def to_markdown(rows):
    """What was done, the lists of each task, and the figures of each table."""
    results = measured(rows)
    estimators = {row["estimator"] for row in rows}
    settings = [setting for setting in SETTINGS if setting["contestant"] in estimators]
    parts = [markdown_table(settings), LEGEND, MEANING]
    for title, part in lists(results).items():
        parts += [f"**{title}** ({size(part)})", markdown_table(standing(part))]
    for task, names in SCORES.items():
        task_results = results[results.task == task]
        if len(task_results):
            heading = f"**{task.capitalize()}: {' / '.join(names)}**"
            parts += [heading, markdown_table(figures(task_results))]
    return "\n\n".join([*parts, *failures(rows)])


def draw(rows, path):
    """Losses over ours against seconds of a fit: medians of the confirming tables, by contestant."""
    panels = {}
    for title, part in lists(measured(rows)).items():
        if "confirming" in title:
            medians = {"skdense": 1.0} | ratios(losses(part)).median().dropna().to_dict()
            times = seconds(part)["fit, s"]
            models = {name: (times[name], median) for name, median in medians.items()}
            panels[title.partition(": confirming")[0]] = models
    if panels:
        plots.losses_and_seconds(panels, path)


def size(results):
    splits = results.groupby("data").seed.nunique()
    few, many = splits.min(), splits.max()
    return f"{len(splits)} tables, {many if few == many else f'{few} to {many}'} splits of each"


def standing(results):
    """The rows of a list: a contestant each, ours first."""
    loss = losses(results)
    ours, table_ratios = loss.columns[0], ratios(loss)
    complete = loss.groupby("data").mean().dropna()
    ranks = complete.rank(axis=1).mean()
    score_name = SCORES[results.task.iloc[0]][0]
    scores = results[results.data.isin(complete.index)].groupby("estimator").score.mean()
    times = seconds(results).map(significant)
    predicting = results.groupby(["estimator", "data"]).predict.mean().groupby("estimator").median()
    rows = []
    for name in loss:
        row = dict.fromkeys(["estimator", "ratio", "median", "ours lower, equal, higher", "splits"], "")
        row["estimator"] = name
        rival_ratios = table_ratios[name].dropna() if name != ours else []
        if len(rival_ratios):
            both = loss[[ours, name]].dropna()
            row |= {
                "ratio": "{:.3f} [{:.3f}, {:.3f}]".format(*mean_ratio(rival_ratios)),
                "median": f"{rival_ratios.median():.3f}",
                "ours lower, equal, higher": "{}, {}, {}".format(*counts(rival_ratios)),
                "splits": f"{(both[ours] < both[name]).sum()} of {len(both)}",
            }
        row["mean rank"] = f"{ranks[name]:.2f}" if len(complete) else ""
        row[score_name] = f"{scores[name]:.3f}" if len(complete) else ""
        row |= times.loc[name].to_dict()
        rows.append(row | {"1,000 rows, ms": significant(1000 * predicting[name])})
    return rows


def figures(results):
    """A row for each table: what it is like, and the score and the loss of each contestant."""
    means = results.groupby(["data", "estimator"])[["score", "loss"]].mean()
    n_splits = results.groupby(["data", "estimator"]).seed.nunique()
    contestants = [name for name in PACKAGES if name in set(results.estimator)]
    rows = []
    for data in results.data.unique():
        table, cells = describe(data), means.loc[data]
        kinds = ("numbers", "dates", "texts", "categories")
        columns = ", ".join(f"{table[kind]} {kind}" for kind in kinds if table[kind])
        row = {"data": data, "half": table["half"], "rows": f"{table['rows']:,}", "columns": columns}
        row["levels"] = table["levels"] or ""
        for name in contestants:
            row[name] = "{:.3f} / {:.3f}".format(*cells.loc[name]) if name in cells.index else ""
            if name in cells.index and n_splits[data, name] < n_splits[data].max():
                row[name] += f" ({n_splits[data, name]})"
        rows.append(row)
    return sorted(rows, key=lambda row: (int(row["rows"].replace(",", "")), row["data"]))


def failures(rows):
    """Which contestants failed on which tables and splits, and why."""
    reasons = {}
    for row in rows:
        if "error" in row:
            where = f"{row['data']} {row['seed']}"
            reasons.setdefault((row["estimator"], row["error"]), []).append(where)
    lines = [f"- {name}, {error}: {', '.join(where)}" for (name, error), where in reasons.items()]
    return ["**Without a result** (table and split)", "\n".join(lines)] if lines else []
