"""What README.md and the pages say of the benchmarks is what the reports' figures give."""

import re
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


def test_the_readme_quotes_the_reports(figures):
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    wrong = [sentence for sentence in figures.sentences().values() if sentence not in text]
    assert not wrong


def test_the_korean_readme_has_the_same_figures(figures):
    text = (ROOT / "README.ko.md").read_text(encoding="utf-8")
    quoted = re.findall(r"\d[\d.,]*\d|\d", " ".join(figures.sentences().values()))
    assert not [number for number in quoted if not re.search(rf"(?<![\d.]){number}(?![\d.])", text)]


def test_the_classifier_for_tables_ranks_first_and_the_regressor_second(figures):
    """By the mean over the tables and by the mean rank, as README.md and the pages say."""
    for loss, place in {"accuracy": 0, "log-loss": 0, "RMSE": 1}.items():
        assert figures.mean_ranks(loss).index[place] == figures.OURS
    assert figures.on_tables("R²").mean().rank(ascending=False)[figures.OURS] == 2
    assert figures.mean_ranks("RMSE").index[0] == figures.RIVAL


def test_ranks_of_equal_losses_are_their_mean(figures, monkeypatch):
    pandas = pytest.importorskip("pandas")
    losses = pandas.DataFrame({"a": [0.1, 0.3, 0.2], "b": [0.2, 0.1, 0.2]})
    monkeypatch.setattr(figures, "on_tables", lambda loss: losses)
    assert figures.mean_ranks("RMSE").to_dict() == {"a": 1.5, "b": 1.5}
