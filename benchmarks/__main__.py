"""The command line of the suite.

Each suite is a function of a folder that measures, leaves its figures and pictures there, and returns
Markdown; `SUITES` names them. What was printed is also the folder's `report.md`. The reports of the
documentation are those of `python -m benchmarks --full --speed --growth --search --output
docs/benchmarks`, the README's table that of `python -m benchmarks --quick --readme`.
"""

import argparse
import json
import warnings
from functools import partial
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from benchmarks import accuracy, costs, environment, plots, search, speed

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"


def accuracy_suite(folder, full):
    """Accuracy, log-loss and seconds on data sets."""
    summary = accuracy.run(folder, full)
    plots.time_against_accuracy(summary, folder / "time_against_accuracy.png")
    (folder / "readme.md").write_text(accuracy.to_readme(summary) + "\n")
    return accuracy.to_markdown(summary)


def speed_suite(folder):
    """Ratios to MLPClassifier beside those to reach."""
    ratios = speed.run()
    _keep(folder / "ratios.json", ratios)
    plots.ratio_by_job(ratios, folder / "ratio_by_job.png")
    figures = costs.run()
    _keep(folder / "costs.json", figures)
    return speed.to_markdown(ratios) + "\n\n" + costs.to_markdown(figures)


def growth_suite(folder):
    """Seconds a sample against rows, features and width."""
    points = costs.growth()
    _keep(folder / "growth.json", points)
    plots.growth(points, folder / "growth.png")
    return costs.growth_to_markdown(points)


def search_suite(folder):
    """Searches and restarts against those of scikit-learn."""
    results, restart_seconds = search.run(), search.restarts()
    _keep(folder / "search.json", {"searches": results, "restarts": restart_seconds})
    return search.to_markdown(results, restart_seconds)


SUITES = {
    "quick": (partial(accuracy_suite, full=False), "three estimators on four data sets, the default"),
    "full": (partial(accuracy_suite, full=True), "every installed estimator on every data set at hand"),
    "speed": (speed_suite, "ratios to MLPClassifier, beside those to reach"),
    "search": (search_suite, "grid searches against scikit-learn's, beside the ratios to reach"),
    "growth": (growth_suite, "seconds a sample as rows, features and width grow"),
}


def main():
    """Run the chosen suites; print their Markdown and keep it with the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=accuracy.__doc__)
    for name, (_, description) in SUITES.items():
        parser.add_argument(f"--{name}", action="store_true", help=description)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the reports")
    parser.add_argument("--readme", action="store_true", help="put the quick table into README.md")
    arguments = vars(parser.parse_args())
    warnings.simplefilter("ignore", ConvergenceWarning)  # with stopping off, every fit ends with one
    for name in [name for name in SUITES if arguments[name]] or ["quick"]:
        folder = arguments["output"] / name
        folder.mkdir(parents=True, exist_ok=True)
        before = environment.describe()
        text = SUITES[name][0](folder)
        after = environment.describe()
        _keep(folder / "environment.json", {"before": before, "after": after})
        text += "\n\n" + environment.sentence(before, after)
        (folder / "report.md").write_text(text + "\n")
        print(text)
    if arguments["readme"]:
        _update_readme((arguments["output"] / "quick" / "readme.md").read_text())


def _update_readme(table):
    """Replace the table between the two marks."""
    before, mark, rest = README.read_text().partition("<!-- table -->\n")
    _, end, after = rest.partition("<!-- end of table -->\n")
    README.write_text(f"{before}{mark}\n{table}\n{end}{after}")


def _keep(path, figures):
    path.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
