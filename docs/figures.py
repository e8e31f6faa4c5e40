"""Figures of the benchmarks' reports, and the sentences of pages and READMEs with them.

`figures` reads the reports of `benchmarks/`, and `sentences.toml` has the sentences. Pages
get both by substitution, the READMEs between marks. After new measurements,
`python docs/figures.py` writes the READMEs anew and draws their picture.
"""

import re
import textwrap
import tomllib
from itertools import pairwise
from pathlib import Path

import pandas as pd

DOCS = Path(__file__).parent
READMES = {"en": DOCS.parent / "README.md", "ko": DOCS.parent / "README.ko.md"}
REPORTS = DOCS / "benchmarks"
STATIC = DOCS / "_static"
SENTENCES = tomllib.loads((DOCS / "sentences.toml").read_text(encoding="utf-8"))
"""Those of pages and of both READMEs, by a name and a language."""
RIVAL, FAST, STOPPED = "CatBoost", "LightGBM", "stopped LightGBM"
TREES = [FAST, "XGBoost", "HistGradientBoosting"]  # with default parameters
SOLVERS = "adam", "sgd", "lbfgs"
SOME_ROWS = (
    "partial_fit, digits, (100,), 200 rows",
    "partial_fit, 20 features, (64, 64), 200 rows",
)
TASKS = {"classifier": "log-loss", "regressor": "RMSE"}  # and their losses
FIRST_FITS = {
    "fit": "one fit, breast_cancer",
    "search": "random search, breast_cancer, 30 x 5 folds",
    "digits": "random search, digits, 30 candidates x 5 folds",
}
FOLDERS = {
    "empty": "empty folder, s",
    "full": "full folder, s",
    "theirs": "MLPClassifier, s",
}

# --- reports -------------------------------------------------------------------------


def blocks(name):
    """The titles, paragraphs and tables of a report."""
    report = (REPORTS / name / "report.md").read_text(encoding="utf-8")
    return report.split("\n\n")


def parsed(block):
    """A Markdown table, all cells as text, by the names of its rows."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in block.strip().splitlines()
    ]
    return pd.DataFrame(lines[2:], columns=lines[0]).set_index(lines[0][0])


def tables(name):
    """The tables of a report."""
    return [parsed(block) for block in blocks(name) if block.startswith("| ")]


def table(name, heading):
    """The first table of a report that has a column of this name."""
    return next(found for found in tables(name) if heading in found)


def standings(name="accuracy"):
    """The list of models on the held-out data sets, of each task."""
    found = [
        parsed(block)
        for title, block in pairwise(blocks(name))
        if title.startswith("**") and ": confirming tables" in title
    ]
    return dict(zip(TASKS, found, strict=True))


def data(name="accuracy"):
    """The table of all data sets of each task, with the cells of all models."""
    return [found for found in tables(name) if "rows" in found]


def seconds(task, name="accuracy"):
    """The seconds of the median fit of each model on the held-out data sets."""
    return standings(name)[task]["fit, s"].astype(float)


def medians(task, name="accuracy"):
    """The median over the held-out data sets of each model's loss over ours."""
    found = pd.to_numeric(standings(name)[task]["median"])
    found["skdense"] = 1
    return found.dropna()


# --- figures -------------------------------------------------------------------------


def speed_figures():
    """How many times as fast skdense is, by job, and over random settings."""
    jobs = table("speed", "both float64")

    def ratios(start, *dtypes):
        """The range of the jobs whose names begin like this, in each of the dtypes.

        `start` may be a tuple of beginnings.
        """
        ranges = []
        for dtype in dtypes or ("float64",):
            cells = jobs.loc[jobs.index.str.startswith(start), f"both {dtype}"]
            found = sorted(cells.str.extract(r"\*\*([\d.]+)")[0].dropna(), key=float)
            same = found[0] == found[-1]
            ranges.append(found[0] if same else f"{found[0]} to {found[-1]}")
        return "; in float32 ".join(ranges)

    both = "float64", "float32"
    return {
        "tiny_fit": ratios("fit, 2000x2"),
        "iris_fit": ratios("fit, 150x4 iris"),
        "digits_fit": ratios("fit, 1797x64 digits", *both),
        "middle_fit": ratios("fit, 20000x20", *both),
        "wide_fit": ratios("fit, 10000x784", *both),
        "lbfgs": ratios("lbfgs"),
        "one_row": ratios("partial_fit, digits, (100,), 1 rows", *both),
        "some_rows": ratios(SOME_ROWS, *both),
        "many_rows": ratios("partial_fit, 20 features, (64, 64), 20000 rows", *both),
        "predict": ratios("predict", *both),
    } | settings_figures()


