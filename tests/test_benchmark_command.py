"""`python -m benchmarks`: its options, its table and its sentence, and one measurement."""

import sys
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module", autouse=True)
def _benchmarks():
    sys.path.append(str(ROOT))
    yield
    sys.path.remove(str(ROOT))


@pytest.fixture
def command():
    from benchmarks import __main__

    return __main__


@pytest.fixture
def comparison():
    from benchmarks import comparison

    return comparison


def figures(comparison, later=(0.5, 0.25, 1.0, 0.02), accuracy=0.9, loss=(0.2, 0.2, 0.2, 0.1)):
    """Rows as they are measured, of all data sets and models."""
    return [
        {"data": data, "model": model, "process": process, "first": 10.1, "later": seconds}
        | {"accuracy": accuracy, "loss": value}
        for data in comparison.DATA
        for model, process, seconds, value in zip(comparison.MODELS, (12.5, None) * 2, later, loss)
    ]


def error(command, capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_the_table_and_the_sentence_fit_100_columns(comparison):
    from benchmarks.report import wrapped

    rows = figures(comparison, later=(1234.5, 0.00012, 99.9, 1e-5))
    shown = comparison.to_text(rows) + "\n" + wrapped(comparison.sentence(rows))
    assert max(map(len, shown.splitlines())) <= 100
    for data in comparison.DATA:
        assert shown.count(f"\n{data} ") == 1  # not repeated for each model
    for model in comparison.MODELS:
        assert shown.count(f" {model} ") >= len(comparison.DATA)


def test_the_sentence_says_who_is_ahead_whoever_it_is(comparison):
    text = comparison.sentence(figures(comparison))
    assert "has the accuracy of MLPClassifier" in text
    assert "later fits are 2.0 times as fast" in text
    assert "lower log-loss on 5 of them" in text
    text = comparison.sentence(
        figures(comparison, later=(1.0, 1.0, 0.5, 0.1), loss=(0.1, 0.1, 0.1, 0.2))
    )
    assert "later fits are 0.50 times as fast" in text
    assert "lower log-loss on 0 of them" in text


def test_the_sentence_never_gives_later_fits_without_a_whole_process(comparison):
    for rows in (figures(comparison), figures(comparison)[:4]):
        text = comparison.sentence(rows)
        assert text.count("later fits") == text.count("a whole first process takes") == 1
    assert text.startswith("On iris ")


def test_one_or_several_data_sets_are_chosen_by_name(command):
    parser = command.build_parser()
    options = parser.parse_args(["--data", "digits", "iris", "digits"])
    name, _, jobs = command.comparison_of(parser, options)
    assert name == "comparison"
    assert list(dict.fromkeys(job["data"] for job in jobs)) == ["digits", "iris"]
    assert len(jobs) == 4
    options = parser.parse_args(["--data", "wine", "--widths"])
    name, _, jobs = command.comparison_of(parser, options)
    assert name == "widths"
    assert [job["data"] for job in jobs] == ["wine"] * 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "digit"], "no data set 'digit' (did you mean 'digits'?); there are iris, wine"),
        (["--data", "missing.csv"], "no file missing.csv"),
        (["--data", "a.csv", "iris"], "stands alone"),
        (["--target", "y"], "need --data FILE.csv"),
        (["--speed", "--data", "iris"], "not of a suite"),
        (["--sped"], "unrecognized arguments: --sped"),
        (["--rounds", "3"], "--rounds, --only and --size are of a suite"),
        (["--speed", "--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--speed", "--only", "("], "--only must be a regular expression, got '('"),
    ],
)
def test_a_typo_is_told_before_anything_runs(command, capsys, arguments, said):
    assert said in error(command, capsys, *arguments)


def test_a_wrong_column_of_a_file_names_the_nearest_one(command, capsys, tmp_path):
    pytest.importorskip("lightgbm")
    path = tmp_path / "houses.csv"
    path.write_text("rooms,price\n" + "".join(f"{i % 7},{100 + i}\n" for i in range(50)))
    assert "did you mean 'price'?" in error(command, capsys, "--data", str(path), "--target", "prize")
    assert "needs --target COLUMN" in error(command, capsys, "--data", str(path))
    assert "did you mean 'houses.csv'?" in error(command, capsys, "--data", str(tmp_path / "house.csv"))
    path.write_text("rooms,price\n" + "1,2\n1,3\n1,4\n")
    assert "has 3 rows" in error(command, capsys, "--data", str(path), "--target", "price")
    path.write_text("rooms,price\n" + "1,low\n2,high\n" * 40)
    arguments = "--data", str(path), "--target", "price", "--task", "regression"
    said = error(command, capsys, *arguments)
    assert "'price' of houses.csv is no target of a regression: could not convert string" in said


