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


REPORT = """
| estimator | ratio | without the largest | ours lower, equal, higher | splits | mean rank | fit, s |
| --- | --- | --- | --- | --- | --- | --- |
| make_tabular |  |  |  |  | 1.50 | 20 |
| CatBoost | {ratio} [0.960, 1.100] | 0.99 | 1, 0, 1 | 3 of 6 | 1.60 | 4.0 |
| LightGBM | 1.300 [1.200, 1.400] | 1.200 | 2, 0, 0 | 6 of 6 | 2.90 | 0.10 |
| XGBoost | 1.400 [1.200, 1.600] | 1.200 | 2, 0, 0 | 6 of 6 | 3.90 | 0.20 |
| HistGradientBoosting | 1.400 [1.200, 1.600] | 1.200 | 2, 0, 0 | 6 of 6 | 3.90 | 0.20 |
"""


def test_sentences_say_what_the_report_says_whoever_is_ahead(figures, monkeypatch, tmp_path):
    folder = tmp_path / "accuracy"
    folder.mkdir()
    lists = [REPORT.format(ratio=ratio) for ratio in ("0.980", "0.970", "1.020", "1.030")]
    (folder / "report.md").write_text("\n\n".join(map(str.strip, lists)), "utf-8")
    monkeypatch.setattr(figures, "REPORTS", tmp_path)
    classes, numbers = figures.values("classifier"), figures.values("regressor")
    assert (classes["ratio"], classes["confirming_ratio"]) == ("0.980", "0.970")
    assert (numbers["ratio"], numbers["confirming_ratio"]) == ("1.020", "1.030")
    assert (classes["n_tables"], classes["n_splits"], classes["won"]) == (2, 3, 1)
    assert (classes["best"], classes["n_rivals"]) == ("CatBoost", 4)
    for language in ("en", "ko"):
        assert "0.980" in figures.sentence("classifier", language)


def test_all_quoted_texts_can_be_written(figures):
    assert all(isinstance(text, str) and text for text in figures.quoted().values())
