"""Figures of the benchmarks' reports, and the texts of the pages that quote them.

The pages have these texts by substitution, the READMEs between marks, which a test compares.
After a new measurement, `python docs/figures.py` writes those of both READMEs anew.
"""

import re
import textwrap
import tomllib
from pathlib import Path

import pandas as pd

DOCS = Path(__file__).parent
READMES = {"en": DOCS.parent / "README.md", "ko": DOCS.parent / "README.ko.md"}
REPORTS = DOCS / "benchmarks"
OURS, RIVAL = "make_tabular", "CatBoost"
TASKS = {"classifier": "log-loss", "regressor": "RMSE"}  # and their losses
PEAK = "peak memory of a process that fits the digits, and of its imports: "
LARGE_FIT = "peak memory of fit, 1000000x100 float32, over imports: "
TREES = ["LightGBM", "XGBoost", "HistGradientBoosting"]


def tables(report):
    """The tables of a report, all cells as text, by the names of their rows."""
    name = "short.md" if report == "quick" else "report.md"
    text = (REPORTS / report / name).read_text(encoding="utf-8")
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


def turns(cell):
    """Seconds with an empty and with a full folder of programs, and of a later run, from a cell.

    MLPClassifier has one process, whose seconds stand for both of its own.
    """
    numbers = re.findall(r"[\d.]+", cell)
    return numbers[0], numbers[-2:][0], numbers[-1]


def standing(task, confirming=False):
    """What the report says of each rival on all tables of a task, or on the confirming ones.

    A row for each rival: the `ratio` of its loss over ours, `low` and `high`; on how many tables ours
    is `lower`, `equal` and `higher`; on how many of all `splits` ours `won`; the `seconds` of its fit.
    """
    lists = [table for table in tables("accuracy") if "ratio" in table]
    table = lists[2 * list(TASKS).index(task) + confirming]
    columns = {
        "ratio": ["ratio", "low", "high"],
        "ours lower, equal, higher": ["lower", "equal", "higher"],
        "splits": ["won", "splits"],
        "fit, s": ["seconds"],
    }
    rivals = table[table["ratio"] != ""]
    found = {
        name: [re.findall(r"[\d.]+", cell)[place] for cell in rivals[heading]]
        for heading, names in columns.items()
        for place, name in enumerate(names)
    }
    return pd.DataFrame(found, index=rivals.index).astype(float)


def speed(job, dtype="float64"):
    """How many times as fast the jobs are whose names begin like this."""
    jobs = column("speed", f"both {dtype}").items()
    ratios = [ratio for name, ratio in jobs if name.startswith(job)]
    low, high = min(ratios, key=float), max(ratios, key=float)
    return low if low == high else f"{low} to {high}"


def in_both_precisions(job):
    """The same in float64 and in float32."""
    return f"{speed(job)}; in float32 {speed(job, 'float32')}"


SENTENCES = tomllib.loads((DOCS / "sentences.toml").read_text(encoding="utf-8"))
"""Those of pages and of both READMEs, by a name and a language; `values` fills in the figures."""


def values(name):
    """The figures of a sentence."""
    match name:
        case "classifier" | "regressor":
            return of_rivals(name)
        case "speed":
            jobs = {
                "small": "fit, 2000x2, plain sgd, batch 100, (2, 2), 600 epochs",
                "middle": "fit, 1797x64 digits, (100,), 100 epochs",
                "wide": "fit, 10000x784, 10 classes, batch 256, (512, 512), 3 epochs",
            }
            found = {name: speed(job) for name, job in jobs.items()}
            wide = found["wide"]
            found["wide_float32"] = speed(jobs["wide"], "float32")
            near = 0.9 <= float(wide) < 1
            return found | {
                "wide_in_words": "slightly slower" if near else f"{wide} times as fast"
            }
        case "first_minute":
            folders = {
                "empty": "empty folder",
                "full": "full folder",
                "theirs": "MLPClassifier",
            }
            jobs = {
                "fit": "one fit, breast_cancer",
                "search": "random search, breast_cancer, 30 x 5 folds",
            }
            table = tables("first_fits")[0]
            return {
                f"{name}_{turn}": table.loc[job, f"{heading}, s"]
                for name, job in jobs.items()
                for turn, heading in folders.items()
            }
        case "large_table":
            cells = columns_of("table_sizes", "process, s")[0]
            return {
                f"{name}_{folder}": seconds
                for name, rows in {"large": "100,000", "less": "99,999"}.items()
                for folder, seconds in zip(
                    ("empty", "full"), re.findall(r"[\d.]+", cells[rows]), strict=True
                )
            }
        case "memory":
            peak, _, their_peak = turns(of_digits("peak, MB"))
            costs = column("costs", "measured", 0)
            name = f"{PEAK}LowLevelMLPClassifier, {{}} folder"
            first, later = (
                int(costs[name.format(which)]) for which in ("empty", "full")
            )
            return {"peak": peak, "more": first - later, "their_peak": their_peak}


