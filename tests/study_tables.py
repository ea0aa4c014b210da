"""Tables of an invented study, as `core.results.summary` gives them, for tests of what draws them."""

import numpy as np
import pandas as pd

from core.plots import style
from core.plots.style import StudyEncoder
from core.results.pairs import PAIRED

NAMES = {"sl": "Supervised", "ssl": "SimCLR", "rnd": "Random"}
LOOK = style.styles([StudyEncoder("sl", "", "SL"), StudyEncoder("ssl", "", "SSL"), StudyEncoder("rnd", "", "random")])
SETS = {"birds": "source", "cars": "similar", "dogs": "similar", "scans": "different"}


def accuracies(encoders=("sl", "ssl"), sets=SETS, metric="top-1") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": id,
            "label": id.title(),
            "domain": domain,
            "metric": metric,
            "encoder": encoder,
            "regime": "",
            "samples": 1234,
            "seeds": 2,
            "accuracy": 0.5 + 0.1 * e + 0.05 * d,
            "low": 0.45 + 0.1 * e + 0.05 * d,
            "high": 0.56 + 0.1 * e + 0.05 * d,
            "top5": np.nan,
        }
        for d, (id, domain) in enumerate(sets.items())
        for e, encoder in enumerate(encoders)
    )


def controls(best="sl", where="mine") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": list(SETS),
            "majority": [0.1, 0.2, 0.3, 0.4],
            "random_encoder": [0.2, np.nan, 0.35, 0.45],
            "best_supervised": [0.8, 0.9, np.nan, 0.7],
            "best_supervised_encoder": [best, best, None, "elsewhere"],
            "best_supervised_study": [where, where, None, "other"],
        }
    )


def verdicts(said: dict[str, str], differences=None, sets=SETS, half=0.02) -> pd.DataFrame:
    rows = []
    for i, (id, verdict) in enumerate(said.items()):
        difference = differences[i] if differences is not None else 0.01 * (i + 1)
        rows.append(
            {
                "dataset": id,
                "label": id.title(),
                "domain": sets[id],
                "samples": 100,
                "only_first": 5,
                "only_second": 9,
                "difference": difference,
                "low": difference - half,
                "high": difference + half,
                "p": 0.01,
                "p_holm": 0.04,
                "verdict": verdict,
            }
        )
    return pd.DataFrame(rows, columns=list(PAIRED))


MIXED = verdicts(
    {"birds": "first ahead", "cars": "first ahead", "dogs": "no difference found", "scans": "second ahead"},
    [-0.05, -0.03, 0.01, 0.04],
)
