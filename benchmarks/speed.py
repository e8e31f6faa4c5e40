"""MLPClassifier's seconds over ours, for fits, `partial_fit` and predictions in one process.

Both do the same epochs from the same draws, with stopping off (tol=0, n_iter_no_change=inf), and so
end with the same loss; the report shows how far they differ. They run in turn, with BLAS on one
thread and on all cores; the smaller ratio counts. `JOBS` are single cases, `SETTINGS` those of
`random_settings.py`.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks import plots, random_settings
from benchmarks.networks import OURS, THEIRS, clouds, generated, make
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant

NO_STOPPING = {"tol": 0, "n_iter_no_change": np.inf}
# BLAS and OpenMP have one thread, or as many as the environment gives them, which is all cores.
THREADS = ("1", "cores")
FLOAT64, FLOAT32 = "both float64", "both float32"
COLUMNS = {FLOAT64: "float64", FLOAT32: "float32"}
SGD = {
    "solver": "sgd",
    "momentum": 0,
    "nesterovs_momentum": False,
    "learning_rate_init": 0.1,
    "alpha": 0,
    "shuffle": False,
}
draw = plots.speed


def fitting(estimator, X, y):
    """A whole fit."""
    return partial(estimator.fit, X, y)


def feeding(n_rows, estimator, X, y):
    """A partial_fit of the next so many rows, after the first call."""
    starts = range(0, len(y) - n_rows + 1, n_rows)
    chunks = cycle([(X[start : start + n_rows], y[start : start + n_rows]) for start in starts])
    estimator.partial_fit(*next(chunks), classes=np.unique(y))
    return lambda: estimator.partial_fit(*next(chunks))


def predicting(n_rows, estimator, X, y):
    """A prediction of the first rows."""
    estimator.fit(X[:5000], y[:5000])
    return partial(estimator.predict, X[:n_rows])


@dataclass(frozen=True)
class Job:
    """What is timed: `prepare(estimator, X, y)` returns a callable, called so often in a round."""

    data: Callable
    parameters: dict
    prepare: Callable = fitting
    calls: int = 1
    columns: tuple = tuple(COLUMNS)
    task: str = "classification"


def _fit(title, data, epochs, hidden=(100,), **parameters):
    parameters |= {"hidden_layer_sizes": hidden, "max_iter": epochs}
    return {f"fit, {title}, {hidden}, {epochs} epochs": Job(data, parameters)}


def _lbfgs(title, data, iterations, hidden):
    parameters = {"hidden_layer_sizes": hidden, "solver": "lbfgs", "max_iter": iterations}
    return {
        f"lbfgs, {title}, {hidden}, {iterations} iterations": Job(data, parameters, columns=(FLOAT64,))
    }


def _calls(title, prepare, data, hidden, calls_of_rows):
    """A job for each number of rows, with so many calls."""
    parameters = {"hidden_layer_sizes": hidden, "max_iter": 2}
    return {
        f"{title}, {hidden}, {n} rows": Job(data, parameters, partial(prepare, n), calls)
        for n, calls in calls_of_rows.items()
    }


def _scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


_digits, _iris = partial(_scaled, load_digits), partial(_scaled, load_iris)
_binary, _wide = partial(generated, 20_000, 20), partial(generated, 10_000, 784, 10)
_million = partial(generated, 1_000_000, 20)
JOBS = {
    **_fit("2000x2, plain sgd, batch 100", clouds, 600, (2, 2), batch_size=100, **SGD),
    **_fit("2000x2, batch 100", clouds, 100, (2, 2), batch_size=100),
    **_fit("150x4 iris", _iris, 20),
    **_fit("1797x64 digits", _digits, 100),
    **_fit("20000x20, batch 200", _binary, 10, (64, 64)),
    **_fit("10000x784, 10 classes, batch 256", _wide, 3, (512, 512), batch_size=256),
    **_lbfgs("150x4 iris", _iris, 50, (5,)),
    **_lbfgs("1797x64 digits", _digits, 100, (100,)),
    **_lbfgs("20000x20", _binary, 20, (64, 64)),
    **_calls("partial_fit, digits", feeding, _digits, (100,), {1: 100, 200: 50, 1797: 10}),
    **_calls("partial_fit, 20 features", feeding, _binary, (64, 64), {200: 100, 20_000: 4}),
    **_calls("predict, digits", predicting, _digits, (100,), {1: 300, 1797: 50}),
    **_calls("predict, 20 features", predicting, _million, (64, 64), {1_000_000: 1}),
}  # fmt: skip


SETTINGS = {
    setting.title: Job(
        setting.data,
        setting.params,
        columns=(FLOAT64 if setting.dtype == "float64" else FLOAT32,),
        task=setting.task,
    )
    for setting in random_settings.draw()
}


def jobs(rounds=5):
    """Each job, and each random setting with fewer rounds, in a fresh process."""
    return [{"title": title, "rounds": rounds} for title in JOBS] + [
        {"title": title, "rounds": min(rounds, 3)} for title in SETTINGS
    ]


def measure(title, rounds):
    """A row for each column of a job."""
    return fresh(alternately, title=title, rounds=rounds)


def alternately(title, rounds):
    """Time ours and theirs in turn in each dtype, both with each setting of BLAS's threads."""
    warnings.simplefilter("ignore")  # with stopping off, every fit ends with a warning
    job, rows = (JOBS | SETTINGS)[title], []
    X, y = job.data()
    for column in job.columns:
        runs, networks = {}, {}
        for name in (OURS, THEIRS):
            for threads in THREADS:
                network = make(estimator_name(name, job.task), **NO_STOPPING, **job.parameters)
                networks[name] = network
                call = job.prepare(network, X.astype(COLUMNS[column]), y)
                runs[name, threads] = partial(repeat, job.calls, call)
        seconds = in_turn(runs, rounds)
        # Not the ratio of the medians: what both met in the same round cancels.
        ratios = {
            threads: np.median(seconds[THEIRS, threads][1:] / seconds[OURS, threads][1:])
            for threads in THREADS
        }
        medians = {key: np.median(values[1:]) / job.calls for key, values in seconds.items()}
        rows.append(
            {
                "column": column,
                "first": seconds[OURS, THREADS[0]][0],
                "their_first": seconds[THEIRS, THREADS[0]][0],
                "ours": [medians[OURS, threads] for threads in THREADS],
                "theirs": [medians[THEIRS, threads] for threads in THREADS],
                "ratios": list(ratios.values()),
                "ratio": min(ratios.values()),
                "loss_difference": abs(networks[OURS].loss_ - networks[THEIRS].loss_),
            }
        )
    return rows