def sentence(name, language="en"):
    """A sentence with its figures."""
    return " ".join(SENTENCES[name][language].split()).format(**values(name))


def of_rivals(task):
    """The losses of CatBoost and of the best rival over ours, with intervals and counts."""
    whole, confirming = standing(task), standing(task, confirming=True)
    n_tables = whole[["lower", "equal", "higher"]].sum(axis=1)
    best = whole["ratio"].idxmin()
    found = {
        "n_tables": n_tables[RIVAL],
        "n_splits": round(whole.loc[RIVAL, "splits"] / n_tables[RIVAL]),
        "n_confirming": confirming.loc[RIVAL, ["lower", "equal", "higher"]].sum(),
        "n_rivals": len(whole),
        "best": best,
    }
    rows = {
        "": whole.loc[RIVAL],
        "confirming_": confirming.loc[RIVAL],
        "best_": whole.loc[best],
    }
    for prefix, row in rows.items():
        found |= {
            f"{prefix}{name}": f"{row[name]:.3f}" for name in ("ratio", "low", "high")
        }
        found[f"{prefix}won"] = row["lower"]
    return {
        name: int(value) if isinstance(value, float) else value
        for name, value in found.items()
    }


def of_digits(heading):
    """The cell of the digits in the table of default parameters."""
    return columns_of("quick", heading)[0]["digits (1347 x 64)"]


MARKED = re.compile(r"<!--(\w+)-->\n( *)(.*?)<!--end-->", re.DOTALL)


