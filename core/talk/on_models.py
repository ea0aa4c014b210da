"""The figure of a model's card: how the packaged encoders were trained."""

import pandas as pd

from core.encoders.registry import encoders
from core.encoders.spec import EncoderSpec
from core.errors import DataUnavailable
from core.paths import ASSETS
from core.plots import training
from core.plots.style import finding_of, short_labels, styles
from core.talk.parts import Chart, Drawn
from core.talk.view import View


def trained_here() -> list[EncoderSpec]:
    """The packaged encoders, all of which came with a log of their training."""
    return [spec for spec in encoders().values() if spec.weights.packaged]


def training_curves(_: View) -> Drawn:
    """Online k-NN of the packaged encoders over their training."""
    packaged = trained_here()
    paths = {spec.id: ASSETS / "models" / spec.id / "training.csv" for spec in packaged}
    curves = training.curves_table({id: pd.read_csv(path) for id, path in paths.items() if path.is_file()})
    if curves.empty:
        raise DataUnavailable("No log of a training is in this installation.")
    labels = short_labels(packaged)
    chart = training.curves(curves, labels, styles(packaged))
    alt = training.curves_alt(curves, labels)
    hashes = ", ".join(f"{spec.id} {spec.weights.sha256[:8]}" for spec in packaged)
    drawn = Chart(chart, alt, curves, "training_curves")
    return Drawn(finding_of(chart), (drawn,), f"Training logs. Weights: {hashes}.")
