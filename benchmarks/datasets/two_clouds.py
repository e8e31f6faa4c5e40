from benchmark_utils.components import RegisteredDataset


class Dataset(RegisteredDataset):
    """The two Gaussian clouds of the tutorial, float32."""

    name = "clouds"
    parameters = {"dataset": ["two_clouds"]}
