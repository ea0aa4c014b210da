"""The linear probe's whole regularisation path against scikit-learn's, on the same features and cores.

    python tests/benchmarks/linear_probe.py [--samples 20000] [--width 512] [--classes 200] [--quick]

Features are invented as encoders give them: rectified, of decaying spectrum, classes that overlap. Both get the same
standardised float32 features, 45 strengths from strong to weak, each fit started from the last. scikit-learn runs with
its default tolerance, and with one nearer the minimum: at the default it stops early on the way, and its accuracy for
some strengths is far from the minimum's. `--quick` takes every ninth strength.

Excess is how far the objective, in double precision, lies above its minimum: above the lowest value found by anyone,
our solver with a hundredth of its tolerance included. `excess_by_strength` lists C, ours and scikit-learn's.
"""

import argparse
import json
import time
import warnings

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from core.heads import logistic
from core.heads.fitting import STRENGTHS


def invent(samples: int, width: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) float32 features and (N,) labels."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 64)) @ rng.normal(size=(64, width)) / 8
    labels = rng.permutation(np.arange(samples) % classes)
    basis, _ = np.linalg.qr(rng.normal(size=(width, width)))
    noise = (rng.normal(size=(samples, width)) * np.arange(1, width + 1) ** -0.5 * 9) @ basis
    return np.maximum(0, 0.2 * centres[labels] + noise).astype(np.float32), labels


def objective(scaled: torch.Tensor, labels: torch.Tensor, weight: ArrayLike, bias: ArrayLike, strength: float) -> float:
    """Mean cross-entropy + λ/2 ‖W‖² in double precision."""
    double, offset = (torch.as_tensor(np.asarray(part, np.float64)) for part in (weight, bias))
    logits = torch.addmm(offset, scaled, double.T)
    return float(cross_entropy(logits, labels) + 0.5 * strength * double.square().sum())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    features, labels = invent(asked.samples + 4000, asked.width, asked.classes)
    train, test = features[: asked.samples], features[asked.samples :]
    known, unseen = labels[: asked.samples], labels[asked.samples :]
    strengths = STRENGTHS[::9] if asked.quick else STRENGTHS

    start = time.perf_counter()
    problem = logistic.problem(torch.from_numpy(train), torch.from_numpy(known), asked.classes)
    rotated = problem.project(torch.from_numpy(test))
    penalties = [1 / (c * asked.samples) for c in strengths]
    ours, solutions = [], []
    for solution in logistic.path(problem, penalties):
        ours.append(float((solution.logits(rotated).argmax(1).numpy() == unseen).mean()))
        solutions.append(solution)
    own = time.perf_counter() - start
    iterations, left = sum(one.iterations for one in solutions), max(one.left for one in solutions)
    print(f"Invariscope: {own:.1f} s, {iterations} iterations, at most {left:.1e} nats left", flush=True)

    mean, deviation = train.mean(0), train.std(0)
    scaled, scaled_test = (train - mean) / deviation, (test - mean) / deviation
    exact = list(logistic.path(problem, penalties, tolerance=logistic.TOLERANCE / 100))
    best = [float((one.logits(rotated).argmax(1).numpy() == unseen).mean()) for one in exact]
    judged, truth = torch.from_numpy(scaled).double(), torch.from_numpy(known)

    def value(found: logistic.Solution) -> float:
        weight, bias = (part.double().numpy() for part in found.on_raw_features(problem))
        return objective(judged, truth, weight * deviation, bias + weight @ mean, found.strength)

    reached, lowest = (np.array([value(one) for one in path]) for path in (solutions, exact))
    for tolerance in (1e-4, 1e-6):
        start = time.perf_counter()
        model = LogisticRegression(warm_start=True, tol=tolerance, max_iter=1000)
        theirs, steps, fits = [], 0, []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the accuracies are compared
            for c in strengths:
                theirs.append(model.set_params(C=c).fit(scaled, known).score(scaled_test, unseen))
                steps += int(model.n_iter_.max())
                fits.append((model.coef_.copy(), model.intercept_.copy()))
        seconds = time.perf_counter() - start
        others = np.array(
            [objective(judged, truth, *fit, strength) for fit, strength in zip(fits, penalties, strict=True)]
        )
        minimum = np.minimum(np.minimum(reached, lowest), others)
        excess, theirs_excess = reached - minimum, others - minimum
        facts = {
            "scikit_learn_tol": tolerance,
            "scikit_learn_seconds": round(seconds, 1),
            "scikit_learn_iterations": steps,
            "times_as_fast": round(seconds / own, 2),
            "largest_difference_points": round(100 * float(np.abs(np.subtract(ours, theirs)).max()), 3),
            "difference_at_best_points": round(100 * (max(ours) - max(theirs)), 3),
            "largest_difference_to_minimum_points": round(100 * float(np.abs(np.subtract(ours, best)).max()), 3),
            "difference_to_minimum_at_best_points": round(100 * (max(ours) - max(best)), 3),
            "excess_largest": float(f"{excess.max():.1e}"),
            "excess_median": float(f"{np.median(excess):.1e}"),
            "scikit_learn_excess_largest": float(f"{theirs_excess.max():.1e}"),
            "scikit_learn_excess_median": float(f"{np.median(theirs_excess):.1e}"),
            "strengths_where_scikit_learn_is_nearer": int((theirs_excess < excess).sum()),
            "excess_by_strength": [
                [float(f"{number:.1e}") for number in row] for row in zip(strengths, excess, theirs_excess, strict=True)
            ],
            "threads": torch.get_num_threads(),
        }
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
