"""Confidence intervals of a Bradley-Terry fit, robust to the dependence of votes of one voter."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats
from scipy.sparse import csgraph

from evalharness.arena.statistics.ballots import Ballots, Floats, Integers
from evalharness.arena.statistics.davidson import (
    PENALTY,
    DavidsonFit,
    fit_davidson_model,
    information_matrix,
    likelihood_derivatives,
)
from evalharness.metrics.intervals import CONFIDENCE, Interval

FEWEST_CLUSTERS = 1.5
"""With fewer effective clusters (voters) there is no confidence interval."""
CHUNK = 256
"""Number of clusters whose matrices are in memory at the same time."""
UNBOUNDED_SHIFT = 0.5
"""A difference that moves by more than this if the penalty is divided by 100 is not determined by the votes."""
UNBOUNDED = (float("-inf"), float("inf"))


@dataclass(frozen=True)
class FitCovariance:
    """The covariance matrix of a fit's p parameters, and confidence intervals of linear combinations of them.

    A contrast, of shape (p,), has the weights of the parameters in such a combination.
    """

    fit: DavidsonFit
    matrix: Floats
    """The covariance matrix, (p, p)."""
    clusters: float
    """The effective number of clusters (see `effective_cluster_count`)."""
    shift: Floats
    """(p,): how far each parameter moves if the penalty is divided by 100; large if the votes do not bound it."""
    component: Integers
    """One number per model: models with different numbers are not connected by votes."""

    def confidence_interval(self, contrast: Floats) -> Interval:
        """Returns the 95 % confidence interval of the linear combination contrast @ parameters.

        It is based on Student's t; the degrees of freedom are the effective number of clusters minus 1. It is infinite
        if the votes do not determine the value, or if nearly all votes belong to one cluster.
        """
        if self.clusters < FEWEST_CLUSTERS or not self.is_determined_by_votes(contrast):
            return UNBOUNDED
        center = float(contrast @ self.fit.parameters)
        half_width = self.standard_error(contrast) * float(stats.t.ppf((1 + CONFIDENCE) / 2, self.clusters - 1))
        return center - half_width, center + half_width

    def standard_error(self, contrast: Floats) -> float:
        """Returns the standard error of the linear combination contrast @ parameters."""
        return math.sqrt(max(0.0, float(contrast @ self.matrix @ contrast)))

    def is_determined_by_votes(self, contrast: Floats) -> bool:
        """Returns whether the votes determine contrast @ parameters; if not, its value comes from the fit's penalty."""
        within = np.bincount(self.component, contrast[: self.fit.layout.models])
        return bool(np.all(np.abs(within) < 1e-9) and abs(contrast @ self.shift) < UNBOUNDED_SHIFT)

    def reference_model_set(self) -> Integers:
        """Returns the indices of the models whose mean strength is defined as 0.

        They are the largest set of models whose strengths differ by amounts that the votes determine. A model that
        never lost is not among them, because its strength is unbounded. If the votes determine no difference, all
        models are returned.
        """
        models = self.fit.layout.models
        sets = [
            [
                other
                for other in range(models)
                if other == index or self.is_determined_by_votes(self.difference_contrast(index, other))
            ]
            for index in range(models)
        ]
        largest = max(sets, key=len)
        return np.array(largest if len(largest) > 1 else range(models))

    def strength_contrast(self, model_index: int) -> Floats:
        """Returns the weights (p,) of the p parameters that give a model's strength.

        A strength is relative to the mean of the reference models (see `reference_model_set`).
        """
        contrast = np.zeros(self.fit.layout.parameter_count)
        reference = self.reference_model_set()
        contrast[reference] -= 1 / len(reference)
        contrast[model_index] += 1
        return contrast

    def difference_contrast(self, first_model_index: int, second_model_index: int) -> Floats:
        """Returns the weights (p,) of the p parameters that give the first model's strength minus the second's."""
        contrast = np.zeros(self.fit.layout.parameter_count)
        contrast[first_model_index] += 1
        contrast[second_model_index] -= 1
        return contrast