def settings_figures():
    """The same over random settings."""
    found = table("speed", "lowest tenth")
    figures = found.loc["all"].to_dict()
    by_solver = {}
    for solver in SOLVERS:
        row = found.loc[solver]
        n_slower, _, n_settings = row["below 1"].partition(" of ")
        by_solver[f"settings_{solver}"] = row["median"]
        by_solver[f"n_slower_{solver}"], by_solver[f"n_{solver}"] = n_slower, n_settings
    return by_solver | {
        "n_settings": figures["how many"],
        "settings_median": figures["median"],
        "settings_tenth": figures["lowest tenth"],
        "settings_first": figures["first fit, s"],
        "settings_their_first": figures["MLPClassifier's, s"],
    }


def first_fits_figures():
    """Seconds of whole processes: ours in the first run and later, MLPClassifier's."""
    found = tables("first_fits")[0]
    return {
        f"{name}_{turn}": found.loc[job, heading]
        for name, job in FIRST_FITS.items()
        for turn, heading in FOLDERS.items()
    }


def costs_figures():
    """Memory of Python processes, ours and MLPClassifier's, and what takes it."""
    found = table("costs", "measured")["measured"]
    numbers = found.str.extract(r"([\d.]+)", expand=False)
    peak = "peak memory of a process that fits the digits: "
    ours, theirs = "LowLevelMLPClassifier", "MLPClassifier"
    peak, first, their_peak = (
        int(numbers[peak + process])
        for process in (f"{ours}, full folder", f"{ours}, empty folder", theirs)
    )
    large = f"peak memory of fit, 1000000x100 float32, over imports: {ours}"
    worker = "{} memory of one of 4 such workers, full folder"
    cores = "cores that networks of {} in one process can fill at most, float32"
    return {
        "peak": peak,
        "first": first,
        "their_peak": their_peak,
        "more_memory": f"{peak - their_peak} MB",
        "needed": numbers["import of TensorFlow by the first fit"],
        "programs": numbers["programs of 200 shapes, to 1000 x 40 and 64 units"],
        "memory_of_programs": found["memory of these programs"],
        "training_worker": f"{found[worker.format('private')]} of "
        f"{found[worker.format('resident')]}",
        "growth_memory": f"{numbers[large]} times",
        "cores": f"{numbers[cores.format('(2, 2)')]} with networks of (2, 2), "
        f"{numbers[cores.format('(32,)')]} with (32,) and "
        f"{numbers[cores.format('(100,)')]} with (100,)",
    }


def both_tasks(parts, model, heading):
    """The cells of a model in the lists of classification / regression."""
    return " / ".join(part.loc[model, heading] for part in parts)


def accuracy_figures():
    """Ranks and seconds of models on the data sets that all of them finished."""
    parts = list(standings().values())
    held_out = pd.concat(data())
    held_out = held_out[held_out["half"] == "confirming"]
    ranks = sum(part["mean rank"].astype(float) for part in parts)
    nearest = list(dict.fromkeys([ranks.iloc[1:].idxmin(), RIVAL]))
    rivals = [*nearest, *(name for name in [FAST] if name in ranks)]
    trees = [
        seconds(task)["skdense"]
        / seconds(task)[[name for name in TREES if name in ranks]]
        for task in TASKS
    ]
    trees = pd.concat(trees)

    def cells(heading, rivals):
        """The cells of both tasks by the name of the model, ours first."""
        return {name: both_tasks(parts, name, heading) for name in ["skdense", *rivals]}

    def in_words(heading, rivals):
        return ", ".join(map(" ".join, cells(heading, rivals).items()))

    shown = cells("mean rank", rivals)
    return {
        "n_models": len(parts[0]),
        "n_confirming": len(held_out),
        "n_finished": (held_out.loc[:, "skdense":] != "").all(axis=1).sum(),
        "ranks_in_words": in_words("mean rank", nearest),
        "names": " | ".join(shown),
        "line": " | ".join(["---"] * len(shown)),
        "rank_cells": " | ".join(shown.values()),
        "second_cells": " | ".join(cells("fit, s", shown).values()),
        "seconds": in_words("fit, s", rivals),
        "rank_classification": parts[0]["mean rank"].iloc[0],
        "rank_regression": parts[1]["mean rank"].iloc[0],
        "trees": f"{trees.min():.0f} to {trees.max():.0f} times as fast",
    }


