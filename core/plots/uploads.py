"""What labelled uploads say of the contenders, in one sentence."""

from collections.abc import Sequence

import pandas as pd

from core.encoders.spec import EncoderSpec
from core.plots.style import UNSURE, short_labels
from core.results import uploads
from core.results.pairs import LEVEL


def finding(table: pd.DataFrame, specs: Sequence[EncoderSpec]) -> str:
    """Who is right how often, and of two contenders whether that is more than luck by McNemar's exact test."""
    short = short_labels(specs)
    counted = uploads.scores(table, specs)
    said = ", ".join(
        f"{short[spec.id]} {row.right} of {row.of}" for spec, row in zip(specs, counted.itertuples(), strict=True)
    )
    if len(specs) != 2:
        return f"Right: {said}."
    cells = uploads.two_by_two(table, *specs)
    p = uploads.advantage(cells)
    ahead = short[specs[int(cells["only second"] > cells["only first"])].id]
    verdict = f"{ahead} is ahead" if p < LEVEL else UNSURE
    return (
        f"Right: {said}. Only {short[specs[0].id]} {cells['only first']}, only {short[specs[1].id]} "
        f"{cells['only second']}, both {cells['both']}, neither {cells['neither']}: {verdict} (p = {p:.3f})."
    )
