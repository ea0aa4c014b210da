"""The one-file talk: nothing is fetched, nothing foreign runs, and its numbers are those that the study stores."""

import base64
import html
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.paths import ASSETS
from core.talk import deck, kept, stories
from core.talk.scenes import show
from core.talk.stories import Scene, Story

HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}} & \"'"
STUDY = {"study": "family", "protocol": "linear", "first": "supervised", "second": "simclr"}


@pytest.fixture(scope="module")
def told() -> tuple[str, list[tuple[int, str]]]:
    """The deck of the shipped story."""
    page, marked = deck.build(stories.shipped()["generalize"])
    assert len(page) < deck.MAX_BYTES
    return page.decode(), marked


def charts(page: str) -> list[dict]:
    """The figures of a deck, as its script reads them."""
    found = re.findall(
        r'aria-label="([^"]*)" style="[^"]*"><script type="application/json" class="">(.*?)</script>', page
    )
    return [json.loads(text) | {"alt": html.unescape(alt)} for alt, text in found]


def values(column: object) -> np.ndarray:
    """A column of a figure, packed or not."""
    if isinstance(column, dict):
        return np.frombuffer(base64.b64decode(column["bdata"]), column["dtype"])
    return np.asarray(column)


def test_no_scene_of_the_shipped_story_is_marked(told):
    page, marked = told
    assert marked == []
    assert page.count("<section") == 2 + len(stories.shipped()["generalize"].scenes)


def test_nothing_is_fetched(told):
    page, _ = told
    markup = re.sub(r"<script[^>]*>.*?</script>|<style>.*?</style>|<!--.*?-->", "", page, flags=re.DOTALL)
    assert re.findall(r"\b(?:href|srcset|action|poster)\s*=", markup) == []
    assert set(re.findall(r'\bsrc="([^:"]*:)', markup)) == {"data:"}
    assert page.count("default-src 'none'") == 1
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL))
    assert "@import" not in styles
    assert set(re.findall(r"url\(([^:]*:)", styles)) <= {"data:"}


def test_it_carries_the_licences_of_what_it_is_made_of(told):
    assert told[0].count("Permission is hereby granted, free of charge") >= 2
    assert "Hakim El Hattab" in told[0]
    assert (deck.FOLDER / "NOTICE").read_text(encoding="utf-8") in told[0]


def test_accuracies_are_those_that_the_study_stores(told):
    """Recomputed from the Parquet files with pandas alone."""
    (chart,) = [c for c in charts(told[0]) if c["alt"].startswith("Accuracy by data set")]
    cells = ASSETS / "results" / "family" / "cells"
    drawn = 0
    for trace in chart["data"]:
        if trace["type"] != "bar":
            continue
        for value, (dataset, encoder, *_) in zip(values(trace["x"]), trace["customdata"], strict=True):
            tables = [pd.read_parquet(path) for path in cells.glob(f"{dataset}.linear.{encoder}.*.parquet")]
            assert len(tables) == (1 if dataset == "tiny-imagenet" else 3)
            stored = 100 * np.mean([(table["prediction"] == table["label"]).mean() for table in tables])
            assert value == pytest.approx(stored, abs=1e-9)
            drawn += 1
    assert drawn == 14
    notes = {note["text"] for note in chart["layout"]["annotations"]}
    assert all(f"{value:.1f}" in notes for t in chart["data"] if t["type"] == "bar" for value in values(t["x"]))


def test_map_agreement_is_that_of_the_stored_maps(told):
    (chart,) = [c for c in charts(told[0]) if c["alt"].startswith("Rank correlation")]
    folder = ASSETS / "results" / "family" / "attribution"
    first, second = (
        pd.read_parquet(folder / f"flowers5.attribution.{id}.0.parquet").query("role == 'true'").set_index("sample_id")
        for id in ("supervised", "simclr")
    )
    both = first.index.intersection(second.index)
    stored = [pd.Series(first["map"][id]).corr(pd.Series(second["map"][id]), method="spearman") for id in both]
    np.testing.assert_allclose(np.sort(values(chart["data"][0]["x"])), np.sort(stored), atol=1e-6)


def test_every_type_of_a_chart_is_read_from_the_last_row(told):
    """Charts are seen at twice their size: 12 px are 24."""
    for chart in charts(told[0]):
        sizes = re.findall(r'font": \{[^{}]*"size": ([\d.]+)', json.dumps(chart["layout"]))
        assert sizes
        assert min(map(float, sizes)) >= 12
        assert "<sub>" not in json.dumps(chart)
        assert chart["layout"]["width"] <= deck.WIDTH
        assert chart["layout"]["height"] <= deck.HEIGHT


def test_a_hostile_story_is_text():
    scenes = (Scene("study/compared", HOSTILE, HOSTILE, STUDY), Scene(HOSTILE[:60], HOSTILE, HOSTILE, {}))
    page, marked = deck.build(Story(HOSTILE, scenes))
    text = page.decode()
    assert "<img src=x" not in text
    # The title twice, two sentences with their notes, and the figure that is not there.
    assert text.count(html.escape(HOSTILE)) == 2 + 2 * 2 + 1
    assert [number for number, _ in marked] == [2]
    allowed = re.search(r"script-src ([^;]*);", text)
    assert allowed is not None
    assert "unsafe" not in allowed[1]


def test_a_story_without_scenes_is_none():
    with pytest.raises(deck.InvalidRequest, match="no scene"):
        deck.build(Story("Empty"))


def test_a_deck_that_was_just_built_stays_whatever_the_clock_said_before(monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    for number in range(4):
        built = kept.build(Story("Mine", (Scene("study/compared", f"Which, {number}?", "", STUDY),)))
        assert kept.found(Story("Mine", (Scene("study/compared", f"Which, {number}?", "", STUDY),))) == built
        later = time.time() + 3600 * (4 - number)  # as of a clock that has gone back since
        os.utime(built.path, (later, later))
    assert len(list(kept.folder().glob("*.html"))) == 2


def test_a_deck_is_kept_until_what_it_is_made_of_changes(tmp_path, monkeypatch):
    story = Story("Mine", (Scene("study/compared", "Which?", "", STUDY),))
    assert kept.found(story) is None
    built = kept.build(story)
    assert kept.found(story) == built
    assert built.path.read_bytes().startswith(b"<!doctype html>")
    other = Story("Mine", (Scene("study/compared", "Which one?", "", STUDY),))
    assert kept.found(other) is None
    monkeypatch.setattr(kept, "RESULT_VERSION", -1)
    assert kept.found(story) is None
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "file" / "below"))
    Path(tmp_path / "file").write_text("")
    with pytest.raises(kept.InvalidRequest, match="cannot be written"):
        kept.build(story)


def test_every_figure_that_the_story_leaves_out_can_be_drawn():
    shown = show(Scene("fingerprint/curve", "Which?", "", STUDY | {"study": "family", "measured": "aid"}))
    assert len(shown.parts) == 2
    assert "Rotation" in shown.finding