def large_tables_figures():
    """Losses of other models over ours on the large held-out data sets, and seconds."""
    name = "accuracy_large"
    parts = list(standings(name).values())
    found = {"large_ours_seconds": both_tasks(parts, "skdense", "fit, s")}
    for key, model in {"catboost": RIVAL, "stopped": STOPPED}.items():
        counts = [
            part.loc[model, "ours lower, equal, higher"].split(", ") for part in parts
        ]
        lower, equal, higher = (sum(map(int, column)) for column in zip(*counts))
        found |= {
            f"large_{key}_seconds": both_tasks(parts, model, "fit, s"),
            f"large_{key}_loss": both_tasks(parts, model, "median"),
            f"large_{key}_lower": f"{lower} of {lower + equal + higher}",
        }
    return found


def intervals_figures():
    """How often intervals and sets of classes hold, and on which data sets."""
    ours, cqr, *_, sets = tables("intervals")
    sets = sets.drop("mean")[["coverage", "least of a class"]].astype(float)
    means = {"": ours.loc["mean"], "cqr_": cqr.loc["mean"]}
    return {
        "n_intervals": len(ours) - 1,
        "n_sets": len(sets),
        "lowest": f"{sets['coverage'].min():.0%}",
        "highest": f"{sets['coverage'].max():.0%}",
        "least": f"{sets['least of a class'].min():.0%}",
        "n_rare": (sets["least of a class"] < 0.5).sum(),
        **{
            f"{name}coverage": f"{float(mean['coverage']):.0%}"
            for name, mean in means.items()
        },
        **{f"{name}width": mean["width"] for name, mean in means.items()},
    }


def pruned_figures():
    """What pruned searches find."""
    found = table("pruned", "same winner, pruned")
    mean, largest = found.loc["all", "on new rows, pruned"].split(" / ")
    return {
        "n_searched": len(found) - 1,
        "n_same": found.loc["all", "same winner, pruned"],
        "epochs": found.loc["all", "epochs, pruned"],
        "mean_excess": mean,
        "largest_excess": largest,
    }


def table_sizes_figures():
    """The number of rows of the largest table whose fit was measured."""
    return {"most_rows": tables("table_sizes")[0].index[-1]}


def sources():
    """The versions and the machines that the reports are of, and the kernels of BLAS there."""
    groups, kernels = {}, {}
    for path in sorted(REPORTS.glob("*/report.md")):
        source = r"^(.+), \d+ of \d+ CPUs.* skdense ([\d.]+\w*),(?:.*openblas (\w+) x)?"
        found = re.search(source, path.read_text(encoding="utf-8"), re.MULTILINE)
        of = f"skdense {found[2]}, {found[1]}"
        groups.setdefault(of, []).append(f"`{path.parent.name}`")
        if found[3]:
            kernels.setdefault(found[3], []).append(f"`{path.parent.name}`")
    # Reports of other versions or machines than most are named.
    usual = max(groups, key=lambda of: len(groups[of]))
    texts = [
        of if of == usual else f"{', '.join(groups[of])} with {of}"
        for of in sorted(groups, key=lambda of: of != usual)
    ]
    text = "; ".join(texts)
    if kernels:
        usual = max(kernels, key=lambda kernel: len(kernels[kernel]))
        others = [
            f"{', '.join(names)}: {kernel}"
            for kernel, names in kernels.items()
            if kernel != usual
        ]
        text += f" (OpenBLAS {'; '.join([usual, *others])})"
    return {"sources": text}


