"""The command line: each of `SUITES` measures, and leaves its report and picture in a folder."""

import argparse
import json
import os
import warnings
from functools import partial
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory

from sklearn.exceptions import ConvergenceWarning

from benchmarks import (
    accuracy,
    costs,
    environment,
    first_fits,
    intervals,
    plots,
    pruned,
    search,
    speed,
    standings,
    table_sizes,
    tabular,
)
from benchmarks.benchmark_utils.data import DATA
from benchmarks.process import RESULTS, forget

# Name: what measures, what writes the report of its figures, what draws them, and its help.
SUITES = {
    "quick": (
        partial(accuracy.run, full=False), accuracy.to_markdown, plots.accuracy,
        "the default: three estimators on four data sets, 3 minutes; on one with --data, 10 seconds",
    ),
    "full": (
        partial(accuracy.run, full=True), accuracy.to_markdown, plots.accuracy,
        "every installed estimator on every data set at hand, 1 to 2 hours",
    ),
    "speed": (
        speed.run, speed.to_markdown, plots.speed,
        "MLPClassifier's seconds over ours, by job and dtype, minutes",
    ),
    "first_fits": (
        first_fits.run, first_fits.to_markdown, plots.first_fits,
        "whole processes: the first run of a script, the second, and the same work later, minutes",
    ),
    "costs": (
        costs.run, costs.to_markdown, None,
        "imports, first fit, compiled programs, memory, minutes",
    ),
    "growth": (
        costs.growth, costs.growth_to_markdown, plots.growth,
        "seconds a sample as rows, features and width grow, minutes",
    ),
    "search": (search.run, search.to_markdown, None, "many fits in threads and in processes, 2 hours"),
    "pruned": (
        pruned.run, pruned.to_markdown, None,
        "searches that prune their candidates, and what their rungs do, hours; minutes with --rounds 0",
    ),
    "accuracy": (
        tabular.run, standings.to_markdown, plots.tabular,
        "the default for tables and its rivals on 60 real ones, three splits of each, hours",
    ),
    "table_sizes": (
        table_sizes.run, table_sizes.to_markdown, None,
        "seconds and memory of the default for tables as rows grow, 10 minutes",
    ),
    "intervals": (
        intervals.run, intervals.to_markdown, None,
        "how often intervals and sets of classes of the default for tables hold, 20 minutes",
    ),
}  # fmt: skip


def main():
    """Run the chosen suites; print their reports and keep them with the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure, print a report and keep it. A run that was stopped goes on where it was "
        "(the default, --full, --accuracy, --intervals). Durations are of two quiet cores.",
    )
    for name, (*_, description) in SUITES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=description)
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="folder of the reports, by default %(default)s"
    )
    parser.add_argument(
        "--rounds", type=int, help="how often a suite measures, by default as its report needs it"
    )
    parser.add_argument(
        "--data", choices=list(DATA), help="the one data set of the default or of --full"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="the contestants of --accuracy that run"
    )
    parser.add_argument(
        "--processes", type=int, help="how many fits of --accuracy run at once, by default 1"
    )
    arguments = vars(parser.parse_args())
    warnings.simplefilter("ignore", ConvergenceWarning)  # with stopping off, every fit ends with one
    with TemporaryDirectory() as programs:  # of this process; others have folders of their own
        os.environ["SKDENSE_CACHE_DIR"] = programs
        run([name for name in SUITES if arguments[name]] or ["quick"], arguments)


def run(suites, arguments):
    """Run suites, given the arguments of the command line."""
    for name in suites:
        measure, to_markdown, draw, _ = SUITES[name]
        folder = arguments["output"] / name
        folder.mkdir(parents=True, exist_ok=True)
        load = environment.load_average()
        possible = signature(measure).parameters
        given = {
            key: value for key, value in arguments.items() if value is not None and key in possible
        }
        figures = measure(**given)
        settings = environment.describe(load)
        report = f"{to_markdown(figures)}\n\n{settings}\n"
        kept = {"settings": settings, "figures": figures}
        (folder / "figures.json").write_text(json.dumps(kept, indent=1, default=float))
        (folder / "report.md").write_text(report)
        if draw is not None:
            draw(figures, folder / f"{name}.png")
        forget()
        print(report)
        if name == "quick" and "full" in figures[0]:
            (folder / "short.md").write_text(f"{accuracy.to_short(figures)}\n\n{settings}\n")


if __name__ == "__main__":
    main()