def estimate_covariance(davidson_fit: DavidsonFit, cluster_numbers: Integers | None = None) -> FitCovariance:
    """Returns the covariance of a fit's parameters; votes of one cluster (such as a voter) may depend on each other.

    It is a jackknife over the G clusters: (G - 1)/G sum_g d_g d_g', where d_g = (H - H_g)^-1 S_g is the change of the
    parameters, by one Newton step, if cluster g is left out. S_g and H_g are score and information of cluster g, H is
    the information of all votes. Source: MacKinnon, Nielsen and Webb 2024 (arXiv 2406.00650), CV3L; unlike the plain
    sandwich estimator it is not too small for few or unequal clusters. `cluster_numbers`, one per vote, replaces those
    of the fitted votes.
    """
    ballots, layout = davidson_fit.ballots, davidson_fit.layout
    cluster_numbers = ballots.cluster if cluster_numbers is None else cluster_numbers
    clusters = int(cluster_numbers.max()) + 1
    parts = likelihood_derivatives(ballots, layout, davidson_fit.parameters)
    whole = information_matrix(ballots, layout, parts)
    order = np.argsort(cluster_numbers, kind="stable")
    starts = np.searchsorted(cluster_numbers[order], np.arange(clusters))
    scores = np.add.reduceat(parts.scores[order] * ballots.weight[order, None], starts, axis=0)
    jacobian = np.zeros((len(ballots), parts.curvature.shape[1], layout.parameter_count))
    jacobian[:, 0, : layout.advantage_term_count] = parts.design
    jacobian[:, 1:, layout.advantage_term_count :] = np.eye(layout.parameter_count - layout.advantage_term_count)
    total = np.zeros_like(whole)
    ends = np.append(starts[1:], len(ballots))
    for begin in range(0, clusters, CHUNK):
        chosen = slice(begin, min(begin + CHUNK, clusters))
        rows = order[starts[begin] : ends[chosen.stop - 1]]
        weighted = parts.curvature[rows] * ballots.weight[rows, None, None]
        own = np.einsum("nap,nab,nbq->npq", jacobian[rows], weighted, jacobian[rows], optimize=True)
        own = np.add.reduceat(own, starts[chosen] - starts[begin], axis=0)
        steps = np.linalg.solve(whole - own, scores[chosen][:, :, None])[:, :, 0]
        total += steps.T @ steps
    return FitCovariance(
        davidson_fit,
        total * (clusters - 1) / clusters,
        effective_cluster_count(cluster_numbers, ballots.weight),
        parameter_shift_with_weaker_penalty(davidson_fit),
        connected_components_of_models(ballots),
    )


def parameter_shift_with_weaker_penalty(davidson_fit: DavidsonFit) -> Floats:
    """Returns the change of each parameter of a fit if the fit's penalty is divided by 100, of shape (p,).

    The change is large for parameters that the votes alone do not determine.
    """
    return (
        fit_davidson_model(davidson_fit.ballots, davidson_fit.layout.position, PENALTY / 100).parameters
        - davidson_fit.parameters
    )


def connected_components_of_models(ballots: Ballots) -> Integers:
    """Returns, for each model, the index of its connected component in the graph of models joined by votes."""
    models = len(ballots.models)
    edges = sparse.coo_array((np.ones(len(ballots)), (ballots.first, ballots.second)), shape=(models, models))
    return np.asarray(csgraph.connected_components(edges, directed=False)[1], np.int64)


def effective_cluster_count(cluster_numbers: Integers, weights: Floats) -> float:
    """Returns the effective number of clusters, (sum n_g)^2 / sum n_g^2 for clusters of n_g votes (Kish).

    It is below the number of clusters if their sizes differ: then the large clusters dominate the estimated variance.
    """
    sizes = np.bincount(cluster_numbers, weights)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def one_cluster_per_vote(ballots: Ballots) -> Integers:
    """Returns a cluster number for each vote, all different, so that all votes are treated as independent."""
    return np.arange(len(ballots))