READERS = {
    "speed": speed_figures,
    "first_fits": first_fits_figures,
    "costs": costs_figures,
    "accuracy": accuracy_figures,
    "accuracy_large": large_tables_figures,
    "intervals": intervals_figures,
    "pruned": pruned_figures,
    "table_sizes": table_sizes_figures,
}


def figures():
    """All figures by their names, as text or as numbers."""
    found = sources()
    for name, read in READERS.items():
        if (REPORTS / name).exists():
            found |= read()
    return found


# --- sentences -----------------------------------------------------------------------


def sentence(name, language="en", found=None):
    """A sentence with its figures, or a Markdown table, whose lines stay."""
    text = SENTENCES[name][language].strip()
    if not text.startswith("|"):
        text = " ".join(text.split())
    return text.format(**(found or figures()))


def quoted():
    """Figures and sentences by their names, for the pages, which show tables in other ways.

    A sentence is left out if no report has its figures yet.
    """
    found = figures()
    texts = {name: str(figure) for name, figure in found.items()}
    for name in SENTENCES:
        try:
            texts[name] = sentence(name, found=found)
        except KeyError:
            continue
    return {name: text for name, text in texts.items() if "|" not in text}


MARKED = re.compile(r"<!--(\w+)-->\n( *)(.*?)<!--end-->", re.DOTALL)


def filled(text, language):
    """The text of a README with the sentences of this version between their marks."""

    def written(found):
        name, indent, _ = found.groups()
        text = sentence(name, language)
        if text.startswith("|"):
            return f"<!--{name}-->\n{text}\n<!--end-->"
        lines = textwrap.fill(
            text,
            128 if language == "en" else 96,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        return f"<!--{name}-->\n{lines}<!--end-->"

    return MARKED.sub(written, text)


# --- tables of pages -----------------------------------------------------------------


def write_tables(folder):
    """Write the tables that pages include."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "pruned": searches(),
        "serving": columns(
            table("serving", "start, s"), "model", "start, s", "memory, MB",
            "first row, ms", "one row, ms", "1,000 rows, ms",
        ),
        "table_sizes": columns(
            tables("table_sizes")[0], "process, s", "processor, s", "memory, MB", "log-loss",
            "HistGradientBoosting: log-loss",
        ),
        "accuracy": accuracies(),
    }  # fmt: skip
    for name, cells in written.items():
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for first, *others in cells:
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", "utf-8")


def columns(found, *headings):
    """The heading and the rows of some columns, after the names of the rows."""
    shown = found.reset_index()[[found.index.name, *headings]]
    return [list(shown), *shown.to_numpy().tolist()]


def searches():
    """The seconds of whole processes with a search, pruned or of all candidates."""
    found = tables("first_fits")[0]
    rows = []
    for title in [*FIRST_FITS.values()][1:]:
        pruned, whole = found.loc[title.replace("random", "pruned")], found.loc[title]
        cells = [
            f"{row[FOLDERS['empty']]} s, {row[FOLDERS['full']]} s"
            for row in (pruned, whole)
        ]
        rows.append([title.split(", ")[1], *cells, f"{whole[FOLDERS['theirs']]} s"])
    headings = "pruned: first run, next runs", "all: first run, next runs"
    return [["30 candidates on", *headings, "all, MLPClassifier"], *rows]


def accuracies():
    """Losses over ours on the held-out data sets, and seconds of fits."""
    parts, heading = [], ["model"]
    for part, loss in zip(standings().values(), TASKS.values(), strict=True):
        parts += [part["ratio"], part["median"], part["fit, s"]]
        heading += [f"relative {loss}", "median", "CPU s of a fit"]
    found = pd.concat(parts, axis=1).fillna("")
    return [
        heading,
        *([name, *cells] for name, cells in zip(found.index, found.to_numpy())),
    ]


if __name__ == "__main__":
    import cards

    cards.losses_and_seconds()
    for language, path in READMES.items():
        path.write_text(filled(path.read_text(encoding="utf-8"), language), "utf-8")
