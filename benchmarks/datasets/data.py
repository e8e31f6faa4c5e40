from benchmark_utils.data import DATA, Unavailable
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """A data set of the registry; one that cannot be had is skipped with its reason."""

    name = "source"
    parameters = {"data": list(DATA)}

    def get_data(self):
        task, load = DATA[self.data]
        try:
            X, y = load()
        except Unavailable as reason:
            return {"X": None, "y": None, "task": task, "unavailable": str(reason)}
        return {"X": X, "y": y, "task": task}
