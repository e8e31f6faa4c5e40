"""The command line: the comparison of one minute, and the suites that write the reports."""

import argparse
import os
import re
import sys
import time
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

from benchmarks import comparison, own_table, widths
from benchmarks.process import RESULTS, counted, resumed
from benchmarks.report import wrapped

# A suite is a module: `jobs` lists what `measure` is called with, `to_markdown` writes the report of
# the rows, `draw` their picture. The minutes are of two quiet cores.
SUITES = {
    "speed": "MLPClassifier's seconds over ours, by job and for random settings, 25 minutes",
    "first_fits": "whole scripts with fits and searches: the first run, the next, later, 30 minutes",
    "costs": "what an import, programs and fits take of time and memory, 4 minutes",
    "serving": "one row by joblib and ONNX, start and memory, beside other models, 3 minutes",
    "table_sizes": "the default for tables as rows grow to a million, half an hour",
    "pruned": "what searches find that leave candidates out early, 6 minutes",
    "intervals": "coverage of intervals and of sets of classes, 10 minutes",
    "accuracy": "the default for tables and its rivals on eighty real ones, 3 hours",
}
FULL = """\
The full suite, hours: python -m pip install ".[benchmark-all]" && python -m benchmarks --all
Its parts and further options: python -m benchmarks --help"""


def main(arguments=None):
    """Run the comparison, or the chosen suites."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    chosen = [name for name in SUITES if options.all or getattr(options, name)]
    if not chosen:
        if options.rounds is not None or options.only or options.size:
            parser.error("--rounds, --only and --size are of a suite such as --speed")
        compare(parser, options)
        return
    if options.data or options.widths or options.target or options.task:
        parser.error("--data, --target, --task and --widths are of the comparison, not of a suite")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    try:
        re.compile(options.only)
    except re.error as error:
        parser.error(f"--only must be a regular expression, got {options.only!r}: {error}")
    given = {"rounds": options.rounds, "size": options.size}
    for name in chosen:
        large = "_large" if name == "accuracy" and options.size == "large" else ""
        run(name, options.output / (name + large), options.only, given)


def build_parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        usage="%(prog)s [--data NAME ...] [--widths], or suites such as --speed; --help lists all",
        description=(
            "Without options: LowLevelMLPClassifier, MLPClassifier and LogisticRegression on "
            f"{', '.join(comparison.DATA)}, about a minute."
        ),
    )
    own = parser.add_argument_group("the comparison")
    own.add_argument(
        "--data", nargs="+", metavar="NAME", help="some of these data sets, or one FILE.csv"
    )
    own.add_argument("--target", metavar="COLUMN", help="the column of FILE.csv that is predicted")
    own.add_argument(
        "--task",
        choices=("classification", "regression"),
        help="of FILE.csv; by default numbers of more than two values are a regression",
    )
    own.add_argument(
        "--widths",
        action="store_true",
        help=f"GridSearchCV over the widths {', '.join(map(str, widths.WIDTHS))} instead",
    )
    suites = parser.add_argument_group(
        "suites that write the reports", "A run that was stopped goes on where it was."
    )
    suites.add_argument("--all", action="store_true", help="every suite, about five hours")
    for name, description in SUITES.items():
        suites.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=description)
    suites.add_argument("--rounds", type=int, help="how often, or on how many splits, each job runs")
    suites.add_argument("--only", metavar="REGEX", default="", help="jobs in whose names this is found")
    suites.add_argument("--size", choices=("small", "large"), help="the tables of --accuracy")
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        help="folder of the results, by default benchmarks/results",
    )
    return parser


def compare(parser, options):
    """Measure one of the comparisons; print its table, what it shows and where the picture is."""
    name, suite, jobs = comparison_of(parser, options)
    start = time.time()
    rows = [row for job in counted(jobs, name, len(jobs)) for row in suite.measure(**job)]
    print(suite.to_text(rows), end="\n\n")
    print(wrapped(suite.sentence(rows)), end="\n\n")
    if hasattr(suite, "draw") and find_spec("matplotlib"):
        options.output.mkdir(parents=True, exist_ok=True)
        picture = options.output / f"{name}.png"
        suite.draw(rows, picture)
        print(f"Picture: {os.path.relpath(picture)}")
    processor = os.times().children_user + os.times().children_system
    print(f"This took {time.time() - start:.0f} s, {processor:.0f} s of processor time.")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0  # on Windows
    if load > (os.cpu_count() or 1) + 1:
        print(f"Other work ran meanwhile (load {load:.0f}): run it again for seconds to quote.")
    print(FULL)


def comparison_of(parser, options):
    """The name of the chosen comparison, its module and its jobs; ends with an error for a typo."""
    names = list(dict.fromkeys(options.data or []))
    if any(name.endswith(".csv") or os.sep in name for name in names):
        return "own_table", own_table, own_table.jobs(*checked_table(parser, options))
    if options.target or options.task:
        parser.error("--target and --task need --data FILE.csv")
    for name in names:
        if name not in comparison.DATA:
            known = f"{', '.join(comparison.DATA)}, or FILE.csv with --target COLUMN"
            hint = guess(name, comparison.DATA)
            parser.error(f"--data: no data set {name!r}{hint}; there are {known}")
    if options.widths:
        return "widths", widths, widths.jobs(names or widths.DATA)
    return "comparison", comparison, comparison.jobs(names or comparison.DATA)


def checked_table(parser, options):
    """The path of the user's table, its target and its task; ends with an error for a typo."""
    if len(options.data) > 1 or options.widths:
        parser.error("--data FILE.csv stands alone, without other data sets and without --widths")
    path = Path(options.data[0]).resolve()
    if not path.is_file():
        there = [found.name for found in path.parent.glob("*.csv")]
        parser.error(f"--data: no file {options.data[0]}{guess(path.name, there)}")
    missing = [name for name in ("pandas", "skrub", "lightgbm") if not find_spec(name)]
    if missing:
        parser.error(f'{", ".join(missing)} not installed: python -m pip install ".[tables]"')
    columns = own_table.columns(path)
    if options.target not in columns:
        wrong = f"has no column {options.target!r}" if options.target else "needs --target COLUMN"
        shown = ", ".join(columns[:20]) + (" ..." if len(columns) > 20 else "")
        hint = guess(options.target or "", columns)
        parser.error(f"--target: {path.name} {wrong}{hint}; its columns are {shown}")
    try:
        _, y, task = own_table.read(path, options.target, options.task)
    except ValueError as error:
        task = options.task or "classification or regression"
        parser.error(f"--task: {options.target!r} of {path.name} is no target of a {task}: {error}")
    if len(y) < own_table.FEWEST_ROWS or len(set(y)) < 2:
        tables = import_module("benchmarks.tables")
        parser.error(
            f"--target: {path.name} has {len(y)} rows with {len(set(y))} values of {options.target!r}, "
            f"without classes of fewer than {tables.LEAST} rows; {own_table.FEWEST_ROWS} rows and 2 "
            "values are needed"
        )
    return path, options.target, task


