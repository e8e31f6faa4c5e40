"""Korean pages: the tutorial as Markdown, the theme in Korean words, links of pages.

`python docs/korean.py` runs `ko/two_clouds.py`, whose comments are Markdown, and writes what it says,
prints and draws beside it: a page that reads well without a build.
"""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib.pyplot as plt

DOCS = Path(__file__).parent
TUTORIAL = DOCS / "ko" / "two_clouds.py"
OF_THEME = {
    "Search": "검색",
    "On this page": "이 페이지의 내용",
    "Section Navigation": "이 섹션의 문서",
    "Show Source": "소스 보기",
    "previous": "이전",
    "next": "다음",
    "previous page": "이전 페이지",
    "next page": "다음 페이지",
    "Home": "홈",
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
    r"docs/ko/(\w+\.md)": r"/generated/ko/\1",
    r"(?:docs|\.\.)/tutorials/(\w+)\.py": r"/auto_examples/\1.rst",
    r"docs/tutorials": "/auto_examples/index.rst",
    r"\.\./notebook\.rst": "/auto_examples/plot_two_clouds.rst",  # which includes it
    r"docs/((?:benchmarks|_static)/[^)]*\.png)": r"/\1",
    r"(\w+\.png)": r"/ko/\1",
    r"docs/(\w+\.rst)": r"/\1",
    r"CHANGELOG\.md": "/changelog.md",
    r"skdense/core/formulas": "/auto_examples/plot_two_clouds.rst",
}
"""What the files link to, and the pages that show it."""
PICTURE = re.compile(
    r'<picture>.*?src="docs/(.*?)\.svg" alt="(.*?)">\n</picture>', re.DOTALL
)
"""A picture of the README, which has one for dark screens."""
IMAGE = """```{{image}} /\\1{end}.svg
:alt: \\2
:class: only-{theme}
```"""
RESULT = re.compile(r"\n```text\n.*?```\n|\n!\[.*?\]\(.*?\)\n", re.DOTALL)
"""What a cell printed, or a figure that it drew."""


def as_markdown(script, results=()):
    """A script as Markdown: texts, code, and after each cell its results."""
    text, *cells = script.split("# %%\n")
    page = text.strip().strip('"').strip() + "\n"
    for i, cell in enumerate(cells):
        end_of_text = re.match(r"(?:#.*\n)*", cell).end()
        page += "\n" + re.sub("^# ?", "", cell[:end_of_text], flags=re.MULTILINE)
        if code := cell[end_of_text:].strip():
            page += f"\n```python\n{code}\n```\n"
        page += "".join(results[i : i + 1])
    return page


def results_of(path):
    """Run a script, save its figures beside it, and return what is shown after each cell."""
    names, n_figures, results = {"__name__": path.stem}, 0, []
    for cell in path.read_text(encoding="utf-8").split("# %%\n")[1:]:
        with redirect_stdout(io.StringIO()) as printed:
            exec(cell, names)
        result = f"\n```text\n{text}```\n" if (text := printed.getvalue()) else ""
        for number in plt.get_fignums():
            n_figures += 1
            name = f"{path.stem}_{n_figures}.png"
            plt.figure(number).savefig(path.with_name(name), dpi=100)
            result += f"\n![그림 {n_figures}]({name})\n"
        plt.close("all")
        results.append(result)
    return results


def write_pages(folder):
    """Write the Korean files as pages: links lead to pages, or are left out where there is none."""
    ko = DOCS / "ko"
    pages = {
        DOCS.parent / "README.ko.md": folder / "readme_ko.md",
        TUTORIAL.with_suffix(".md"): folder / "ko" / "two_clouds.md",
        ko / "index.rst": folder / "ko" / "index.rst",
    }
    (folder / "ko").mkdir(parents=True, exist_ok=True)
    for source, target in pages.items():
        text = source.read_text(encoding="utf-8")
        text = PICTURE.sub(
            IMAGE.format(end="", theme="light")
            + "\n\n"
            + IMAGE.format(end="-dark", theme="dark"),
            text,
        )
        for file, page in LINKS.items():
            text = re.sub(rf"\]\({file}\)", f"]({page})", text)
        text = re.sub(r"\[([^][]*)\]\((?!https?:|/)[^)]*\)", r"\1", text)
        text = re.sub(r"<!--.*?-->", "", text).replace("\nEnglish\n", "")
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    plt.switch_backend("agg")
    results = results_of(TUTORIAL)
    page = as_markdown(TUTORIAL.read_text(encoding="utf-8"), results)
    TUTORIAL.with_suffix(".md").write_text(page, encoding="utf-8")
