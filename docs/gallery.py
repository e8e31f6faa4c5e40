"""The order of the examples: the tutorial first, then those about tables, then the others by name."""

from sphinx_gallery.sorting import FileNameSortKey


class Order(FileNameSortKey):
    """Sphinx-Gallery makes one for each folder, and calls it with the name of each file."""

    def __call__(self, filename):
        """How early a file comes, and its name."""
        first = (
            "plot_two_clouds",
            "plot_0",
            "plot_a_table",
            "plot_c_messy",
            "plot_b_understanding",
        )
        places = [filename.startswith(start) for start in first]
        return places.index(True) if any(places) else len(places), filename
