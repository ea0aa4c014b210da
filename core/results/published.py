"""Figures of the literature, to be drawn apart from measured ones: other images, other weights, other code.

`assets/results/published.csv` holds figures that were read in a file of the named repository, nothing recalled and
nothing transcribed at third hand. Of a figure whose data set, protocol or metric the file does not name, that is
`unknown`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.paths import ASSETS

FILE = ASSETS / "results" / "published.csv"
FAMILIES = {"self-supervised": "SSL", "supervised": "SL"}


def published(protocol: str | None = None) -> pd.DataFrame:
    """What others published, one row a figure.

    Args:
        protocol: id; None for all.

    Returns:
        source, table, model, regime, family, dataset, protocol, metric, value (as printed), unit (`%` or `1`),
        interval (half-width as printed, else nan), note (may be empty), and accuracy: the value in [0, 1] where the
        metric is top-1 or mean-per-class, else nan. No row when nothing was published.
    """
    found = pd.read_csv(FILE, dtype={"note": str}, keep_default_na=False, na_values={"interval": [""]})
    found.insert(4, "family", found["regime"].map(FAMILIES))
    share: pd.Series[float] = found["value"] / np.where(found["unit"] == "%", 100, 1)
    found["accuracy"] = share.where(found["metric"].isin(["top-1", "mean-per-class"]))
    if protocol is not None:
        found = found[found["protocol"] == protocol]
    return found.reset_index(drop=True)
