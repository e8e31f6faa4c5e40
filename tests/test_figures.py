"""What README.md and the pages say of the benchmarks is what the reports' figures give."""

import html
import re
import shutil
import subprocess
import sys
import warnings
from itertools import chain
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
| estimator | ratio | median | ours lower, equal, higher | splits | mean rank | fit, s |
| --- | --- | --- | --- | --- | --- | --- |
| skdense |  |  |  |  | 1.50 | 20 |
| CatBoost | {ratio} [0.960, 1.100] | 0.990 | 1, 0, 1 | 3 of 6 | 1.60 | 4.0 |
| LightGBM | 1.300 [1.200, 1.400] | 1.200 | 2, 0, 0 | 6 of 6 | 2.90 | 0.10 |
| XGBoost | 1.400 [1.200, 1.600] | 1.200 | 2, 0, 0 | 6 of 6 | 3.90 | 0.20 |
| HistGradientBoosting | 1.400 [1.200, 1.600] | 1.200 | 2, 0, 0 | 6 of 6 | 3.90 | 0.20 |
"""


@pytest.fixture
def reports(figures, monkeypatch, tmp_path):
    """A function that writes a report in the place of the real ones."""

    def write(name, text, version="0.5.0", processor="AMD EPYC", pools="libgomp x 2"):
        (tmp_path / name).mkdir(exist_ok=True)
        settings = f"{processor}, 2 of 2 CPUs; Linux, Python 3.13, skdense {version}, numpy 2.4.6"
        settings += f"; thread pools: {pools}; environment: no thread or kernel setting."
        (tmp_path / name / "report.md").write_text(f"{text}\n\n{settings}\n", "utf-8")

    monkeypatch.setattr(figures, "REPORTS", tmp_path)
    return write


HALVES = """
| data | half | rows | skdense | CatBoost |
| --- | --- | --- | --- | --- |
| a | to choose on | 500 | 0.9 / 0.1 | 0.8 / 0.2 |
| b | confirming | 600 | 0.9 / 0.1 |  |
| c | confirming | 700 | 0.9 / 0.1 | 0.8 / 0.2 |

| list | half | tables |
| --- | --- | --- |
| classification | confirming | 2 |

| estimator | a date |
| --- | --- |
| CatBoost | 1.077 [1.011, 1.197] (6) |