def guess(name, known):
    """A question with the nearest known name, or nothing."""
    near = get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def run(name, folder, only, options):
    """Measure the jobs of a suite, and write its report into a folder."""
    suite = import_module(f"benchmarks.{name}")
    environment = import_module("benchmarks.environment")
    known = signature(suite.jobs).parameters
    jobs = suite.jobs(**{key: value for key, value in options.items() if value and key in known})
    jobs = [job for job in jobs if re.search(only, " ".join(map(str, job.values())))]
    if not jobs:
        sys.exit(f"--only {only!r}: no job of --{name.replace('_', '-')} has this in its name")
    about = environment.describe()
    code = environment.code()
    measures_skdense = getattr(suite, "measures_skdense", lambda **job: True)
    with_code = [about, code.partition(", ")[2]]
    states = [with_code if measures_skdense(**job) else [about] for job in jobs]
    found = resumed(name, suite.measure, jobs, states, getattr(suite, "PROCESSES", 1))
    rows = []
    for job, (results, _) in zip(jobs, found):
        rows += [job | row for row in (results if isinstance(results, list) else [results])]
    loads = [load for _, load in found]
    about += f"; load average at the start of a job {min(loads):.1f} to {max(loads):.1f}; {code}."
    report = f"{suite.to_markdown(rows)}\n\n{about}\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report)
    if hasattr(suite, "draw"):
        suite.draw(rows, folder / f"{name}.png")
    print(report)


if __name__ == "__main__":
    main()
