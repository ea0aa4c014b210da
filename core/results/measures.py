"""Every figure of confidence, a row each: what it is called, which formula it is, and how it and its draws come about.

The table of the Confidence page, its intervals, its paired differences and its chart of all sets follow from the row.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.metrics import accuracy, calibration, confidence, selective
from core.metrics.resampling import Bootstrapped, Resamples
from core.metrics.selective import RankingDraws

BINS = 15
NULL_DRAWS = 200
RISK = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The answers of one contender under one seed, the surest first; each array is (N,).

    Attributes:
        seed: of the answers.
        unit: what a bootstrap draws together: a test sample's number, few-shot that of an episode.
        confidence: largest probability, raw or after temperature, as are the next two.
        correct: whether the answer is right.
        true_probability: of the true class.
        brier: Brier score.
    """

    seed: int
    unit: NDArray[np.int64]
    confidence: Floats
    correct: NDArray[np.bool_]
    true_probability: Floats
    brier: Floats


@dataclass(frozen=True, eq=False)  # without slots: it keeps what several figures share
class Redrawn:
    """One seed's answers in every resample; `scheme` names the bins of its calibration errors."""

    answers: Ranked
    drawn: Resamples
    scheme: str = "width"

    def mean(self, values: ArrayLike, among: ArrayLike | None = None) -> Floats:
        """(draws,) mean of (N,) values, over all answers or over those `among`."""
        return self.drawn.mean(self.answers.unit, values, among)

    @cached_property
    def accuracy(self) -> Floats:
        """(draws,) share of right answers."""
        return self.mean(self.answers.correct)

    @cached_property
    def ranking(self) -> RankingDraws:
        """What the ranking by confidence comes to."""
        of = self.answers
        return selective.ranking_draws(self.drawn, of.unit, of.confidence, of.correct, RISK)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of confidence.

    Attributes:
        id: column in tables.
        label: as people read it, without its unit.
        better: `lower`, `higher`, `zero` (nearest to it), or empty.
        low: smallest possible value.
        high: largest possible value.
        help: one sentence.
        formula: the function of `core.metrics` that defines it.
        value: of one seed's answers, for bins of a scheme; nan where it is undefined.
        draws: (draws,) of its resamples; nan where it is undefined.
        unit: empty when it has none.
        null: (draws,) what a perfect model with these confidences would get, for figures that chance keeps from 0.
    """

    id: str
    label: str
    better: str
    low: float
    high: float
    help: str
    formula: Callable[..., Any]
    value: Callable[[Ranked, str], float]
    draws: Callable[[Redrawn], Floats]
    unit: str = ""
    null: Callable[[Ranked, str], Floats] | None = None

    @property
    def title(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def axis(self) -> str:
        """The first clause of `help`, to name an axis."""
        clause = re.split("[:;.]", self.help)[0]
        words = clause if clause[:2].isupper() else clause[0].lower() + clause[1:]
        return f"{words} ({self.unit})" if self.unit else words

    @property
    def source(self) -> str:
        """Where the formula stands."""
        return f"{self.formula.__module__}.{self.formula.__name__}"

    def over(self, seeds: Sequence[Redrawn]) -> list[Bootstrapped]:
        """The figure of each seed. Their mean is a contender's: pooled answers of several heads are of none of them."""
        return [Bootstrapped(self.value(seed.answers, seed.scheme), self.draws(seed)) for seed in seeds]

    def perfect(self, seeds: Sequence[Ranked], scheme: str) -> tuple[float, float]:
        """Mean and 95 % upper end of `null`, meaned over seeds; nan for a figure without one.

        Seeds share their test samples, so the upper end is the mean of the seeds' own: what it is when they err
        together, and an upper bound otherwise.
        """
        if self.null is None:
            return float("nan"), float("nan")
        drawn = [self.null(seed, scheme) for seed in seeds]
        return float(np.mean([d.mean() for d in drawn])), float(np.mean([np.quantile(d, 0.95) for d in drawn]))


