"""Fits Davidson's extension of the Bradley-Terry model, with position, latency and "both bad" terms."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from evalharness.arena.statistics.ballots import Ballots, Floats, VoteOutcome

PENALTY = 1e-4
"""Weight of the squared parameters in the fit. It makes the strengths sum to 0, keeps them finite where a model wins or
loses every vote, and changes those of other models by less than 1e-3.
"""
MAX_ITERATIONS = 200
TOLERANCE = 1e-9


@dataclass(frozen=True)
class ParameterLayout:
    """Which parameters a Bradley-Terry fit has, and their order in the parameter vector.

    The order is: one strength for each of the `models`, then the parameters `position`, `latency`, `tie` and
    `both_bad`, each only if its attribute is True.
    """

    models: int
    position: bool
    latency: bool
    tie: bool
    both_bad: bool

    @property
    def advantage_term_count(self) -> int:
        """The number of parameters on which the advantage of the first answer depends: strengths, position, latency."""
        return self.models + self.position + self.latency

    @property
    def parameter_count(self) -> int:
        """The number of parameters of the fit."""
        return self.advantage_term_count + self.tie + self.both_bad


@dataclass(frozen=True)
class LikelihoodDerivatives:
    """Log likelihood of each vote at given parameters, with its first and second derivatives.

    n is the number of votes, p the number of parameters.
    """

    log_likelihood: Floats
    """(n,)."""
    scores: Floats
    """(n, p): gradient of each vote's log likelihood."""
    design: Floats
    """(n, terms): the advantage of the first answers is design @ parameters[:terms]."""
    curvature: Floats
    """(n, c, c): negative second derivative with respect to the c linear predictors: advantage, tie, both bad."""


@dataclass(frozen=True)
class DavidsonFit:
    """Bradley-Terry parameters fitted to votes by maximum likelihood. Strengths are in log odds; their mean is 0."""

    ballots: Ballots
    layout: ParameterLayout
    parameters: Floats

    @property
    def strengths(self) -> Floats:
        """Each model's strength in log odds: of decided votes, model i beats model j with odds exp(s_i - s_j)."""
        return self.parameters[: self.layout.models]

    @property
    def position_advantage(self) -> float:
        """The advantage of the answer shown first, in log odds; 0 if the fit has no such parameter."""
        return float(self.parameters[self.layout.models]) if self.layout.position else 0.0


def choose_parameter_layout(ballots: Ballots, with_position: bool = True) -> ParameterLayout:
    """Returns which parameters to fit: the strengths and, if `with_position`, the position.

    `tie` and `both_bad` are added only if a vote has this outcome, `latency` only if in some vote the two answers did
    not appear at once.
    """
    return ParameterLayout(
        models=len(ballots.models),
        position=with_position,
        latency=bool(np.any(ballots.wait != 0)),
        tie=bool(np.any(ballots.outcome == VoteOutcome.TIE)),
        both_bad=bool(np.any(ballots.outcome == VoteOutcome.BOTH_BAD)),
    )


def fit_davidson_model(ballots: Ballots, with_position: bool = True, penalty: float = PENALTY) -> DavidsonFit:
    """Returns the maximum-likelihood fit of the Bradley-Terry-Davidson model to votes.

    With the advantage d = s_first - s_second + position + latency * wait, the four outcomes have probabilities
    proportional to exp(d/2) (first), exp(-d/2) (second), exp(tie) and exp(both bad). Without the last two this is the
    model of Bradley and Terry; with `tie` it is that of Davidson (1970, JASA 65, 317-328), and with `position` that of
    Davidson and Beaver (1977, Biometrics 33, 693-702). As the last two do not depend on d, a vote "both bad" changes
    the strengths as much as a tie does. `penalty` is the weight of the squared parameters. Raises ValueError if there
    are no votes.
    """
    if not len(ballots):
        raise ValueError("a Bradley-Terry fit needs at least one vote, but got none")
    layout = choose_parameter_layout(ballots, with_position)
    design = _make_design_matrix(ballots, layout)

    def objective_and_gradient(parameters: Floats) -> tuple[float, Floats]:
        parts = likelihood_derivatives(ballots, layout, parameters, design)
        value = -float(ballots.weight @ parts.log_likelihood) + penalty / 2 * float(parameters @ parameters)
        return value, -(ballots.weight @ parts.scores) + penalty * parameters

    def hessian(parameters: Floats) -> Floats:
        return information_matrix(ballots, layout, likelihood_derivatives(ballots, layout, parameters, design), penalty)

    result = optimize.minimize(
        objective_and_gradient,
        np.zeros(layout.parameter_count),
        method="trust-exact",
        jac=True,
        hess=hessian,
        options={"gtol": TOLERANCE * max(1.0, float(ballots.weight.sum())), "maxiter": MAX_ITERATIONS},
    )
    return DavidsonFit(ballots, layout, np.asarray(result.x))


