"""Figures of the benchmarks' reports, and the texts of the pages that quote them.

The pages have these texts by substitution, the READMEs between marks, which a test compares.
After a new measurement, `python docs/figures.py` writes those of both READMEs anew, and their picture.
"""

import re
import textwrap
import tomllib
from functools import partial
from pathlib import Path

import pandas as pd

from skdense.version import __version__

DOCS = Path(__file__).parent
READMES = {"en": DOCS.parent / "README.md", "ko": DOCS.parent / "README.ko.md"}
REPORTS = DOCS / "benchmarks"
STATIC = DOCS / "_static"
RIVAL, FAST = "CatBoost", "LightGBM"
TASKS = {"classifier": "log-loss", "regressor": "RMSE"}  # and their losses
PEAK = "peak memory of a process that fits the digits"
LARGE_FIT = "peak memory of fit, 1000000x100 float32, over imports: "
TREES = ["LightGBM", "XGBoost", "HistGradientBoosting"]
# What pages show besides the texts, and the reports that it is from.
SHOWN = {
    "generated/pruned.txt": "pruned",
    "generated/serving.txt": "serving",
    "generated/table_sizes.txt": "table_sizes",
    "generated/accuracy.txt": "accuracy",
    "generated/cards/speed": "speed",
    "generated/cards/search": "search",
    "_static/loss_and_seconds": "accuracy",
}
read: set[str] = set()
"""The reports that were read so far, for `texts`."""


def report(name):
    """The text of a report."""
    return (REPORTS / name / "report.md").read_text(encoding="utf-8")


def source(name):
    """The version and the processor that a report is of."""
    found = re.search(
        r"^(.+), \d+ of \d+ CPUs.* skdense ([\d.]+\w*),", report(name), re.MULTILINE
    )
    return found[2], found[1]


def tables(name):
    """The tables of a report, all cells as text, by the names of their rows."""
    read.add(name)
    text = report(name)
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
    first = next(table for table in tables(report) if heading in table)
    numbers = first[heading].map(
        lambda cell: re.findall(r"\*\*([\d.]+)", cell) or re.findall(r"[\d.]+", cell)
    )
    return {name: found[part] for name, found in numbers.items() if found}


def turns(cell):
    """Seconds with an empty and with a full folder of programs, and of a later run, from a cell.

    MLPClassifier has one process, whose seconds stand for both of its own.
    """
    numbers = re.findall(r"[\d.]+", cell)
    return numbers[0], numbers[-2:][0], numbers[-1]


def lists():
    """The lists of models in the report of accuracy: by task, all tables and the confirming ones."""
    found = [table for table in tables("accuracy") if "ratio" in table]
    return {task: found[2 * place : 2 * place + 2] for place, task in enumerate(TASKS)}


def seconds(task):
    """The seconds of the median fit of each model on the confirming tables, by its name."""
    return lists()[task][1]["fit, s"].astype(float)


def medians(task):
    """The median over the confirming tables of each model's loss over ours, by its name."""
    found = data_of(task)
    cells = found.loc[found["half"] == "confirming", "skdense":]
    losses = cells.apply(
        lambda column: pd.to_numeric(
            column.str.extract(r"/ ([\d.]+)", expand=False), errors="coerce"
        )
    )
    return losses.div(losses["skdense"], axis=0).median()


def data_of(task):
    """The table of data of a task, with the cells of all models."""
    return [found for found in tables("accuracy") if "rows" in found][
        [*TASKS].index(task)
    ]


def nearest():
    """CatBoost and the rival of the best mean rank, which may be the same."""
    ranks = sum(whole["mean rank"].astype(float) for whole, _ in lists().values())
    return list(dict.fromkeys([ranks.iloc[1:].idxmin(), RIVAL]))


def cells_of(confirming, heading, rivals):
    """Cells of ours and of rivals, of classification / regression each, by the names of the models."""
    of_tasks = [found[confirming][heading] for found in lists().values()]
    rows = {"skdense": [cells.iloc[0] for cells in of_tasks]}
    rows |= {name: [cells[name] for cells in of_tasks] for name in rivals}
    return {name: " / ".join(cells) for name, cells in rows.items()}


def of_models(confirming, heading, rivals):
    """The same as a list in words."""
    found = cells_of(confirming, heading, rivals)
    return ", ".join(f"{name} {cells}" for name, cells in found.items())


def data():
    """The tables of data in the report of accuracy, with the cells of all models."""
    return pd.concat([found for found in tables("accuracy") if "rows" in found])


