"""LowLevelMLPRegressor: the parameters, and the methods that depend on the type of the targets."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Literal, Self

from numpy.random import RandomState
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from skdense.base import BaseLowLevelMLP, Names, has_optimizer
from skdense.compat import Interval, fit_context
from skdense.core.formulas.losses import LOSSES
from skdense.fit.fitting import fit_estimator
from skdense.fit.inputs import FitInput, MatrixLike
from skdense.fit.targets import fitted_encoder


class LowLevelMLPRegressor(RegressorMixin, BaseLowLevelMLP):
    """Multi-layer perceptron regressor in low-level TensorFlow, a drop-in for MLPRegressor.

    The layers, the minibatch gradient descent and the losses are written by hand with `tf.matmul` and
    `tf.GradientTape`, and run as one compiled program. The estimator has the same parameters,
    attributes and random draws as :class:`sklearn.neural_network.MLPRegressor`, and the same results up
    to rounding errors, which long training can amplify. Additional parameters come last, and their
    defaults do not change the results.

    Parameters
    ----------
    loss : {'squared_error', 'poisson', 'absolute_error', 'quantile', 'huber'}, \
default='squared_error'
        The loss to minimize, averaged over the samples.

        - 'squared_error', half the squared error. The reported loss is a mean over the outputs, and the
          gradient is that of a sum over the outputs, as in MLPRegressor.
        - 'poisson', half the Poisson deviance, summed over the outputs. The output is exponential, so
          predictions are positive; y must be non-negative.
        - 'absolute_error', summed over the outputs. The network predicts a conditional median.
        - 'quantile', the pinball loss [4]_, summed over the outputs. The network predicts the
          conditional `quantile`.
        - 'huber', Huber's loss [5]_, summed over the outputs: half the squared error where the error is
          at most `delta`, else ``delta * (abs(error) - delta / 2)``. It is less sensitive to outliers
          than 'squared_error'.

    hidden_layer_sizes : array-like of shape (n_layers - 2,) or int, default=(100,)
        Width of each hidden layer. With ``()`` the model is linear.

    activation : {'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu', 'gelu', \
'silu', 'mish'}, default='relu'
        Activation of the hidden layers. 'leaky_relu' has a slope of 0.01 for negative values.

    solver : {'lbfgs', 'sgd', 'adam', 'adamw'}, default='adam'
        The optimizer.

        - 'sgd' is stochastic gradient descent.
        - 'adam' is Adam [1]_.
        - 'adamw' is Adam with decoupled weight decay, see `weight_decay`.
        - 'lbfgs' is scipy's L-BFGS-B on all samples at once, always in float64. `max_iter` limits the
          number of iterations, and `tol` is the tolerance on the gradient. Validation data are not
          used: `early_stopping` has no effect, `X_val` raises an error, and of the loss and score
          attributes, only `loss_` and `init_losses_` are set.

    alpha : float, default=0.0001
        Strength of the L2 penalty, ``alpha / 2`` times the sum of the squared kernels, divided by the
        number of samples in the minibatch, or by the sum of their weights.

    batch_size : int or 'auto', default='auto'
        Samples in a minibatch; 'auto' is ``min(200, n_samples)``.

    learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine'}, default='constant'
        Learning rate schedule.

        - 'constant' uses `learning_rate_init`.
        - 'invscaling' sets ``learning_rate_init / (t_ + 1) ** power_t`` after each epoch.
        - 'adaptive' divides the learning rate by 5 where 'constant' would stop (see
          `n_iter_no_change`), and stops training when the learning rate is at most 1e-6.
        - 'cosine' decreases the learning rate in each step along half a cosine, to 0 after `max_iter`
          epochs.

        'adam' ignores 'invscaling' and 'adaptive', as in MLPRegressor.

    learning_rate_init : float, default=0.001
        The initial learning rate.

    power_t : float, default=0.5
        The exponent of 'invscaling'.

    max_iter : int, default=200
        Maximum number of epochs.

    shuffle : bool, default=True
        Whether each epoch visits the samples in a new random order.

    random_state : int, RandomState instance or None, default=None
        Determines the initial parameters, the validation split and the permutations of the samples,
        drawn as in MLPRegressor, and the seed for dropout. With an int, a fit is reproducible bit for
        bit on one machine.

    tol : float, default=1e-4
        Tolerance: an epoch is an improvement if the loss decreases, or with early stopping the
        validation score increases, by at least `tol`.

    verbose : bool or int, default=False
        Whether to print the loss of each epoch.

    warm_start : bool, default=False
        Whether `fit` continues from the parameters of the last fit, with a new optimizer. The best loss
        or score of earlier fits is still the one to improve, unless losses or scores are not
        comparable, for example because of another `loss` or validation set.

    momentum : float, default=0.9
        Momentum of 'sgd', in [0, 1].

    nesterovs_momentum : bool, default=True
        Whether 'sgd' uses Nesterov's momentum.

    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of the samples, stop training when the validation
        score (see `scoring`) no longer improves, and keep the parameters of the best epoch.

    validation_fraction : float, default=0.1
        Fraction of the samples that early stopping holds out, in [0, 1).

    beta_1 : float, default=0.9
        Decay rate of Adam's mean of gradients, in [0, 1).

    beta_2 : float, default=0.999
        Decay rate of Adam's mean of squared gradients, in [0, 1).

    epsilon : float, default=1e-8
        Added to the denominator of Adam's update. Values below the smallest normal number of the dtype
        are replaced by that number.

    n_iter_no_change : int or inf, default=10
        Training stops after more than this number of consecutive epochs without an improvement.

    max_fun : int, default=15000
        Maximum number of loss evaluations of 'lbfgs'.

    dtype : {'float32', 'float64'}, dtype or None, default=None
        Precision of the parameters and the training, as a name or a NumPy dtype. None uses float32 if X
        is float32, and float64 otherwise. With 'lbfgs', only X is converted to this precision; training
        is in float64.

    init : {'glorot_uniform', 'he_uniform', 'he_normal', 'lecun_normal', 'uniform'}, \