| estimator | a date |
| --- | --- |
| CatBoost | 1.077 [1.011, 1.197] (6) |
"""


def accuracy_report(*ratios):
    """The lists of a report: all tables of classes, those that confirm; the same for numbers."""
    titles = [
        f"**{task}: {half}** (2 tables)"
        for task in ("Classification, log-loss", "Regression, RMSE")
        for half in ("all tables", "confirming tables, on which hardly any setting was chosen")
    ]
    lists = [REPORT.format(ratio=ratio).strip() for ratio in ratios]
    return "\n\n".join([*chain.from_iterable(zip(titles, lists, strict=True)), HALVES.strip()])


def test_sentences_say_what_the_report_says_whoever_is_ahead(figures, reports):
    reports("accuracy", accuracy_report("0.980", "0.970", "1.020", "1.030"))
    _, ours, catboost, *_ = figures.accuracies()
    assert ours[:2] == ["skdense", ""]
    assert catboost[:4] == ["CatBoost", "0.970 [0.960, 1.100]", "0.990", "4.0"]
    assert catboost[4:] == ["1.030 [0.960, 1.100]", "0.990", "4.0"]
    assert "skdense 1.50 / 1.50, CatBoost 1.60 / 1.60" in figures.sentence("ranks")
    assert "CatBoost 4.0 / 4.0" in figures.sentence("fit_seconds")
    for language in ("en", "ko"):
        row = figures.sentence("row", language)
        assert "| skdense | CatBoost | LightGBM |" in row
        assert "| 1.50 / 1.50 | 1.60 / 1.60 | 2.90 / 2.90 |" in row


def test_ranks_say_how_many_tables_all_models_finished(figures, reports):
    reports("accuracy", accuracy_report(*4 * ["1.100"]))
    assert "on the 1 of 2 held-out data sets that all models finished" in figures.sentence("ranks")


SPEED = """
| settings | how many | median | lowest tenth | below 1 | first fit, s | MLPClassifier's, s |
| --- | --- | --- | --- | --- | --- | --- |
| all | 70 | 3.3 | 1.3 | 3 of 70 | 2.5 | 0.1 |
| adam | 25 | 4.6 | 2.2 | 0 of 25 | 2.5 | 0.1 |
| sgd | 23 | 3.7 | 1.4 | 0 of 23 | 2.5 | 0.1 |
| lbfgs | 22 | 0.9 | 0.5 | 3 of 22 | 2.5 | 0.1 |
"""


def test_the_sentence_on_random_settings_has_the_figures_of_the_report(figures, reports):
    reports("speed", SPEED.strip())
    text = figures.sentence("settings", found=figures.settings_figures())
    assert "later fits are 3.3 times as fast" in text
    assert "0 of 25 (Adam), 0 of 23 (SGD) and 3 of 22 (L-BFGS) are slower" in text


PAGES = [
    path
    for folder, pattern in (("", "README*.md"), ("docs", "*.rst"), ("docs", "benchmarks.md"))
    for path in sorted((ROOT / folder).glob(pattern))
]


@pytest.fixture(scope="module")
def quoted(figures):
    return figures.quoted()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_with_figures_says_what_they_were_measured_with(figures, quoted, page):
    """`measured` is the text that says it."""
    text = page.read_text(encoding="utf-8")
    marks = {"".join(names) for names in re.findall(r"\|(\w+)\||\{\{ (\w+) \}\}|<!--(\w+)-->", text)}
    names = marks & (quoted.keys() | figures.SENTENCES.keys())
    pictures = re.search(r"generated/(cards|\w+\.txt)|loss_and_seconds|benchmarks/\w+/\w+\.png", text)
    assert "measured" in names or not (names or pictures)


def test_a_report_of_another_version_or_machine_is_named(figures, reports):
    reports("speed", "", version="0.6.1")
    assert figures.sources() == {"sources": "skdense 0.6.1, AMD EPYC"}
    reports("costs", "", version="0.6.0", processor="Intel")
    assert figures.sources() == {
        "sources": "skdense 0.6.0, Intel; `speed` with skdense 0.6.1, AMD EPYC"
    }
    for name, kernel in {"costs": "Haswell", "serving": "Haswell", "speed": "SkylakeX"}.items():
        pools = f"libscipy_openblas {kernel} x 2"
        reports(name, "", version="0.6.0", processor="Intel", pools=pools)
    assert figures.sources() == {
        "sources": "skdense 0.6.0, Intel (OpenBLAS Haswell; `speed`: SkylakeX)"
    }


def test_pictures_of_speed_have_the_figures_of_the_reports(figures):
    """A suite draws its picture beside its report: both come from one run."""
    Image = pytest.importorskip("PIL.Image")
    jobs = figures.table("speed", "both float64")
    ratios = {
        f"{job}, {column}: {cell.split('**')[1]}"
        for column in jobs
        for job, cell in jobs[column].items()
        if cell
    }
    assert figures_of(Image, figures.REPORTS / "speed" / "speed.png") == ratios
    scripts = figures.tables("first_fits")[0].iloc[:4]
    columns = ["empty folder, s", "full folder, s", "later, s", "MLPClassifier, s"]
    seconds = {f"{job}: {', '.join(filter(None, scripts.loc[job, columns]))}" for job in scripts.index}
    assert figures_of(Image, figures.REPORTS / "first_fits" / "first_fits.png") == seconds


def figures_of(Image, path):
    """What a picture says in its metadata about what it shows."""
    with Image.open(path) as picture:
        return set(picture.text["Description"].split("; "))


def test_the_picture_of_losses_and_seconds_has_the_figures_of_the_report(figures):
    """`python docs/figures.py` draws it anew."""
    pytest.importorskip("matplotlib")
    import cards

    for path in figures.STATIC.glob("loss_and_seconds*.svg"):
        report = "accuracy_large" if "large" in path.name else "accuracy"
        picture = path.read_text(encoding="utf-8")
        assert html.escape(cards.described(report), quote=False) in picture


def test_large_data_sets_have_a_picture_of_their_own(figures, reports, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    import cards

    for name in ("accuracy", "accuracy_large"):
        reports(name, accuracy_report(*4 * ["1.100"]) + "\n" + HALVES)
    for module in (figures, cards):
        monkeypatch.setattr(module, "REPORTS", tmp_path)
    monkeypatch.setattr(cards, "STATIC", tmp_path)
    cards.losses_and_seconds()
    names = {path.name for path in tmp_path.glob("*.svg")}
    assert names == {
        f"loss_and_seconds{size}{suffix}.svg" for size in ("", "_large") for suffix in cards.TEXT
    }


def test_all_quoted_texts_can_be_written(quoted):
    assert all(isinstance(text, str) and text for text in quoted.values())


def reports_of_other_code(reports, code):
    """The reports that do not say that they are of this code."""
    return {
        path.parent.name: found[1] if found else "no hash"
        for path in sorted(reports.glob("*/report.md"))
        if not (found := re.search(r"code (\w{16})", path.read_text(encoding="utf-8")))
        or found[1] != code
    }


@pytest.fixture
def environment():
    sys.path.append(str(ROOT))
    from benchmarks import environment

    yield environment
    sys.path.remove(str(ROOT))


def test_the_reports_of_a_tagged_release_are_of_its_code(environment):
    """Between releases the code goes on, so what differs is only a warning in the summary."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    code = environment.syntax_hash(ROOT / "skdense")
    other = reports_of_other_code(ROOT / "docs" / "benchmarks", code)
    command = ["git", "describe", "--tags", "--exact-match", "HEAD"]
    is_release = subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    if other and not is_release:
        warnings.warn(f"reports that are not of this code, {code}: {other}", stacklevel=1)
    assert not (is_release and other)


