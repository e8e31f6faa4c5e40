"""What y is: how it becomes targets of the network, and how the network's logits become predictions.

Each type of target, in scikit-learn's sense, has a class in `labels` or `continuous`. No other module
asks which type y has. Nothing here imports TensorFlow.
"""

from skdense.core.formulas.losses import LOSSES
from skdense.core.network import Data


class Encoder:
    """What the encoders of all types of targets have in common.

    Parameters
    ----------
    loss_name : str
        The loss that is minimized, by its name among the losses of this type.

    Attributes
    ----------
    target_type : str
        The name of the type in the core's table of losses.
    loss : Loss
        All that is known of the loss.
    curves : dict of str to str
        The attributes with a value for each epoch, and their fields of `Curves`.
    is_stratified : bool
        Whether the validation split keeps the proportions of the classes.
    attributes : dict
        What a fitted estimator keeps of y.
    """

    target_type: str
    curves = {
        "loss_curve_": "loss",
        "validation_loss_curve_": "validation_loss",
        "validation_scores_": "validation_score",
    }
    is_stratified = False
    attributes = {}

    def __init__(self, loss_name):
        self.loss_name, self.loss = loss_name, LOSSES[self.target_type][loss_name]

    def check(self, y, name):
        """Raise unless y is of this type; the error calls it by this name."""
        raise NotImplementedError

    def weights(self, samples, validation, rows):
        """The weights of checked samples and of those to validate on; `rows` are trained on."""
        return samples.weights, validation and validation.weights

    def encode(self, y):
        """The targets `(n_samples, n_outputs)`."""
        raise NotImplementedError

    def data(self, samples, validation, rows):
        """The `Data` of checked samples, and of those to validate on or None."""
        weights, validation_weights = self.weights(samples, validation, rows)
        data = Data(samples.X, self.encode(samples.y), weights)
        if validation is None:
            return data, None
        return data, Data(validation.X, self.encode(validation.y), validation_weights)

    def decode(self, logits):
        """The predictions. Like every method that takes logits, it may overwrite them."""
        raise NotImplementedError


def loss_with_output(encoder, out_activation):
    """The name of a loss for an `Encoder`, a class or an instance, with this output activation."""
    losses = LOSSES[encoder.target_type].items()
    return next(name for name, loss in losses if loss.output == out_activation)