def filled(text, language):
    """The text of a README with the sentences of this version between their marks."""

    def written(found):
        name, indent, _ = found.groups()
        width = 128 if language == "en" else 88
        lines = textwrap.fill(
            sentence(name, language),
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        return f"<!--{name}-->\n{lines}<!--end-->"

    return MARKED.sub(written, text)


def quoted():
    """All texts of the pages, each by a name: the sentences, and what only the pages quote."""
    return (
        {name: sentence(name) for name in SENTENCES}
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
    process, full_process, their_process = turns(of_digits("whole process, s"))
    peak, _, their_peak = turns(of_digits("peak, MB"))
    costs = column("costs", "measured", 0)
    name = "cores that networks of {} in one process can fill at most, float32"
    cores = [costs[name.format(sizes)] for sizes in ("(2, 2)", "(32,)", "(100,)")]
    return {
        "process": process,
        "full_process": full_process,
        "their_process": their_process,
        "peak": peak,
        "their_peak": their_peak,
        "more_memory": f"{int(peak) - int(their_peak)} MB",
        "needed": costs["the part of it that the first fit imports"],
        "programs": costs["programs of 200 shapes, to 1000 x 40 and 64 units"],
        "memory_of_programs": costs["memory of these programs"] + " MB",
        "growth_memory": costs[LARGE_FIT + "LowLevelMLPClassifier"] + " times",
        "cores": "{} with networks of (2, 2), {} with (32,) and {} with (100,)".format(
            *cores
        ),
    }


def of_searches():
    """The seconds of a search over 20 settings."""
    job = "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds"
    row = tables("search")[0].loc[job]
    first, full, later = turns(row["threads, s"])
    theirs, _, their_later = turns(row["MLPClassifier, s"])
    return {
        "search": (
            "a grid search over 20 settings of small networks, with five folds of 2,000 rows, takes "
            f"{first} s as a whole Python process when it runs for the first time, {full} s every time "
            f"after it, and {later} s if the same process repeats it. With MLPClassifier in two worker "
            f"processes, it takes {theirs} s and, repeated, {their_later} s."
        ),
        "search_short": (
            f"{first} s in its first run, {full} s in every next one (MLPClassifier {theirs} s)"
        ),
    }


def of_tables():
    """The models of tables: their means, their wins and how long they take."""
    whole = {task: standing(task) for task in TASKS}
    ours = [float(cell) for cell in _ours("fit, s")]
    times = [
        seconds / whole[task].loc[name, "seconds"]
        for task, seconds in zip(TASKS, ours)
        for name in TREES
    ]
    losses, refits = (
        columns_of("table_sizes", heading)[0] for heading in ("log-loss", "process, s")
    )
    return {
        "trees": f"{min(times):.0f} to {max(times):.0f} times as fast",
        "splits_won": "; ".join(
            f"{loss}: {table['won'][RIVAL]:.0f} of {table['splits'][RIVAL]:.0f} splits"
            for (task, loss), table in zip(TASKS.items(), whole.values())
        ),
        **{f"kinds_{task}": by_kind(task) for task in TASKS},
        "refits": (
            "On the machine of the benchmarks, a whole process that fits 1,000, 10,000 and "
            "100,000 rows of 20 columns takes {}, {} and {} s.".format(
                *(turns(refits[rows])[-1] for rows in ("1,000", "10,000", "100,000"))
            )
        ),
        "without_trees": "the log-loss is {} instead of {} in the table below".format(
            *(losses[rows].lstrip("0") for rows in ("100,000", "99,999"))
        ),
    }


def _ours(heading):
    """The cells of ours on all tables, by task."""
    lists = [table for table in tables("accuracy") if "ratio" in table]
    return [lists[place].loc[OURS, heading] for place in (0, 2)]


def by_kind(task):
    """CatBoost's loss over ours by kind of table, in words."""
    lists = [table for table in tables("accuracy") if "a date" in table]
    cells = lists[list(TASKS).index(task)].loc[RIVAL]
    return "; ".join(
        f"{cell.split(' [')[0]} on tables with {kind}"
        if kind.startswith(("a ", "categories"))
        else f"{cell.split(' [')[0]} on tables of {kind}"
        for kind, cell in cells.items()
        if "[" in cell
    )


def of_pruned():
    """What pruned searches find, and how long they take beside all candidates to the end."""
    found, rules = (
        next(table for table in tables("pruned") if table.index.name == heading)
        for heading in ("data", "rule")
    )
    ratios = columns_of("pruned", "pruned / exhaustive")[0]
    default, before = rules.iloc[0], rules.iloc[-1]
    by_score = rules.loc["the same by score"]
    mean, largest = before["excess in CV"].split(" / ")
    on_new = found.loc["all", "on new rows, pruned"].split(" / ")
    return {
        "pruned_found": (
            f"On {len(found) - 1} data sets, it found the winner of the exhaustive search in "
            f"{default['same winner']} searches, with {default['epochs']} of the epochs; the same "
            f"rungs by score found it in {by_score['same winner']}. Refitted, the winner's loss on new "
            f"rows was {on_new[0]} larger on average than that of the exhaustive search's winner, "
            f"{on_new[1]} at most. The rules of version 0.3.0, a third by score after a ninth and a "
            f"third of the epochs, found it in {before['same winner']} with {before['epochs']} of the "
            f"epochs, and a loss in the cross-validation that was {mean} larger on average, {largest} "
            "at most."
        ),
        "pruned_later": (
            "A search of 64 candidates that one process repeats takes "
            + ", ".join(f"{ratio} on {data}" for data, ratio in ratios.items())
            + " times as long as one of all candidates to the end."
        ),
    }


def write_pruned(path):
    """Write a table: the seconds of whole processes with a pruned search, and of all candidates."""
    *_, whole = (
        table for table in tables("pruned") if "pruned / MLPClassifier" in table
    )
    lines = [".. list-table::", "   :header-rows: 1", ""]
    heading = [
        "30 candidates on",
        "pruned: first run, next runs",
        "all: first run, next runs",
        "all, MLPClassifier",
    ]
    rows = [heading] + [
        [
            data,
            "{} s, {} s".format(*turns(row["pruned"])[:2]),
            "{} s, {} s".format(*turns(row["exhaustive"])[:2]),
            f"{turns(row['MLPClassifier'])[0]} s",
        ]
        for data, row in whole.iterrows()
    ]
    for first, *others in rows:
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    for language, path in READMES.items():
        path.write_text(filled(path.read_text(encoding="utf-8"), language), "utf-8")