def likelihood_derivatives(
    ballots: Ballots, layout: ParameterLayout, parameters: Floats, design: Floats | None = None
) -> LikelihoodDerivatives:
    """Returns the log likelihood of each vote and its derivatives at `parameters` (see `LikelihoodDerivatives`).

    `design`: the matrix that `_make_design_matrix` returns; None computes it.
    """
    design = _make_design_matrix(ballots, layout) if design is None else design
    advantage = design @ parameters[: layout.advantage_term_count]
    count = len(ballots)
    extra = parameters[layout.advantage_term_count :]
    predictors = np.column_stack([advantage / 2, -advantage / 2, *(np.full(count, value) for value in extra)])
    log_probability = predictors - special.logsumexp(predictors, axis=1, keepdims=True)
    probability = np.exp(log_probability)
    column = _predictor_index_of_each_outcome(layout)[ballots.outcome]
    rows = np.arange(count)
    chosen = np.zeros_like(probability)
    chosen[rows, column] = 1
    residual = chosen - probability
    by_advantage = (residual[:, 0] - residual[:, 1]) / 2
    scores = np.column_stack([design * by_advantage[:, None], residual[:, 2:]])
    lead = probability[:, 0] - probability[:, 1]
    others = probability[:, 2:]
    size = 1 + others.shape[1]
    curvature = np.empty((count, size, size))
    curvature[:, 0, 0] = (probability[:, 0] + probability[:, 1] - lead**2) / 4
    curvature[:, 0, 1:] = curvature[:, 1:, 0] = -lead[:, None] * others / 2
    curvature[:, 1:, 1:] = others[:, :, None] * np.eye(size - 1) - others[:, :, None] * others[:, None, :]
    return LikelihoodDerivatives(log_probability[rows, column], scores, design, curvature)


def information_matrix(
    ballots: Ballots, layout: ParameterLayout, vote_derivatives: LikelihoodDerivatives, penalty: float = PENALTY
) -> Floats:
    """Returns the negative second derivatives of the fit's penalized log likelihood, (p, p) for p parameters."""
    weighted = vote_derivatives.curvature * ballots.weight[:, None, None]
    terms = layout.advantage_term_count
    matrix = np.empty((layout.parameter_count, layout.parameter_count))
    matrix[:terms, :terms] = vote_derivatives.design.T @ (vote_derivatives.design * weighted[:, 0, :1])
    matrix[:terms, terms:] = vote_derivatives.design.T @ weighted[:, 0, 1:]
    matrix[terms:, :terms] = matrix[:terms, terms:].T
    matrix[terms:, terms:] = weighted[:, 1:, 1:].sum(axis=0)
    return matrix + penalty * np.eye(layout.parameter_count)


def _make_design_matrix(ballots: Ballots, layout: ParameterLayout) -> Floats:
    """Returns the (votes, terms) matrix X: X @ parameters[:terms] is the advantage of each vote's first answer."""
    count = len(ballots)
    rows = np.arange(count)
    design = np.zeros((count, layout.advantage_term_count))
    design[rows, ballots.first] += 1
    design[rows, ballots.second] -= 1
    if layout.position:
        design[:, layout.models] = 1
    if layout.latency:
        design[:, layout.advantage_term_count - 1] = ballots.wait
    return design


def _predictor_index_of_each_outcome(layout: ParameterLayout) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns, for each `VoteOutcome`, its column in the array `predictors` of `likelihood_derivatives`.

    The columns are: first, second, tie and both bad, the last two only if the fit has the parameter.
    """
    return np.array([0, 1, 2, 2 + layout.tie])
