"""Davidson's extension of the Bradley-Terry model, with a position term, a latency term and "both bad"."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from evalharness.arena.statistics.ballots import Ballots, Floats, Outcome

PENALTY = 1e-4
"""Weight of the squared parameters in the fit. It makes the strengths sum to 0, keeps them finite where a model wins or
loses every vote, and changes those of other models by less than 1e-3."""
MAX_ITERATIONS = 200
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Layout:
    """Which parameters a fit has, in this order: a strength per model, then the ones that are present."""

    models: int
    position: bool
    latency: bool
    tie: bool
    both_bad: bool

    @property
    def terms(self) -> int:
        """The number of parameters that add up to the advantage of the first answer."""
        return self.models + self.position + self.latency

    @property
    def size(self) -> int:
        """The number of all parameters."""
        return self.terms + self.tie + self.both_bad


@dataclass(frozen=True)
class Derivatives:
    """Log likelihood of each vote at some parameters, with what the fit and the intervals need of it.

    n votes, p parameters. The advantage of the first answer is linear in the parameters, with row `design` (n x terms).
    """

    log_likelihood: Floats
    """(n,)."""
    scores: Floats
    """(n, p): gradient of each vote's log likelihood."""
    design: Floats
    curvature: Floats
    """(n, c, c): negative second derivative by the c linear predictors: advantage, tie, both bad."""


@dataclass(frozen=True)
class Fit:
    """The maximum of the likelihood. Strengths are log odds; their mean is 0."""

    ballots: Ballots
    layout: Layout
    parameters: Floats

    @property
    def strengths(self) -> Floats:
        """One log-odds strength per model: among votes for one of the two, i wins with odds exp(s_i - s_j)."""
        return self.parameters[: self.layout.models]

    @property
    def position(self) -> float:
        """The advantage of the first position, in log odds; 0 where it is not fitted."""
        return float(self.parameters[self.layout.models]) if self.layout.position else 0.0


def layout_of(ballots: Ballots, position: bool = True) -> Layout:
    """Returns the parameters that these votes can tell: ties, "both bad" and latency only where they occur."""
    return Layout(
        models=len(ballots.models),
        position=position,
        latency=bool(np.any(ballots.wait != 0)),
        tie=bool(np.any(ballots.outcome == Outcome.TIE)),
        both_bad=bool(np.any(ballots.outcome == Outcome.BOTH_BAD)),
    )


def fit(ballots: Ballots, position: bool = True, penalty: float = PENALTY) -> Fit:
    """Returns the fit of the votes.

    With the advantage d = s_first - s_second + position + latency * wait, the four outcomes have probabilities
    proportional to exp(d/2) (first), exp(-d/2) (second), exp(tie) and exp(both bad). Without the last two this is the
    model of Bradley and Terry; with `tie` it is Davidson's (1970, JASA 65, 317-328), and with `position` that of
    Davidson and Beaver (1977, Biometrics 33, 693-702). As the last two do not depend on d, a vote "both bad" changes
    the strengths as much as a tie does. Raises ValueError for no votes.
    """
    if not len(ballots):
        raise ValueError("a fit needs at least one vote")
    layout = layout_of(ballots, position)
    design = _design(ballots, layout)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        parts = derivatives(ballots, layout, parameters, design)
        value = -float(ballots.weight @ parts.log_likelihood) + penalty / 2 * float(parameters @ parameters)
        return value, -(ballots.weight @ parts.scores) + penalty * parameters

    def hessian(parameters: Floats) -> Floats:
        return information(ballots, layout, derivatives(ballots, layout, parameters, design), penalty)

    result = optimize.minimize(
        objective,
        np.zeros(layout.size),
        method="trust-exact",
        jac=True,
        hess=hessian,
        options={"gtol": TOLERANCE * max(1.0, float(ballots.weight.sum())), "maxiter": MAX_ITERATIONS},
    )
    return Fit(ballots, layout, np.asarray(result.x))


def derivatives(ballots: Ballots, layout: Layout, parameters: Floats, design: Floats | None = None) -> Derivatives:
    """Returns log likelihood, scores and curvature of each vote."""
    design = _design(ballots, layout) if design is None else design
    advantage = design @ parameters[: layout.terms]
    count = len(ballots)
    extra = parameters[layout.terms :]
    predictors = np.column_stack([advantage / 2, -advantage / 2, *(np.full(count, value) for value in extra)])
    log_probability = predictors - special.logsumexp(predictors, axis=1, keepdims=True)
    probability = np.exp(log_probability)
    column = _columns(layout)[ballots.outcome]
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
    return Derivatives(log_probability[rows, column], scores, design, curvature)


def information(ballots: Ballots, layout: Layout, parts: Derivatives, penalty: float = PENALTY) -> Floats:
    """Returns the (p, p) matrix of negative second derivatives of the penalized log likelihood."""
    weighted = parts.curvature * ballots.weight[:, None, None]
    terms = layout.terms
    matrix = np.empty((layout.size, layout.size))
    matrix[:terms, :terms] = parts.design.T @ (parts.design * weighted[:, 0, :1])
    matrix[:terms, terms:] = parts.design.T @ weighted[:, 0, 1:]
    matrix[terms:, :terms] = matrix[:terms, terms:].T
    matrix[terms:, terms:] = weighted[:, 1:, 1:].sum(axis=0)
    return matrix + penalty * np.eye(layout.size)


def _design(ballots: Ballots, layout: Layout) -> Floats:
    count = len(ballots)
    rows = np.arange(count)
    design = np.zeros((count, layout.terms))
    design[rows, ballots.first] += 1
    design[rows, ballots.second] -= 1
    if layout.position:
        design[:, layout.models] = 1
    if layout.latency:
        design[:, layout.terms - 1] = ballots.wait
    return design


def _columns(layout: Layout) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns the column of each outcome among the linear predictors."""
    return np.array([0, 1, 2, 2 + layout.tie])
