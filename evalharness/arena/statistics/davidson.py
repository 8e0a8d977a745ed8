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
    """Which parameters a Bradley-Terry fit has.

    Their order in the parameter vector is: one strength per model, then position, latency, tie and both bad, each only
    if it is True here.
    """

    models: int
    position: bool
    latency: bool
    tie: bool
    both_bad: bool

    @property
    def advantage_terms(self) -> int:
        """The number of parameters in the advantage of the first answer: strengths, position and latency."""
        return self.models + self.position + self.latency

    @property
    def size(self) -> int:
        """The number of parameters of the fit."""
        return self.advantage_terms + self.tie + self.both_bad


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
    """A Bradley-Terry fit by maximum likelihood. Strengths are in log odds; their mean is 0."""

    ballots: Ballots
    layout: ParameterLayout
    parameters: Floats

    @property
    def strengths(self) -> Floats:
        """Each model's strength in log odds: of decided votes, model i beats model j with odds exp(s_i - s_j)."""
        return self.parameters[: self.layout.models]

    @property
    def position_advantage(self) -> float:
        """The advantage of the answer shown first, in log odds; 0 if it is not fitted."""
        return float(self.parameters[self.layout.models]) if self.layout.position else 0.0


def choose_parameter_layout(ballots: Ballots, with_position: bool = True) -> ParameterLayout:
    """Returns which parameters to fit to these votes: those of ties, "both bad" and latency only if they occur."""
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
    model of Bradley and Terry; with `tie` it is Davidson's (1970, JASA 65, 317-328), and with the position that of
    Davidson and Beaver (1977, Biometrics 33, 693-702). As the last two do not depend on d, a vote "both bad" changes
    the strengths as much as a tie does. Raises ValueError for no votes.
    """
    if not len(ballots):
        raise ValueError("a Bradley-Terry fit needs at least one vote; pass ballots that are not empty")
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
        np.zeros(layout.size),
        method="trust-exact",
        jac=True,
        hess=hessian,
        options={"gtol": TOLERANCE * max(1.0, float(ballots.weight.sum())), "maxiter": MAX_ITERATIONS},
    )
    return DavidsonFit(ballots, layout, np.asarray(result.x))


def likelihood_derivatives(
    ballots: Ballots, layout: ParameterLayout, parameters: Floats, design: Floats | None = None
) -> LikelihoodDerivatives:
    """Returns the log likelihood of each vote, its gradient and its second derivative at the given `parameters`."""
    design = _make_design_matrix(ballots, layout) if design is None else design
    advantage = design @ parameters[: layout.advantage_terms]
    count = len(ballots)
    extra = parameters[layout.advantage_terms :]
    predictors = np.column_stack([advantage / 2, -advantage / 2, *(np.full(count, value) for value in extra)])
    log_probability = predictors - special.logsumexp(predictors, axis=1, keepdims=True)
    probability = np.exp(log_probability)
    column = _predictor_column_of_outcomes(layout)[ballots.outcome]
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
    """Returns the (p, p) matrix of negative second derivatives of the fit's penalized log likelihood."""
    weighted = vote_derivatives.curvature * ballots.weight[:, None, None]
    terms = layout.advantage_terms
    matrix = np.empty((layout.size, layout.size))
    matrix[:terms, :terms] = vote_derivatives.design.T @ (vote_derivatives.design * weighted[:, 0, :1])
    matrix[:terms, terms:] = vote_derivatives.design.T @ weighted[:, 0, 1:]
    matrix[terms:, :terms] = matrix[:terms, terms:].T
    matrix[terms:, terms:] = weighted[:, 1:, 1:].sum(axis=0)
    return matrix + penalty * np.eye(layout.size)


def _make_design_matrix(ballots: Ballots, layout: ParameterLayout) -> Floats:
    """Returns the (votes, terms) matrix whose product with the parameters is the advantage of each first answer."""
    count = len(ballots)
    rows = np.arange(count)
    design = np.zeros((count, layout.advantage_terms))
    design[rows, ballots.first] += 1
    design[rows, ballots.second] -= 1
    if layout.position:
        design[:, layout.models] = 1
    if layout.latency:
        design[:, layout.advantage_terms - 1] = ballots.wait
    return design


def _predictor_column_of_outcomes(layout: ParameterLayout) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns, for each `VoteOutcome`, the index of its column in the linear predictors of `likelihood_derivatives`."""
    return np.array([0, 1, 2, 2 + layout.tie])
