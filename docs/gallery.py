"""The order of the examples: the tutorial first, the others by the names of their files."""

from sphinx_gallery.sorting import FileNameSortKey


class TutorialFirst(FileNameSortKey):
    """Sphinx-Gallery makes one for each folder, and calls it with the name of each file."""

    def __call__(self, filename):
        """Whether a file comes after the tutorial, and its name."""
        return not filename.startswith("plot_two_clouds"), filename
