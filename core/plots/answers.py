"""What the contenders answer: the table of class probabilities, and the sentence that says what differs."""

from collections.abc import Sequence

import pandas as pd

from core.confidence import Prediction
from core.encoders.spec import EncoderSpec
from core.plots.style import short_labels

DECIMALS = 4


def answers_table(
    specs: Sequence[EncoderSpec],
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    top: int,
    chosen: int | None = None,
) -> pd.DataFrame:
    """One row a contender and class: the `top` classes of each, and `chosen` when it is not among them.

    Columns: encoder, label, regime, rank (1 is the answer), class, probability, raw, temperature, calibrated
    (whether a temperature was fitted; if not, `probability` is the plain softmax).
    """
    rows = []
    for spec, prediction in zip(specs, predictions, strict=True):
        shown = [int(i) for i in prediction.order[:top]]
        if chosen is not None and chosen not in shown:
            shown.append(chosen)
        rank = {int(c): r + 1 for r, c in enumerate(prediction.order)}
        rows += [
            {
                "encoder": spec.id,
                "label": spec.label,
                "regime": spec.regime,
                "rank": rank[c],
                "class": classes[c],
                "probability": round(float(prediction.probabilities[c]), DECIMALS),
                "raw": round(float(prediction.raw[c]), DECIMALS),
                "temperature": round(prediction.temperature, DECIMALS),
                "calibrated": prediction.calibrated,
            }
            for c in shown
        ]
    return pd.DataFrame(rows)


def bars_alt(table: pd.DataFrame) -> str:
    """The bars of one contender in words."""
    label = table["label"].iloc[0]
    named = ", ".join(f"{row['class']} {row['probability']:.0%}" for _, row in table.iterrows())
    kind = "Calibrated" if table["calibrated"].iloc[0] else "Uncalibrated softmax"
    return f"{label}: {named}. {kind} probabilities."


def verdict(answer: str, truth: Sequence[str]) -> str:
    """`right` or `wrong` of an answer, empty where nobody knows.

    Args:
        answer: name of the class.
        truth: names of the classes that are right.
    """
    return "" if not truth else "right" if answer in truth else "wrong"


def finding(specs: Sequence[EncoderSpec], predictions: Sequence[Prediction], classes: Sequence[str]) -> str:
    """One sentence that says how the contenders' answers differ."""
    short = short_labels(specs)
    names = [short[spec.id] for spec in specs]
    tops = [classes[p.top] for p in predictions]
    sure = [f"{p.confidence:.0%}" for p in predictions]
    if len(specs) == 1:
        return f"{names[0]} answers {tops[0]}, {sure[0]} sure."
    if len(set(tops)) == 1:
        order = sorted(range(len(names)), key=lambda i: -predictions[i].confidence)
        surest, least = order[0], order[-1]
        who = "Both" if len(names) == 2 else "All"
        gap = predictions[surest].confidence - predictions[least].confidence
        if gap < 0.05:
            return f"{who} answer {tops[0]}, about equally sure ({sure[surest]} and {sure[least]})."
        return f"{who} answer {tops[0]}; {names[surest]} is surer ({sure[surest]}) than {names[least]} ({sure[least]})."
    parts = [f"{name} answers {top} ({share})" for name, top, share in zip(names, tops, sure, strict=True)]
    return "They disagree: " + "; ".join(parts) + "."