def test_the_task_of_a_file_follows_from_its_target(tmp_path):
    pd = pytest.importorskip("pandas")
    from benchmarks import own_table

    path = tmp_path / "table.csv"
    frame = pd.DataFrame({"a": range(60), "stars": [1, 2, 3] * 20, "kind": ["x", "y", "z"] * 20})
    frame.assign(flag=[0, 1] * 30).to_csv(path, index=False)
    assert own_table.read(path, "stars")[2] == "regression"
    assert own_table.read(path, "flag")[2] == "classification"
    X, y, task = own_table.read(path, "kind")
    assert (task, sorted(set(y)), "kind" in X) == ("classification", [0, 1, 2], False)
    assert own_table.read(path, "stars", "classification")[1].max() == 2


def test_the_figures_of_a_model_are_those_of_a_process_of_its_own(comparison, tmp_path):
    """The cheapest one: without TensorFlow."""
    (row,) = comparison.measure("iris", [comparison.LINEAR])
    assert row["accuracy"] > 0.9
    assert 0 < row["loss"] < 0.3
    assert 0 < row["first"] < row["process"]
    assert 0 < row["later"] < row["process"]
    pytest.importorskip("matplotlib")
    comparison.draw(figures(comparison), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_random_settings_are_the_same_each_time_and_of_all_kinds():
    from benchmarks import random_settings

    settings = random_settings.draw()
    assert [setting.title for setting in settings] == [one.title for one in random_settings.draw()]
    assert len({setting.title for setting in settings}) == random_settings.N_SETTINGS == 70
    assert {setting.dtype for setting in settings} == {"float64", "float32"}
    assert {setting.task for setting in settings} == {"classification", "regression"}
    assert {len(setting.params["hidden_layer_sizes"]) for setting in settings} == {1, 2, 3}
    assert {setting.params["solver"] for setting in settings} == {"adam", "sgd", "lbfgs"}
    for setting in settings:
        X, y = setting.data()
        assert 100 <= len(X) == len(y) <= 20_000
        assert 3 <= X.shape[1] <= 400
        if setting.task == "classification":
            assert len(set(y)) == setting.outputs


def test_the_report_on_speed_sums_up_the_random_settings():
    from benchmarks import speed

    rows = [
        {"title": title, "column": speed.SETTINGS[title].columns[0], "first": 2.0, "their_first": 1.0}
        | {"ours": [0.1], "theirs": [0.2], "ratios": [ratio], "ratio": ratio, "loss_difference": 0.0}
        for title, ratio in zip(speed.SETTINGS, [0.5, *[2.0] * 8, 4.0])
    ]
    line = next(line for line in speed.to_markdown(rows).splitlines() if line.startswith("| all |"))
    assert line == "| all | 10 | 2.0 | 1.8 | 1 of 10 | 2.0 | 1.0 |"


def test_a_rival_that_fails_on_a_file_does_not_stop_the_others():
    from benchmarks import own_table

    figures = {"task": "regression", "first": 9.0, "later": 3.0, "predict": 0.1, "score": 0.5}
    rows = [
        figures | {"model": "skdense", "loss": 0.9},
        {"model": "CatBoost", "error": "CatBoostError: " + 30 * "a bad column "},
        figures | {"model": "LightGBM", "loss": 1.0, "later": 1.5},
    ]
    shown = own_table.to_text(rows)
    assert "CatBoost failed: CatBoostError: a bad column" in shown
    assert max(map(len, shown.splitlines())) <= 100
    text = own_table.sentence(rows)
    assert "RMSE is 10.0% lower than that of LightGBM" in text
    assert "takes 2.0 times its processor time" in text
    assert "no other model is installed" in own_table.sentence(rows[:1])


SUITES = (
    "comparison", "widths", "speed", "first_fits", "costs", "serving", "table_sizes", "pruned",
    "intervals", "accuracy",
)  # fmt: skip


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_measures_the_jobs_that_it_lists(command, name, monkeypatch):
    for package in ("pandas", "matplotlib", "lightgbm"):
        pytest.importorskip(package)
    # Jobs name the tables of all packages, and intervals count their rows; no table is measured here.
    monkeypatch.setattr("benchmarks.tables.find_spec", lambda package: True)
    monkeypatch.setattr("benchmarks.intervals.load", lambda name: (None, range(500)))
    suite = import_module(f"benchmarks.{name}")
    jobs = suite.jobs()
    assert jobs
    for job in jobs:
        signature(suite.measure).bind(**job)


def test_all_suites_of_the_command_exist(command):
    for name in command.SUITES:
        source = (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
        assert all(f"\n{part}" in source for part in ("def jobs(", "def measure(")), name
        assert "to_markdown" in source