def estimator_name(name, task):
    """The name of the classifier or of the regressor."""
    return name if task == "classification" else name.replace("Classifier", "Regressor")


def in_turn(contestants, rounds):
    """Time zero-argument callables in turn; return `{name: array of seconds}` of shape (1 + rounds,).

    A name ends with a setting of BLAS and OpenMP; TensorFlow has threads of its own, which this does
    not touch. The first round compiles programs, and touches everything once.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(1 + rounds):
        for name, run in contestants.items():
            with threadpool_limits(1 if name[-1] == "1" else None):
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def repeat(times, call):
    for _ in range(times):
        call()


REPORT = """\
MLPClassifier's seconds / ours for the same work, timed alternately in later calls of one process:
medians. In a cell: **the smaller ratio**, of those with BLAS and OpenMP on 1 thread / on all cores.
TensorFlow has threads of its own, which are on all cores in both. In the long tables, milliseconds are
those of a call behind the ratios, *first, s* are the seconds of our first round, in which fits compile
and, unless the same job in float64 came before it in that process, import TensorFlow, and *loss
difference* is how far the losses differ.

{settings}{ratios}

{below}

{details}"""
SETTINGS_REPORT = """\
**Random settings** ({n} of {N_SETTINGS}, drawn by a seed: {ROWS[0]} to {ROWS[1]:,} rows,
{COLUMNS[0]} to {COLUMNS[1]} columns, one to {MOST_LAYERS} layers of {UNITS[0]} to {UNITS[1]} units,
all solvers and both dtypes, classification and regression): the ratio of later fits, its *median*, the
*lowest tenth* of the settings, the share *below 1*; and the median seconds of the *first fit* of a
process without compiled programs, ours with the import of TensorFlow.

{summary}

{details}

**Jobs**

"""


def to_markdown(rows):
    """The random settings, the ratios of jobs, which are below 1, and the seconds behind them."""
    drawn = [row for row in rows if row["title"] in SETTINGS]
    rows, table = [row for row in rows if row["title"] in JOBS], {}
    for row in rows:
        cells = table.setdefault(row["title"], {"job": row["title"]} | dict.fromkeys(COLUMNS, ""))
        cells[row["column"]] = ratio_of(row)
    below = [f"{row['title']}, {row['column']}: {row['ratio']:.2f}" for row in rows if row["ratio"] < 1]
    below = f"Below 1 (0.95 is within noise): {'; '.join(below)}." if below else "No ratio is below 1."
    settings = ""
    if drawn:
        settings = SETTINGS_REPORT.format(
            n=len(drawn),
            summary=markdown_table(summary(drawn)),
            details=details(sorted(drawn, key=lambda row: row["ratio"])),
            **vars(random_settings),
        )
    return REPORT.format(
        settings=settings,
        ratios=markdown_table(list(table.values())),
        below=below,
        details=details(rows),
    )


def summary(rows):
    """A row for all random settings, and one for each dtype, solver and task."""
    groups = {"all": rows}
    for column, dtype in COLUMNS.items():
        groups[dtype] = [row for row in rows if row["column"] == column]
    for solver in random_settings.SOLVERS:
        groups[solver] = [row for row in rows if SETTINGS[row["title"]].parameters["solver"] == solver]
    for task in ("classification", "regression"):
        groups[task] = [row for row in rows if SETTINGS[row["title"]].task == task]
    return [
        {
            "settings": name,
            "how many": len(group),
            "median": significant(np.median([row["ratio"] for row in group])),
            "lowest tenth": significant(np.quantile([row["ratio"] for row in group], 0.1)),
            "below 1": f"{sum(row['ratio'] < 1 for row in group)} of {len(group)}",
            "first fit, s": significant(np.median([row["first"] for row in group])),
            "MLPClassifier's, s": significant(np.median([row["their_first"] for row in group])),
        }
        for name, group in groups.items()
        if group
    ]


def details(rows):
    """The seconds behind the ratios."""
    table = [
        {
            "job": row["title"],
            "dtype": COLUMNS[row["column"]],
            "ratio": ratio_of(row),
            "ours, ms": both(row["ours"], 1000),
            "theirs, ms": both(row["theirs"], 1000),
            "first, s": significant(row["first"]),
            "loss difference": f"{row['loss_difference']:.0e}",
        }
        for row in rows
    ]
    return markdown_table(table)


def ratio_of(row):
    return f"**{significant(row['ratio'])}**: {both(row['ratios'])}"


def both(values, scale=1):
    return " / ".join(significant(scale * value) for value in values)
