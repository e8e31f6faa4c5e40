"""The pages' examples run as doctests; the modules of the site itself are no tests."""

from pathlib import Path

collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py")]
collect_ignore += ["tutorials", "ko", "auto_examples", "generated", "_build"]
