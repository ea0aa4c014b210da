"""What a study's accuracies and paired tests say, as sentences, cards and tables."""

from collections.abc import Mapping, Sequence

import pandas as pd

from core.results.pairs import AHEAD
from core.text import signed

DOMAIN_NAMES = {
    "source": "Source",
    "similar": "Similar to the source",
    "different": "Different from the source",
    "unknown": "Domain not declared",
}
DOMAIN_MARKERS = {"source": "star", "similar": "circle", "different": "diamond", "unknown": "x"}
DOMAIN_COLOURS = {"source": "#8a6d1f", "similar": "#b0569a", "different": "#2f9e77", "unknown": "#6f5fc9"}
DOMAIN_WORDS = {"source": "source", "similar": "similar", "different": "different", "unknown": "undeclared domain"}


def capital(text: str) -> str:
    """A text that can begin a sentence; a symbol such as the k of k-NN stays small."""
    return text if text[1:2] == "-" else text[:1].upper() + text[1:]


def set_labels(table: pd.DataFrame) -> dict[str, str]:
    """What to call each data set by id: its label, with its metric where that is not top-1, and with its id where
    two sets share a label.

    Args:
        table: with dataset, label and metric.
    """
    sets = table.drop_duplicates("dataset")
    shared = set(sets["label"][sets["label"].duplicated()])
    return {
        str(row["dataset"]): str(row["label"])
        + (f" [{row['dataset']}]" if row["label"] in shared else "")
        + ("" if row["metric"] == "top-1" else " (mean per class)")
        for _, row in sets.iterrows()
    }


def accuracy_finding(
    table: pd.DataFrame, paired: pd.DataFrame, names: Mapping[str, str], first: str, second: str, protocol: str
) -> str:
    """Who is ahead where, domain by domain, by the paired tests; of a single contender, its range.

    Args:
        table: rows of `summary.accuracy`.
        paired: of `pairs.paired`; without rows when there is nobody to compare with.
    """
    if not paired.empty:
        said = "; ".join(
            f"{DOMAIN_WORDS[str(domain)]}: {verdicts(part, names[first], names[second])}"
            for domain, part in paired.groupby("domain", sort=False)
        )
        return f"{capital(protocol)}, paired tests. {capital(said)}"
    mine = table[table["encoder"] == first].sort_values("accuracy")
    if mine.empty:
        return f"{capital(protocol)}: accuracy by data set"
    worst, best = mine.iloc[0], mine.iloc[-1]
    if len(mine) == 1:
        return f"{capital(protocol)}: {names[first]} reaches {worst['accuracy']:.1%} on {worst['label']}"
    return (
        f"{capital(protocol)}: {names[first]} reaches {worst['accuracy']:.1%} ({worst['label']}) to "
        f"{best['accuracy']:.1%} ({best['label']}) on {len(mine)} sets"
    )


def named(verdict: str, first: str, second: str, word: str = "ahead") -> str:
    """A verdict of `pairs.paired` with the name of the contender that it speaks for."""
    return {AHEAD[-1]: f"{first} {word}", AHEAD[1]: f"{second} {word}"}.get(verdict, verdict)


def verdicts(paired: pd.DataFrame, first: str, second: str) -> str:
    """How many sets each contender is ahead on, the more frequent first, such as `A ahead on 2 of 3, …`."""
    said = [AHEAD[side] for side in (-1, 1, 0)]
    counts = [(int((paired["verdict"] == verdict).sum()), named(verdict, first, second)) for verdict in said]
    (most, text), *rest = sorted(counts, key=lambda item: -item[0])
    return ", ".join([f"{text} on {most} of {len(paired)}", *(f"{text} on {count}" for count, text in rest if count)])


def card(paired: pd.DataFrame, first: str, second: str) -> tuple[str, str]:
    """Who is ahead on the sets of a domain, as a headline and a line below it.

    Args:
        paired: rows of `pairs.paired`, at least one.
    """
    kinds = set(paired["verdict"])
    headline = named(kinds.pop(), first, second) if len(kinds) == 1 else "Mixed"
    low, high = 100 * paired["difference"].min(), 100 * paired["difference"].max()
    reach = signed(low) if len(paired) == 1 else f"{signed(low)} to {signed(high)}"
    sets = "1 set" if len(paired) == 1 else f"{len(paired)} sets"
    counted = f"{capital(verdicts(paired, first, second))}. " if headline == "Mixed" else ""
    return capital(headline), f"{counted}{second} minus {first} on {sets}: {reach} points"


def tests_table(paired: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """The paired tests to read: counts of the 2 × 2, the difference in points with its interval, p and verdict."""
    return pd.DataFrame(
        {
            "data set": paired["label"],
            "verdict": [named(verdict, first, second) for verdict in paired["verdict"]],
            "difference (points)": (100 * paired["difference"]).round(2),
            "low": (100 * paired["low"]).round(2),
            "high": (100 * paired["high"]).round(2),
            "training noise": (100 * paired["noise"]).round(2),
            "p (Holm)": paired["p_holm"],
            "p": paired["p"],
            f"only {first} right": paired["only_first"],
            f"only {second} right": paired["only_second"],
            "samples": paired["samples"],
            "domain": paired["domain"],
        }
    )


def accuracy_alt(table: pd.DataFrame, names: Mapping[str, str], controls: pd.DataFrame) -> str:
    """The bars and the majority lines in words."""
    majority, labels = dict(zip(controls["dataset"], controls["majority"], strict=True)), set_labels(table)
    parts = []
    for id, part in table.groupby("dataset", sort=False):
        values = ", ".join(f"{names[str(row['encoder'])]} {row['accuracy']:.1%}" for _, row in part.iterrows())
        domain = DOMAIN_WORDS[str(part["domain"].iloc[0])]
        chance = f" (commonest class {majority[str(id)]:.1%})" if str(id) in majority else ""
        parts.append(f"{labels[str(id)]}, {domain}: {values}{chance}")
    return "Accuracy by data set. " + "; ".join(parts) + "."


def accuracy_table(table: pd.DataFrame, controls: pd.DataFrame, encoders: Sequence[str]) -> pd.DataFrame:
    """What the chart draws, to read or to take away: accuracies in percent, with the controls of the set."""
    shown = table[table["encoder"].isin(list(encoders))].merge(controls, on="dataset", how="left")
    percent = ["accuracy", "low", "high", "top5", "majority", "random_encoder", "best_supervised"]
    shown[percent] = (100 * shown[percent].astype(float)).round(2)
    return shown[
        [
            *("dataset", "label", "domain", "metric", "encoder", "regime", "samples", "seeds"),
            *percent,
            *("best_supervised_encoder", "best_supervised_study"),
        ]
    ]


def agreement_finding(counts: dict[str, int], tested: pd.Series, sets: int, first: str, second: str) -> str:
    """What the 2 × 2 says, for people: how often one alone is right, and whether that favours either.

    Args:
        tested: the row of `pairs.paired` for this data set.
        sets: over how many data sets its p is adjusted.
    """
    said = (
        f"{second} alone is right on {counts['only second']:,}, {first} alone on {counts['only first']:,} of "
        f"{sum(counts.values()):,} images: "
    )
    p = float(tested["p_holm"])
    chance = "p < .001" if p < 0.001 else f"p = {p:.3f}"
    over = f"{chance}, adjusted for {sets} data sets" if sets > 1 else chance
    if abs(tested["difference"]) <= tested["noise"]:
        over += f"; two training runs of one method lie {100 * tested['noise']:.1f} points apart"
    return f"{said}{named(str(tested['verdict']), first, second, 'is ahead')} ({over})"