def halves(found):
    """How many of the tables of data settings were chosen on, and how many confirm."""
    half = found["half"]
    return (half == "to choose on").sum(), (half == "confirming").sum()


def of_sources():
    """The versions and the machines of all reports."""
    names = sorted(path.parent.name for path in REPORTS.glob("*/report.md"))
    groups = {}
    for name in names:
        groups.setdefault(source(name), []).append(f"`{name}`")
    if len(groups) == 1:
        return {"sources": "skdense {}, {}".format(*groups.popitem()[0])}
    return {
        "sources": "; ".join(
            f"skdense {version}, {processor} ({', '.join(reports)})"
            for (version, processor), reports in groups.items()
        )
    }


def are_old(version=__version__):
    """Whether a report is of an earlier minor version."""
    reports = (path.parent.name for path in REPORTS.glob("*/report.md"))
    return any(is_of_another(version, source(name)[0]) for name in reports)


def is_of_another(version, of):
    """Whether two versions have different minor versions."""
    return of.split(".")[:2] != version.split(".")[:2]


def speed(job, dtype="float64"):
    """How many times as fast the jobs are whose names begin like this."""
    jobs = column("speed", f"both {dtype}").items()
    ratios = [ratio for name, ratio in jobs if name.startswith(job)]
    low, high = min(ratios, key=float), max(ratios, key=float)
    return low if low == high else f"{low} to {high}"


def in_both_precisions(job):
    """The same in float64 and in float32."""
    return f"{speed(job)}; in float32 {speed(job, 'float32')}"


FIRST_FIT = "one fit, breast_cancer"
SENTENCES = tomllib.loads((DOCS / "sentences.toml").read_text(encoding="utf-8"))
"""Those of pages and of both READMEs, by a name and a language; `values` fills in the figures."""


def values(name):
    """The figures of a sentence."""
    match name:
        case "ranks" | "own_rank" | "row" | "row_note":
            found = data()
            is_finished = (found.loc[:, "skdense":] != "").all(axis=1)  # by all models
            ranks = cells_of(1, "mean rank", [*nearest(), FAST])
            ours = [found[1]["mean rank"].iloc[0] for found in lists().values()]
            return {
                "n_models": len(lists()["classifier"][0]),
                "n_tables": len(found),
                "n_finished": is_finished.sum(),
                "n_confirming": halves(found)[1],
                "n_finished_confirming": halves(found[is_finished])[1],
                "all": of_models(0, "mean rank", nearest()),
                "confirming": of_models(1, "mean rank", nearest()),
                "names": " | ".join(ranks),
                "line": " | ".join(["---"] * len(ranks)),
                "cells": " | ".join(ranks.values()),
                "seconds_cells": " | ".join(cells_of(1, "fit, s", ranks).values()),
                "rank_classification": ours[0],
                "rank_regression": ours[1],
            }
        case "fit_seconds":
            return {"seconds": of_models(1, "fit, s", [*nearest(), FAST])}
        case "measured":
            return of_sources()
        case "intervals":
            return of_intervals()
        case "speed":
            jobs = {
                "small": "fit, 2000x2, plain sgd, batch 100, (2, 2), 600 epochs",
                "middle": "fit, 1797x64 digits, (100,), 100 epochs",
                "wide": "fit, 10000x784, 10 classes, batch 256, (512, 512), 3 epochs",
            }
            found = {name: speed(job) for name, job in jobs.items()}
            return found | {"wide_float32": speed(jobs["wide"], "float32")}
        case "first_minute":
            jobs = {
                "fit": FIRST_FIT,
                "search": "random search, breast_cancer, 30 x 5 folds",
                "digits": "random search, digits, 30 candidates x 5 folds",
            }
            return {
                f"{name}_{turn}": seconds
                for name, job in jobs.items()
                for turn, seconds in first_fit(job).items()
            }
        case "memory":
            peak, first, their_peak = peaks()
            return {"peak": peak, "first": first, "their_peak": their_peak}
        case "start":
            return values("first_minute") | values("memory")


def first_fit(job):
    """The seconds of whole processes with a job: ours the first time and later, MLPClassifier's."""
    folders = {
        "empty": "empty folder",
        "full": "full folder",
        "theirs": "MLPClassifier",
    }
    row = tables("first_fits")[0].loc[job]
    return {turn: row[f"{heading}, s"] for turn, heading in folders.items()}