MEASURES = (
    Measure(
        *("accuracy", "Top-1 accuracy", "higher", 0, 1, "Share of right answers.", accuracy.top_k_accuracy),
        value=lambda a, _: float(a.correct.mean()),
        draws=lambda d: d.accuracy,
    ),
    Measure(
        *("confidence", "Mean confidence", "", 0, 1, "Mean of the largest softmax probability.", confidence.softmax),
        value=lambda a, _: float(a.confidence.mean()),
        draws=lambda d: d.mean(d.answers.confidence),
    ),
    Measure(
        *("ece", "ECE", "lower", 0, 1, "Expected calibration error: mean distance of confidence and accuracy."),
        formula=calibration.calibration_error,
        value=lambda a, scheme: calibration.calibration_error(a.confidence, a.correct, BINS, scheme),
        draws=lambda d: calibration.calibration_error_draws(
            d.drawn, d.answers.unit, d.answers.confidence, d.answers.correct, BINS, d.scheme
        ),
        null=lambda a, scheme: calibration.calibration_null(
            a.confidence, BINS, scheme, draws=NULL_DRAWS, rng=np.random.default_rng(a.seed)
        ),
    ),
    Measure(
        *("overconfidence", "Overconfidence", "zero", -1, 1, "Mean confidence minus accuracy; below 0: too modest."),
        formula=calibration.overconfidence,
        value=lambda a, _: calibration.overconfidence(a.confidence, a.correct),
        draws=lambda d: d.mean(d.answers.confidence) - d.accuracy,
    ),
    Measure(
        *("brier", "Brier score", "lower", 0, 2, "Squared error of the probabilities, summed over classes."),
        formula=calibration.brier_score,
        value=lambda a, _: float(a.brier.mean()),
        draws=lambda d: d.mean(d.answers.brier),
    ),
    Measure(
        *("nll", "NLL", "lower", 0, np.inf, "Negative log-likelihood of the true class."),
        formula=calibration.negative_log_likelihood,
        value=lambda a, _: float(calibration.log_loss(a.true_probability).mean()),
        draws=lambda d: d.mean(calibration.log_loss(d.answers.true_probability)),
        unit="nats",
    ),
    Measure(
        *("when_right", "Confidence when right", "", 0, 1, "Mean confidence of right answers."),
        formula=calibration.confidence_by_outcome,
        value=lambda a, _: calibration.confidence_by_outcome(a.confidence, a.correct).correct,
        draws=lambda d: d.mean(d.answers.confidence, d.answers.correct),
    ),
    Measure(
        *("when_wrong", "Confidence when wrong", "", 0, 1, "Mean confidence of wrong answers."),
        formula=calibration.confidence_by_outcome,
        value=lambda a, _: calibration.confidence_by_outcome(a.confidence, a.correct).wrong,
        draws=lambda d: d.mean(d.answers.confidence, ~d.answers.correct),
    ),
    Measure(
        *("auroc", "AUROC of errors", "higher", 0, 1),
        help="Chance that a right answer is surer than a wrong one; ½: none.",
        formula=selective.misclassification_auroc,
        value=lambda a, _: selective.misclassification_auroc(a.confidence, a.correct).value,
        draws=lambda d: d.ranking.auroc,
    ),
    Measure(
        *("aurc", "AURC", "lower", 0, 1, "Area under risk over coverage: mean risk when the surest are answered."),
        formula=selective.aurc,
        value=lambda a, _: selective.aurc(a.confidence, a.correct),
        draws=lambda d: d.ranking.aurc,
    ),
    Measure(
        *("excess_aurc", "Excess AURC", "lower", 0, 1, "AURC beyond that of an ideal ranking at this accuracy."),
        formula=selective.excess_aurc,
        value=lambda a, _: selective.excess_aurc(a.confidence, a.correct),
        draws=lambda d: d.ranking.aurc - selective.ideal_aurc(1 - d.accuracy),
    ),
    Measure(
        *("coverage", "Coverage at 5 % risk", "higher", 0, 1),
        help="Share that can be answered, the surest first, with at most one error in twenty.",
        formula=selective.coverage_at_risk,
        value=lambda a, _: selective.coverage_at_risk(a.confidence, a.correct, RISK),
        draws=lambda d: d.ranking.coverage,
    ),
)
"""Every figure of the page, in the order of its table."""