default='glorot_uniform'
        Initialization of the parameters.

        - 'glorot_uniform' is the initialization of MLPRegressor [2]_.
        - 'he_uniform' and 'he_normal' are those of He et al. [3]_.
        - 'lecun_normal' draws kernels from a normal distribution with variance ``1 / fan_in``.
        - 'uniform' draws kernels from [0, 1).

        Biases are zero, except with 'glorot_uniform'.

    n_init : int, default=1
        Number of networks that are trained from different initial parameters. The network with the
        lowest final loss is kept (with early stopping: the best validation score). The networks are
        trained in parallel, except with 'lbfgs'. The first one is the network that ``n_init=1`` trains.
        Ignored if training continues from an earlier fit.

    dropout : float or array-like of shape (n_layers - 2,), default=0.0
        Dropout rate: the fraction of the values of the hidden layers, in [0, 1), that each training
        step sets to 0, or one rate per layer. The other values are divided by 1 minus the rate.
        Validation and prediction use all units. Not supported by 'lbfgs'.

    weight_decay : float, default=0.01
        With ``solver='adamw'``, each step also subtracts `weight_decay` times the learning rate times
        the kernels from the kernels. `alpha` also applies; set it to 0 for weight decay only.

    warmup_epochs : float, default=0
        Number of epochs in which the learning rate of 'sgd', 'adam' and 'adamw' increases linearly from
        step to step; 0.5 is half an epoch. A cosine schedule begins after the warm-up.

    max_grad_norm : float, inf or None, default=None
        Maximum norm of the gradient of 'sgd', 'adam' and 'adamw', over all kernels and biases and
        including the penalty; a larger gradient is scaled down to it. None and inf mean no limit.

    scoring : 'loss', str, callable or None, default=None
        The score on validation samples that early stopping uses. None is R2, as in MLPRegressor, except
        for the losses 'quantile', 'absolute_error' and 'huber': for these it is the negative loss,
        because R2 is a score for predictions of the mean. 'loss' is the negative loss. Other values are
        scorers, as for :class:`LowLevelMLPClassifier`. Early stopping by R2 needs at least two
        validation samples whose weight is not zero.

    quantile : float, default=0.5
        The quantile that ``loss='quantile'`` predicts, between 0 and 1.

    delta : float, default=1.0
        The error above which ``loss='huber'`` is linear, in units of y.

    Attributes
    ----------
    loss_ : float
        The loss of the last epoch, including the penalty.

    best_loss_ : float or None
        The lowest loss of all epochs; None with early stopping.

    loss_curve_ : list of float
        The loss of each epoch: the mean over its minibatches, each computed before its step. A warm
        start and `partial_fit` append to it.

    validation_scores_ : list of float or None
        The validation score after each epoch, or None without validation data; see `scoring`.

    validation_loss_curve_ : list of float or None
        The validation loss, without penalty, after each epoch, or None without validation data.

    best_validation_score_ : float or None
        The maximum of `validation_scores_` with early stopping, otherwise None.

    init_losses_ : ndarray of shape (n_init,)
        The final loss of each initialization. The array has one element if training continues from an
        earlier fit. The network with the lowest loss is kept, or with early stopping the one with the
        best validation score.

    t_ : int
        Number of training samples seen, including repetitions.

    coefs_ : list of ndarray of shape (fan_in, fan_out)
        The kernels.

    intercepts_ : list of ndarray of shape (fan_out,)
        The biases.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.

    n_iter_ : int
        Number of epochs of the last fit.

    n_layers_ : int
        Number of layers, including input and output.

    n_outputs_ : int
        Number of outputs.

    out_activation_ : {'identity', 'exp'}
        Activation of the output layer.

    See Also
    --------
    sklearn.neural_network.MLPRegressor : The estimator that this class replaces.
    LowLevelMLPClassifier : The same for classification.

    References
    ----------
    .. [1] Kingma and Ba (2014), "Adam: A Method for Stochastic Optimization", arXiv:1412.6980.
    .. [2] Glorot and Bengio (2010), "Understanding the Difficulty of Training Deep Feedforward
       Neural Networks", AISTATS.
    .. [3] He, Zhang, Ren and Sun (2015), "Delving Deep into Rectifiers", arXiv:1502.01852.
    .. [4] Koenker and Bassett (1978), "Regression Quantiles", Econometrica 46.
    .. [5] Huber (1964), "Robust Estimation of a Location Parameter", Annals of Mathematical
       Statistics 35.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from skdense import LowLevelMLPRegressor
    >>> X, y = make_regression(200, 3, random_state=0)
    >>> reg = LowLevelMLPRegressor(
    ...     hidden_layer_sizes=(20,), solver="lbfgs", max_iter=1000, random_state=0
    ... ).fit(X, y)
    >>> reg.predict(X[:2]).shape
    (2,)
    >>> reg.score(X, y) > 0.99
    True
    """

    _parameter_constraints = {
        **BaseLowLevelMLP._parameter_constraints,
        # MLPRegressor takes it first, too.
        "loss": [Names(set(LOSSES["regression"]), "pass hidden_layer_sizes by keyword")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "delta": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dtype: DTypeLike | None = None,
        init: str = "glorot_uniform",
        n_init: int = 1,
        dropout: float | Sequence[float] = 0.0,
        weight_decay: float = 0.01,
        warmup_epochs: float = 0,
        max_grad_norm: float | None = None,
        scoring: str | Callable | None = None,
        quantile: float = 0.5,
        delta: float = 1.0,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dtype = dtype
        self.init = init
        self.n_init = n_init
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.warmup_epochs = warmup_epochs
        self.max_grad_norm = max_grad_norm
        self.scoring = scoring
        self.quantile = quantile
        self.delta = delta

    @available_if(has_optimizer)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Continue training for one epoch over X and y.

        The state of the optimizer is kept between calls and after `fit`. As in MLPRegressor, changes of
        the following parameters take effect only in the next `fit`, also with `warm_start`: `solver`,
        `learning_rate`, `learning_rate_init`, `power_t`, `momentum`, `nesterovs_momentum`, `beta_1`,
        `beta_2`, `epsilon`, `weight_decay`, `warmup_epochs` and `max_grad_norm`. Changes of all other
        parameters take effect in the next call. Each call is one epoch of the schedule; the cosine
        restarts after `max_iter` epochs. After units were removed from `coefs_` and `intercepts_` by
        hand, call `fit` with ``warm_start=True`` first, which starts a new optimizer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; None weights them equally.

        Returns
        -------
        self : LowLevelMLPRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, `early_stopping` is set, the shapes of `coefs_` have
            changed since the last call, or training diverged.
        """
        return fit_estimator(self, FitInput(X, y, sample_weight, incremental=True))

    def predict(self, X: MatrixLike) -> NDArray:
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions. The dtype is float32 if X and `coefs_` are float32, and float64 otherwise.
        """
        logits = self._logits(X)
        return fitted_encoder(self).decode(logits)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.target_tags.multi_output = True
        positive = [name for name, loss in LOSSES["regression"].items() if loss.lowest_target >= 0]
        tags.target_tags.positive_only = self.loss in positive
        return tags
