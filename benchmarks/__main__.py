"""The command line: each of `SUITES` measures, and leaves its report and picture in a folder."""

import argparse
import json
import warnings
from functools import partial
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from benchmarks import (
    accuracy,
    costs,
    environment,
    intervals,
    plots,
    pruned,
    search,
    speed,
    standings,
    table_sizes,
    tabular,
)

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"
MARKS = "<!-- table -->\n", "<!-- end of table -->\n"
# Name: what measures, what writes the report of its figures, what draws them, and its help.
SUITES = {
    "quick": (
        partial(accuracy.run, full=False), accuracy.to_markdown, plots.accuracy,
        "three estimators on four data sets, the default",
    ),
    "full": (
        partial(accuracy.run, full=True), accuracy.to_markdown, plots.accuracy,
        "every installed estimator on every data set at hand",
    ),
    "speed": (
        speed.run, speed.to_markdown, plots.speed,
        "MLPClassifier's seconds over ours, by job and dtype",
    ),
    "costs": (costs.run, costs.to_markdown, None, "imports, first fit, compiled programs, memory"),
    "growth": (
        costs.growth, costs.growth_to_markdown, plots.growth,
        "seconds a sample as rows, features and width grow",
    ),
    "search": (search.run, search.to_markdown, None, "many fits in threads and in processes"),
    "pruned": (
        pruned.run, pruned.to_markdown, None,
        "searches that prune their candidates, and what their rungs do",
    ),
    "accuracy": (
        tabular.run, standings.to_markdown, plots.tabular,
        "the default for tables and its rivals on real ones",
    ),
    "table_sizes": (
        table_sizes.run, table_sizes.to_markdown, None,
        "seconds and memory of the default for tables as rows grow",
    ),
    "intervals": (
        intervals.run, intervals.to_markdown, None,
        "the intervals of the default for tables and those of MAPIE",
    ),
}  # fmt: skip


def main():
    """Run the chosen suites; print their reports and keep them with the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    for name, (*_, description) in SUITES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=description)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the reports")
    parser.add_argument(
        "--draws",
        type=int,
        default=5,
        help="draws of candidates for each data set of --pruned; 0 is one draw of small searches",
    )
    parser.add_argument(
        "--readme", action="store_true", help="put a short table of --quick into README.md"
    )
    arguments = vars(parser.parse_args())
    warnings.simplefilter("ignore", ConvergenceWarning)  # with stopping off, every fit ends with one
    for name in [name for name in SUITES if arguments[name]] or ["quick"]:
        measure, to_markdown, draw, _ = SUITES[name]
        folder = arguments["output"] / name
        folder.mkdir(parents=True, exist_ok=True)
        load = environment.load_average()
        figures = measure(arguments["draws"]) if name == "pruned" else measure()
        settings = environment.describe(load)
        report = f"{to_markdown(figures)}\n\n{settings}\n"
        kept = {"settings": settings, "figures": figures}
        (folder / "figures.json").write_text(json.dumps(kept, indent=1, default=float))
        (folder / "report.md").write_text(report)
        if draw is not None:
            draw(figures, folder / f"{name}.png")
        print(report)
        if name == "quick" and arguments["readme"]:
            _update_readme(accuracy.to_readme(figures), settings)


def _update_readme(table, settings):
    """Replace what stands between the two marks."""
    start, end = MARKS
    before, _, rest = README.read_text().partition(start)
    folded = f"<details><summary>Machine and versions</summary>\n\n{settings}\n\n</details>"
    README.write_text(f"{before}{start}\n{table}\n\n{folded}\n\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
