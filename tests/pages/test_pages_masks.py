"""The page about maps of whole data sets, where one set has masks and the other has none."""

import json
from pathlib import Path

import pytest
from masked_images import studied
from test_pages_render import assert_described

from core.plots import study_attribution as charts
from core.plots.study import encoders_of
from core.plots.style import short_labels
from core.results import attribution

PAIR = ("supervised", "simclr")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = studied(tmp_path, PAIR)
    monkeypatch.setattr("core.results.store.result_roots", lambda: [str(tmp_path / "results")])
    return found


def test_evidence_on_the_object_stands_where_the_set_has_masks(study, open_page) -> None:
    heading = "Do they look at the object?"
    at = open_page("study_attribution.py", measured="near")
    assert not at.error
    assert_described(at)
    assert heading in [part.value for part in at.header]
    table = attribution.on_objects(study, PAIR, "near")
    said = charts.objects_finding(table, short_labels(encoders_of(study)))
    findings = [json.loads(chart.proto.spec)["layout"]["meta"]["finding"] for chart in at.get("plotly_chart")]
    assert said in findings
    assert f"{int(table['images'].max())} images of near with a mask" in " ".join(part.value for part in at.caption)
    at.selectbox(key="measured").set_value("far").run()
    assert not at.error
    assert heading not in [part.value for part in at.header]
