"""Sphinx builds the site from this: `python -m sphinx -W -b html docs docs/_build/html`."""

import os
import sys
from pathlib import Path

# Neither the log of TensorFlow nor a window of matplotlib belongs into a build.
os.environ.setdefault("MPLBACKEND", "agg")

DOCS = Path(__file__).parent
sys.path.append(str(DOCS))

import cards
import curves
import figures
import korean

import skdense

korean.write_pages(DOCS / "generated")
cards.draw(DOCS / "generated" / "cards")
curves.draw(DOCS / "generated" / "curves")
figures.write_tables(DOCS / "generated")

project = "skdense"
copyright = "The skdense developers"
author = "The skdense developers"
release = version = skdense.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "descriptions",
    "mathml",
    "once",
]
html_math_renderer = "mathml"
exclude_patterns = [
    "_build",
    "_templates",
    "tutorials",
    "ko",
    "conftest.py",
    "notebook.rst",  # a section of an example
    "benchmarks/**",
]
templates_path = ["_templates"]
default_role = "code"
rst_prolog = "".join(
    f".. |{name}| replace:: {sentence}\n" for name, sentence in figures.quoted().items()
)
myst_enable_extensions = ["substitution"]
myst_substitutions = figures.quoted()
autodoc_typehints = "none"  # the descriptions of parameters say more

# Links to other projects need the lists of names on their sites, so an offline build goes without.
intersphinx_mapping = {}
if os.environ.get("SKDENSE_DOCS_ONLINE"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "joblib": ("https://joblib.readthedocs.io/en/stable", None),
    }

autosummary_generate = True
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
suppress_warnings = ["ref.term"]  # texts that scikit-learn's classes hand down

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "auto_examples",
    "copyfile_regex": r"index\.rst",
    "backreferences_dir": "generated/backreferences",  # without it, `minigallery` warns
    "thumbnail_size": (640, 448),
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "min_reported_time": 3600,  # seconds of the machine that built the site tell little
    "reset_modules": ("matplotlib",),
}

# Pictures of the pages' own examples, which pytest runs as doctests.
plot_formats = ["svg"]
plot_html_show_formats = plot_html_show_source_link = False
plot_rcparams = {
    "figure.figsize": (6.4, 3.2),
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "skdense",
}
plot_apply_rcparams = True

html_title = "skdense"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_logo = html_favicon = "_static/logo.svg"
html_theme_options = {
    "navigation_with_keys": False,
    "logo": {"text": f"skdense {release}", "alt_text": "skdense, to the start page"},
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc", "sourcelink"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {
    page: [] for page in ("index", "benchmarks", "changelog")
}  # no sub-pages

# Code is copied without prompts and without what it prints.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def setup(app):
    """Mark the Korean pages as such, for browsers, screen readers and search engines."""
    app.connect("html-page-context", set_language)


def set_language(app, pagename, templatename, context, doctree):
    """Give a page's template the language of its text, and the theme's words in it."""
    if pagename.startswith(("generated/ko/", "generated/readme_ko")):
        context["language"] = "ko"
        context["gettext"] = lambda text: korean.OF_THEME.get(text, text)
