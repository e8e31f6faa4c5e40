"""The command line: each of `SUITES` measures, and leaves its report and picture in a folder."""

import argparse
import re
from inspect import signature
from pathlib import Path

from benchmarks import (
    accuracy,
    costs,
    environment,
    first_fits,
    intervals,
    pruned,
    search,
    serving,
    speed,
    table_sizes,
)
from benchmarks.process import RESULTS, resumed

# A suite is a module: `jobs` lists what `measure` is called with, `to_markdown` writes the report of
# the rows, `draw` their picture. The minutes are of two quiet cores.
SUITES = {
    "speed": (speed, "MLPClassifier's seconds over ours, by job and dtype, 10 minutes"),
    "first_fits": (first_fits, "whole processes: a first run, the next, later fits, 8 minutes"),
    "costs": (costs, "what an import, programs and fits take of time and memory, 6 minutes"),
    "serving": (serving, "one row by joblib and ONNX, and memory, beside rivals, 10 minutes"),
    "table_sizes": (table_sizes, "the default for tables as rows grow, 5 minutes"),
    "search": (search, "many fits in threads and in processes, 12 minutes"),
    "pruned": (pruned, "searches that leave candidates out early, 12 minutes"),
    "intervals": (intervals, "how often intervals and sets of classes hold, 10 minutes"),
    "accuracy": (accuracy, "the default for tables and its rivals on sixty real ones, 2 hours"),
}  # fmt: skip


def main():
    """Run the chosen suites; print their reports and keep them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure, print a report and keep it. A run that was stopped goes on where it was.",
    )
    parser.add_argument("--all", action="store_true", help="every suite, about three hours")
    for name, (_, description) in SUITES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=description)
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="folder of the reports, by default %(default)s"
    )
    parser.add_argument("--rounds", type=int, help="how often, or on how many splits, each job runs")
    parser.add_argument("--only", metavar="REGEX", default="", help="jobs in whose names this is found")
    parser.add_argument(
        "--against", type=Path, metavar="CHECKOUT", help="an older one, for --accuracy and --serving"
    )
    parser.add_argument("--size", choices=("small", "large"), help="the tables of --accuracy")
    arguments = parser.parse_args()
    chosen = [name for name in SUITES if arguments.all or getattr(arguments, name)]
    if not chosen:
        parser.error("choose suites, or --all")
    against = arguments.against and str(arguments.against.resolve())
    options = {"rounds": arguments.rounds, "against": against, "size": arguments.size}
    for name in chosen:
        run(name, arguments.output / name, arguments.only, options)


def run(name, folder, only, options):
    """Measure the jobs of a suite, and write its report into a folder."""
    suite, _ = SUITES[name]
    known = signature(suite.jobs).parameters
    jobs = suite.jobs(**{key: value for key, value in options.items() if value and key in known})
    jobs = [job for job in jobs if re.search(only, " ".join(map(str, job.values())))]
    about = environment.describe()
    state = [about, environment.code()]
    found = resumed(name, suite.measure, jobs, state, getattr(suite, "PROCESSES", 1))
    rows = []
    for job, (results, _) in zip(jobs, found):
        rows += [job | row for row in (results if isinstance(results, list) else [results])]
    loads = [load for _, load in found]
    about += f"; load average at the start of a job {min(loads):.1f} to {max(loads):.1f}."
    report = f"{suite.to_markdown(rows)}\n\n{about}\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report)
    if hasattr(suite, "draw"):
        suite.draw(rows, folder / f"{name}.png")
    print(report)


if __name__ == "__main__":
    main()
