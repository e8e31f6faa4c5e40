"""What README.md and the pages say of the benchmarks is what the reports' figures give."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def figures():
    sys.path.append(str(ROOT / "docs"))
    import figures

    yield figures
    sys.path.remove(str(ROOT / "docs"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_readmes_have_the_figures_of_the_reports(figures, language):
    """If the figures of its sentences are old, `python docs/figures.py` writes them."""
    text = figures.READMES[language].read_text(encoding="utf-8")
    marked = {name for name, *_ in figures.MARKED.findall(text)}
    assert marked == {name for name, texts in figures.SENTENCES.items() if "ko" in texts}
    assert figures.filled(text, language) == text


def test_the_classifier_for_tables_ranks_first_and_the_regressor_second(figures):
    """By the mean over the tables and by the mean rank, as README.md and the pages say."""
    for loss, place in {"accuracy": 0, "log-loss": 0, "RMSE": 1}.items():
        assert figures.mean_ranks(loss).index[place] == figures.OURS
    assert figures.on_tables("R²").mean().rank(ascending=False)[figures.OURS] == 2
    assert figures.mean_ranks("RMSE").index[0] == figures.RIVAL


def test_the_classifier_for_tables_has_the_best_mean_rank_by_log_loss_in_each_group(figures):
    """Small, middle and large tables, and samples; the regressor is first among samples."""
    groups = [table for table in figures.tables("accuracy") if "mean rank, log-loss" in table]
    samples = [table for table in figures.tables("accuracy") if "mean rank, RMSE" in table][-1]
    assert len(groups) == 4
    for table, heading in [
        *((table, "mean rank, log-loss") for table in groups),
        (samples, "mean rank, RMSE"),
    ]:
        assert table[heading].str.partition(" ")[0].astype(float).idxmin() == figures.OURS


def test_the_seconds_of_models_of_tables_are_as_the_picture_is_described(figures):
    """LightGBM takes less than a twentieth of the time of ours and CatBoost."""
    tasks = [table for table in figures.tables("accuracy") if "fit, s" in table][-2:]
    for table in tasks:
        seconds = table["fit, s"].replace("", None).astype(float)
        assert 20 * seconds["LightGBM"] < seconds[[figures.OURS, figures.RIVAL]].min()


def test_searches_are_faster_than_with_mlpclassifier(figures):
    """Most of them from the second run of a script on, and all of them later in its process."""
    for heading in ("times as fast", "float32, times as fast"):
        ratios = [figures.turns(cell) for cell in figures.columns_of("search", heading)[0]]
        _, full, later = zip(*(map(float, ratio) for ratio in ratios))
        assert sum(ratio > 1 for ratio in full) > len(full) / 2
        assert min(later) > 1


def test_ranks_of_equal_losses_are_their_mean(figures, monkeypatch):
    pandas = pytest.importorskip("pandas")
    losses = pandas.DataFrame({"a": [0.1, 0.3, 0.2], "b": [0.2, 0.1, 0.2]})
    monkeypatch.setattr(figures, "on_tables", lambda loss: losses)
    assert figures.mean_ranks("RMSE").to_dict() == {"a": 1.5, "b": 1.5}
