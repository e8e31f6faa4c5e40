"""Korean pages: the words of their figures and of the theme, and the Korean README as a page.

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
OF_THEME = {
    "Search": "검색",
    "On this page": "이 페이지의 내용",
    "Section Navigation": "이 부분의 페이지",
    "Show Source": "소스 보기",
    "previous": "이전",
    "next": "다음",
    "previous page": "이전 페이지",
    "next page": "다음 페이지",
    "Home": "처음",
    "Breadcrumb": "현재 위치",
    "Site navigation": "사이트 메뉴",
    "Skip to main content": "본문으로 건너뛰기",
    "Back to top": "맨 위로",
    "Color mode": "색상 모드",
    "System Settings": "시스템 설정",
    "Light": "밝게",
    "Dark": "어둡게",
    "Expand Sidebar": "사이드바 펼치기",
    "Collapse Sidebar": "사이드바 접기",
}
LINKS = {
    r"docs/benchmarks/\w+/report\.md": "/benchmarks.md",
    r"docs/ko/(\w+)\.py": r"/generated/ko/\1.rst",
    r"docs/tutorials/(\w+)\.py": r"/auto_examples/\1.rst",
    r"docs/tutorials": "/auto_examples/index.rst",
    r"docs/((?:benchmarks|_static)/[^)]*\.png)": r"/\1",
    r"docs/(\w+\.rst)": r"/\1",
    r"CHANGELOG\.md": "/changelog.md",
    r"skdense/core/formulas": "/notebook.rst",
}
"""What the README links to, and the pages that show it."""
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


def light_and_dark(picture):
    """A picture of the README as a page shows it."""
    dark, light, alt = re.findall(r'(?:srcset|src|alt)="(?:docs)?([^"]*)"', picture[0])
    return "\n".join(
        f"```{{image}} {file}\n:alt: {alt}\n:class: only-{theme}\n```"
        for file, theme in ((light, "light"), (dark, "dark"))
    )


def write_readme(path):
    """Write the Korean README as a page: links lead to pages, or are left out where there is none."""
    text = (DOCS.parent / "README.ko.md").read_text(encoding="utf-8")
    for file, page in LINKS.items():
        text = re.sub(rf"\]\({file}\)", f"]({page})", text)
    text = re.sub(r"\[([^]]*)\]\((?!https?:|/)[^)]*\)", r"\1", text)
    text = re.sub(r"<!--.*?-->", "", text).replace("\nEnglish\n", "")
    text = re.sub(r"<picture>.*?</picture>", light_and_dark, text, flags=re.DOTALL)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
