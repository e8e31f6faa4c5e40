"""The pages' examples run as doctests; the modules of the site itself are no tests."""

collect_ignore = [
    "cards.py",
    "conf.py",
    "curves.py",
    "descriptions.py",
    "figures.py",
    "gallery.py",
    "korean.py",
    "mathml.py",
    "pictures.py",
]
collect_ignore += ["tutorials", "ko", "auto_examples", "generated", "_build"]