def peaks():
    """Megabytes of a process that fits the digits: ours, ours in its first run, MLPClassifier's."""
    found = {
        figure.rpartition(": ")[2]: round(float(cell))
        for figure, cell in column("costs", "measured", 0).items()
        if figure.startswith(PEAK)
    }
    folders = "full", "empty"
    ours = [found[f"LowLevelMLPClassifier, {folder} folder"] for folder in folders]
    return *ours, found["MLPClassifier"]


def sentence(name, language="en"):
    """A sentence with its figures, or a Markdown table, whose lines stay."""
    texts = SENTENCES[name]
    text = texts[language].strip()
    if f"old_{language}" in texts and are_old():
        text = texts[f"old_{language}"]
    if not text.startswith("|"):
        text = " ".join(text.split())
    return text.format(**values(name))


MARKED = re.compile(r"<!--(\w+)-->\n( *)(.*?)<!--end-->", re.DOTALL)


def filled(text, language):
    """The text of a README with the sentences of this version between their marks."""

    def written(found):
        name, indent, _ = found.groups()
        text = sentence(name, language)
        if text.startswith("|"):
            return f"<!--{name}-->\n{text}\n<!--end-->"
        width = 128 if language == "en" else 96
        lines = textwrap.fill(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        return f"<!--{name}-->\n{lines}<!--end-->"

    return MARKED.sub(written, text)


def texts():
    """All texts of the pages, each by a name, with the reports that it is from."""
    written = {}
    for write in (
        *(partial(lambda name: {name: sentence(name)}, name) for name in SENTENCES),
        of_speed,
        of_processes,
        of_costs,
        of_accuracy,
        of_pruned,
        of_sizes,
    ):
        read.clear()
        written |= {name: (text, frozenset(read)) for name, text in write().items()}
    return written


def quoted():
    """The texts by their names, for the pages, which show tables in other ways."""
    return {
        name: text for name, (text, _) in texts().items() if not text.startswith("|")
    }


def reports_of(page):
    """The reports that the source of a page quotes, shows or includes."""
    named = re.findall(r"\|(\w+)\||\{\{ (\w+) \}\}|<!--(\w+)-->", page)
    written = texts() if named else {}
    found = {name for names in named for name in names if name in written}
    return set(re.findall(r"benchmarks/(\w+)/", page)).union(
        *(written[name][1] for name in found)
    ) | {report for shown, report in SHOWN.items() if shown in page}


def untold(page, version=__version__):
    """What the source of a page quotes without saying what it is of.

    These are reports of another minor version, and all if they are of several machines.
    """
    if re.search(r"\|measured\||\{\{ measured \}\}|<!--measured-->", page):
        return set()
    sources = {name: source(name) for name in reports_of(page)}
    if len({processor for _, processor in sources.values()}) > 1:
        return set(sources)
    return {name for name, (of, _) in sources.items() if is_of_another(version, of)}


def of_speed():
    """How many times as fast skdense is, by job."""
    return {
        "tiny_fit": speed("fit, 2000x2"),
        "iris_fit": speed("fit, 150x4 iris"),
        "some_rows": speed("partial_fit, digits, (100,), 200 rows"),
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


def of_processes():
    """Seconds of Python processes that fit one network."""
    seconds = first_fit(FIRST_FIT)
    return {
        "process": seconds["empty"],
        "full_process": seconds["full"],
        "their_process": seconds["theirs"],
    }


def of_costs():
    """Memory of Python processes, ours and MLPClassifier's, and what takes it."""
    peak, _, their_peak = peaks()
    costs = column("costs", "measured", 0)
    name = "cores that networks of {} in one process can fill at most, float32"
    cores = [costs[name.format(sizes)] for sizes in ("(2, 2)", "(32,)", "(100,)")]
    return {
        "peak": str(peak),
        "their_peak": str(their_peak),
        "more_memory": f"{peak - their_peak} MB",
        "needed": costs["the part of it that the first fit imports"],
        "programs": costs["programs of 200 shapes, to 1000 x 40 and 64 units"],
        "memory_of_programs": costs["memory of these programs"] + " MB",
        "training_worker": "{} MB of {} MB".format(
            *(
                costs[f"{kind} memory of one of 4 such workers, full folder"]
                for kind in ("private", "resident")
            )
        ),
        "growth_memory": costs[LARGE_FIT + "LowLevelMLPClassifier"] + " times",
        "cores": "{} with networks of (2, 2), {} with (32,) and {} with (100,)".format(
            *cores
        ),
    }


def of_accuracy():
    """How fast the trees are, and how many tables there are."""
    times = [
        seconds(task)["skdense"] / seconds(task)[name]
        for task in TASKS
        for name in TREES
    ]
    chosen, confirming = halves(data())
    return {
        "trees": f"{min(times):.0f} to {max(times):.0f} times as fast",
        "halves": (
            f"The default parameters were chosen on {chosen} of the data sets; the other "
            f"{confirming} were held out."
        ),
    }


def of_intervals():
    """How often intervals and sets of classes hold, and on which tables."""
    ours, cqr, _, sets = tables("intervals")
    of_sets = sets.drop("mean")[["coverage", "least of a class"]].astype(float)
    figures = {
        "n_intervals": len(ours) - 1,
        "lowest": percent(of_sets["coverage"].min()),
        "highest": percent(of_sets["coverage"].max()),
        "n_sets": len(of_sets),
        "least": percent(of_sets["least of a class"].min()),
        "n_rare": (of_sets["least of a class"] < 0.5).sum(),
    }
    for name, means in {"": ours.loc["mean"], "cqr_": cqr.loc["mean"]}.items():
        figures[f"{name}coverage"] = percent(means["coverage"])
        figures[f"{name}width"] = means["width"]
    return figures


def percent(share):
    return f"{float(share):.0%}"


def of_pruned():
    """What pruned searches find, and how long they take beside all candidates to the end."""
    found = next(table for table in tables("pruned") if "same winner, pruned" in table)
    row = found.loc["all"]
    mean, largest = row["on new rows, pruned"].split(" / ")
    return {
        "pruned_found": (
            f"On {len(found) - 1} data sets, it found the winner of the exhaustive search in "
            f"{row['same winner, pruned']} searches, with {row['epochs, pruned']} of the epochs. "
            f"Refitted, the winner's loss on new rows was {mean} larger on average than that of the "
            f"exhaustive search's winner, {largest} at most."
        ),
    }


def of_sizes():
    """The number of rows of the largest table whose fit was measured."""
    return {"most_rows": tables("table_sizes")[0].index[-1]}


def whole_searches():
    """The seconds of whole processes with a search, by data."""
    return next(
        table
        for table in tables("pruned")
        if "pruned / MLPClassifier" in table and "pruned / exhaustive" not in table
    )


def write_tables(folder):
    """Write the tables that pages include."""
    folder.mkdir(parents=True, exist_ok=True)
    heading = (
        "30 candidates on",
        "pruned: first run, next runs",
        "all: first run, next runs",
    )
    pruned = [[*heading, "all, MLPClassifier"]] + [
        [
            data,
            "{} s, {} s".format(*turns(row["pruned"])[:2]),
            "{} s, {} s".format(*turns(row["exhaustive"])[:2]),
            f"{turns(row['MLPClassifier'])[0]} s",
        ]
        for data, row in whole_searches().iterrows()
    ]
    headings = [
        "model",
        "start, s",
        "memory, MB",
        "first row, ms",
        "one row, ms",
        "1,000 rows, ms",
    ]
    serving = tables("serving")[0].reset_index()
    is_old = serving["model"].str.contains(r"^skdense \d")
    serving = serving[~is_old & (serving["data"] != "weather")]
    rows = [["data", *headings], *serving[["data", *headings]].to_numpy().tolist()]
    sizes = tables("table_sizes")[0].reset_index()
    columns = [
        "rows",
        "process, s",
        "memory, MB",
        "log-loss",
        "HistGradientBoosting: log-loss",
    ]
    written = {
        "pruned": pruned,
        "serving": rows,
        "table_sizes": [columns, *sizes[columns].to_numpy().tolist()],
        "accuracy": accuracies(),
    }
    for name, cells in written.items():
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for first, *others in cells:
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", "utf-8")


def accuracies():
    """Losses over ours, on all tables and on the confirming ones, and seconds of fits, by model."""
    columns, heading = [], ["model"]
    for (whole, confirming), loss in zip(lists().values(), TASKS.values(), strict=True):
        columns += [whole["ratio"], confirming["ratio"], whole["fit, s"]]
        heading += [f"relative {loss}", "held-out tables", "CPU s of a fit"]
    found = pd.concat(columns, axis=1).fillna("")
    names = ["skdense", *found.index[1:]]
    return [heading, *([name, *cells] for name, cells in zip(names, found.to_numpy()))]


if __name__ == "__main__":
    import cards

    cards.losses_and_seconds(STATIC)
    for language, path in READMES.items():
        path.write_text(filled(path.read_text(encoding="utf-8"), language), "utf-8")