def test_reports_of_other_code_are_named(environment, tmp_path):
    for name, text in {
        "old": "code 0123456789abcdef.",
        "new": "code f00.",
        "same": f"code {16 * 'a'}.",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.md").write_text(text)
    assert reports_of_other_code(tmp_path, 16 * "a") == {"new": "no hash", "old": "0123456789abcdef"}


CODE = '''
"""A module."""
import warnings

def scaled(x, by=2):
    """Multiply."""
    if by == 0:
        raise ValueError(f"by must not be 0, got {by}")
    warnings.warn("slow", stacklevel=2)
    return "x" * by  # a comment
'''


@pytest.mark.parametrize(
    ("old", "new", "is_the_same"),
    [
        ('"""A module."""', '"""Another text."""', True),
        ('    """Multiply."""\n', "", True),
        ("by must not be 0, got", "by is 0:", True),
        ('"slow"', '"this is slow"', True),
        ("  # a comment", "", True),
        ("by == 0", "by == 1", False),
        ('"x" * by', '"y" * by', False),
        ("stacklevel=2", "stacklevel=3", False),
        ("got {by}", "got {x}", False),
        ("ValueError", "TypeError", False),
    ],
)
def test_the_hash_of_the_code_ignores_words_and_nothing_else(
    environment, tmp_path, old, new, is_the_same
):
    assert CODE.count(old) == 1
    (tmp_path / "module.py").write_text(CODE)
    before = environment.syntax_hash(tmp_path)
    (tmp_path / "module.py").write_text(CODE.replace(old, new))
    assert (environment.syntax_hash(tmp_path) == before) == is_the_same
