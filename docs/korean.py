"""Korean pages: the words of their figures, and the Korean README as a page.

The examples in `ko/` have the code of the English ones, so their figures are drawn with English words.
Before matplotlib writes a text of such a figure, it is looked up in `ko/words.toml`.
"""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

from matplotlib import font_manager, rcParams
from matplotlib.text import Text

DOCS = Path(__file__).parent
WORDS = tomllib.loads((DOCS / "ko" / "words.toml").read_text(encoding="utf-8"))
SET_TEXT = Text.set_text
FONT = "NanumGothic"


def in_korean(text):
    """A text of a figure in Korean, if it is one of the words."""
    for english, korean in WORDS.items():
        if found := re.fullmatch(english, str(text)):
            return found.expand(korean)
    return text


def translate(gallery_conf, filename):
    """Let figures of Korean pages have Korean words; Sphinx-Gallery calls it before each example.

    Without the package whose font they need, they stay English.
    """
    spec = find_spec("koreanize_matplotlib")
    is_korean = Path(filename).stem.endswith("_ko") and spec is not None
    if is_korean:
        # Only the font of this package is used: its import changes matplotlib's settings.
        folder = Path(spec.submodule_search_locations[0])
        font_manager.fontManager.addfont(folder / "fonts" / f"{FONT}.ttf")
        rcParams["font.family"] = [*rcParams["font.family"], FONT]
    Text.set_text = (
        (lambda text, s: SET_TEXT(text, in_korean(s))) if is_korean else SET_TEXT
    )


def write_readme(path):
    """Write the Korean README as a page: links to reports lead to the pages that show them."""
    text = (DOCS.parent / "README.ko.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/benchmarks/[^)]*\.md\)", "](/benchmarks.md)", text)
    text = re.sub(r"\]\(docs/(benchmarks/[^)]*\.png)\)", r"](/\1)", text)
    text = re.sub(r"\]\(docs/(\w+\.rst)\)", r"](/\1)", text)
    text = re.sub(r"\[([^]]*)\]\((?!https?:|/)[^)]*\)", r"\1", text)
    text = re.sub(r"<!--.*?-->", "", text).replace("\nEnglish\n", "")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\norphan: true\n---\n\n{text}", encoding="utf-8")
