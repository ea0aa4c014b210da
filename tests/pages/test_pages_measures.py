"""The pages of what a study measures beside answers: their findings, their links, and a study without any of it."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import study_manifests
import torch
from measured_studies import AUGMENTATIONS, CLASSES, LARGE, NAME, PAIR, SETS
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages_render import assert_described
from toy_studies import toy

from core import pipeline, readout, samples
from core.augmentations import AUGMENTATIONS as KNOWN
from core.plots import explanation as explanation_words
from core.plots import representation as representation_words
from core.plots import study_attribution as attribution_words
from core.plots import study_invariance as invariance_words
from core.plots.study import encoders_of
from core.plots.style import short_labels
from core.results import attribution, explanation, geometry, invariance, steadiness
from core.results.info import StudyInfo

PAGES = {
    "study_invariance.py": "Which changes do they not notice?",
    "study_attribution.py": "Do they look at the same places?",
    "explanation.py": "Does invariance explain who is right?",
    "representation.py": "How alike are the spaces?",
}
ASKED = {
    "study_invariance.py": "answers,invariance",
    "study_attribution.py": "answers,attribution",
    "explanation.py": "answers,invariance,attribution",
    "representation.py": "answers,geometry",
}


def show(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder the only place that holds studies."""
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(folder))
    monkeypatch.setattr("core.results.store.result_roots", lambda: [str(folder)])


@pytest.fixture
def study(measured: StudyInfo, monkeypatch: pytest.MonkeyPatch) -> StudyInfo:
    show(monkeypatch, Path(measured.address.removeprefix("file://")).parent)
    return measured


def findings(at: AppTest) -> list[str]:
    return [json.loads(chart.proto.spec)["layout"]["meta"]["finding"] for chart in at.get("plotly_chart")]


def texts(at: AppTest) -> str:
    elements = (*at.markdown, *at.caption, *at.info, *at.warning, *at.error)
    return "\n".join(str(element.value) for element in elements)


def names_of(info: StudyInfo) -> dict[str, str]:
    return short_labels(encoders_of(info))


@pytest.mark.parametrize("page", PAGES)
def test_shows_its_title_and_describes_its_charts_twice_in_a_row(page: str, study: StudyInfo, open_page) -> None:
    at = open_page(page)
    for _ in range(2):
        assert [title.value for title in at.title] == [PAGES[page]]
        assert not at.error
        assert len(at.get("plotly_chart")) >= 2
        assert_described(at)
        at.run()
        assert not at.exception


@pytest.mark.parametrize("page", PAGES)
def test_a_study_of_answers_alone_names_the_command(page: str, tmp_path: Path, monkeypatch, open_page) -> None:
    said = {("a", "x", 0): [0, 1], ("b", "x", 0): [0, 0]}
    toy(tmp_path / "studies", said, {"x": [0, 1]}, families={"b": "SSL"})
    show(monkeypatch, tmp_path / "studies")
    at = open_page(page)
    (info,) = at.info
    assert info.value.startswith("The study 'toy' holds answers, and ")
    assert [code.value for code in at.code] == [f"invariscope study --out PATH/TO/toy --measures {ASKED[page]}"]
    assert not at.get("plotly_chart")


@pytest.mark.parametrize("page", PAGES)
def test_one_contender_alone_has_nothing_to_face(page: str, tmp_path: Path, monkeypatch, open_page) -> None:
    toy(tmp_path / "studies", {("a", "x", 0): [0, 1]}, {"x": [0, 1]})
    show(monkeypatch, tmp_path / "studies")
    at = open_page(page)
    assert any("compares two contenders" in info.value for info in at.info)
    assert not at.get("plotly_chart")


def test_the_fingerprint_says_what_the_figures_say(study: StudyInfo, open_page) -> None:
    at = open_page("study_invariance.py")
    sets = tuple(SETS)
    shown, whole = steadiness.compared(study, "whitened", *PAIR, sets, frozenset())
    assert whole is not None
    assert findings(at)[0] == invariance_words.finding(shown, whole, names_of(study), *PAIR)
    drawn = next(frame.value for frame in at.dataframe if "trained_second" in frame.value)
    assert drawn["augmentation"].tolist() == shown["augmentation"].tolist()
    assert set(drawn["augmentation"]) == set(AUGMENTATIONS)
    turns = invariance.turning(study, *PAIR, sets)["difference"]
    turned = any("The order of the two turns" in warning.value for warning in at.warning)
    assert turned == (turns.min() <= 0 < turns.max())


def test_a_link_to_a_fingerprint_is_honoured(study: StudyInfo, open_page) -> None:
    at = open_page(
        "study_invariance.py",
        way="answers",
        trained_in="false",
        measured=LARGE,
        curve_of="blur",
    )
    assert at.selectbox(key="way").value == "answers"
    assert at.selectbox(key="measured").value == LARGE
    assert at.selectbox(key="curve_of").value == "blur"
    assert at.toggle(key="trained_in").value is False
    without = frozenset({"hue", "scale"})
    shown, whole = steadiness.compared(study, "answers", *PAIR, (LARGE,), without)
    assert whole is not None
    shown = shown[~shown["augmentation"].isin(list(without))]
    assert findings(at)[0] == invariance_words.finding(shown, whole, names_of(study), *PAIR)
    assert findings(at)[1].startswith(KNOWN["blur"].label)


def test_the_fingerprint_as_outlines_holds_the_same_values(study: StudyInfo, open_page) -> None:
    at = open_page("study_invariance.py", outline="true", measured=LARGE)
    table = steadiness.compared(study, "whitened", *PAIR, (LARGE,), frozenset())[0].set_index("label")
    outlines = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    for trace, role in zip(outlines, ("first", "second"), strict=True):
        assert trace["type"] == "scatterpolar"
        assert trace["theta"][0] == trace["theta"][-1], "closed"
        assert trace["r"] == pytest.approx(table.loc[trace["theta"], role].tolist())


def test_a_link_to_what_is_not_there_shows_the_rest(study: StudyInfo, open_page) -> None:
    at = open_page("study_invariance.py", way="nonsense", measured="nowhere", curve_of="jpeg")
    assert at.selectbox(key="way").value == "whitened"
    assert at.selectbox(key="measured").value == "all data sets"
    assert not at.error


def test_the_maps_page_says_what_the_figures_say(study: StudyInfo, open_page) -> None:
    at = open_page("study_attribution.py", measured=LARGE, map_figure="gini")
    names = names_of(study)
    table = attribution.agreement(study, *PAIR, LARGE)
    means = attribution.means(attribution.images(study, PAIR, tuple(SETS)), ("dataset", "encoder", "right"))
    mine = means[means["figure"] == "gini"]
    assert findings(at) == [
        attribution_words.agreement_finding(table, names[PAIR[0]], names[PAIR[1]]),
        attribution_words.concentration_finding(mine, attribution.FIGURES["gini"], names, PAIR),
    ]
    best = [f"Spearman {value:+.2f}" for value in table["spearman"].head(4)]
    assert all(words in texts(at) for words in best)
    at.button_group(key="gallery").set_value("worst").run()
    assert all(f"Spearman {value:+.2f}" in texts(at) for value in table["spearman"].tail(4))


def test_the_explanation_says_what_the_figures_say(study: StudyInfo, open_page) -> None:
    what = explanation.PROPERTIES["maps"].capitalize()
    at = open_page("explanation.py", way="rank", property="maps")
    names = [names_of(study)[id] for id in PAIR]
    over = explanation.both(study, *PAIR, "rank")[0]
    assert findings(at)[0] == explanation_words.across_verdict(over.correlation["maps"], 4, what, *names)
    assert f"{what} goes with who is right on " in findings(at)[1]
    assert " of 1 data set (" in findings(at)[1], "three sets are too small to tell"
    for dataset in SETS:
        found = explanation.within(explanation.images(study, *PAIR, (dataset,), "rank"))[dataset]["maps"]
        assert explanation_words.verdict(found, what, *names) in texts(at).replace("\\", "")


def test_where_nothing_is_left_untrained_the_explanation_says_so(measured, tmp_path, monkeypatch, open_page) -> None:
    """Every augmentation of the study named by a card: the property is unknown, and the page stands."""
    folder = tmp_path / "studies" / NAME
    shutil.copytree(measured.address.removeprefix("file://"), folder)
    made = study_manifests.read(folder)
    made["encoders"]["simclr"]["augmentation"] = "crop, jitter, blur"
    study_manifests.write(folder, made)
    show(monkeypatch, tmp_path / "studies")
    what = explanation.PROPERTIES["untrained"].capitalize()
    at = open_page("explanation.py", property="untrained")
    assert not at.error
    assert findings(at)[0] == f"{what}: 0 data sets cannot be ranked; four can."
    at = open_page("study_invariance.py", trained_in="false")
    assert any("Every augmentation of this study" in info.value for info in at.info)


def test_representation_says_what_the_figures_say(study: StudyInfo, open_page) -> None:
    at = open_page("representation.py", measured=LARGE, likeness="neighbours", projection="tsne", colour="who is right")
    names = names_of(study)
    kinship = geometry.kinship(study, LARGE)
    said = representation_words.kinship_finding(kinship, "neighbours", names, *PAIR)
    assert findings(at) == [said, *(f"{names[id]} on {LARGE}: 30 images" for id in PAIR)]
    chart = json.loads(at.get("plotly_chart")[1].proto.spec)
    right = geometry.who_is_right(study, LARGE, *PAIR)
    words = {"both": "both", "first": f"only {names[PAIR[0]]}", "second": f"only {names[PAIR[1]]}", "none": "neither"}
    counted = {trace["name"]: len(trace["customdata"]) for trace in chart["data"]}
    assert counted == {words[kind]: list(right.values()).count(kind) for kind in set(right.values())}


def nearest_of(at: AppTest) -> list[pd.DataFrame]:
    return [frame.value for frame in at.dataframe if "similarity" in frame.value]


def test_the_nearest_neighbours_of_a_picture_are_those_of_its_features(study: StudyInfo, open_page) -> None:
    at = open_page("representation.py", measured=LARGE, image="cat")
    assert not at.error
    assert_described(at)
    tables = []
    for id in PAIR:
        contender = readout.shared_without_head(id, torch.device("cpu"))
        feature = pipeline.read_images(contender, [samples.image("cat")])[0].pooled.astype(np.float64)
        ids, labels, spaces = geometry.features(study, LARGE)
        values = spaces[id].astype(np.float64)
        alike = values @ feature / np.linalg.norm(values, axis=1) / np.linalg.norm(feature)
        order = np.argsort(-alike)[:6]
        shown = nearest_of(at)[PAIR.index(id)]
        assert shown["sample_id"].tolist() == [ids[i] for i in order]
        assert shown["label"].tolist() == [CLASSES[labels[i]] for i in order]
        assert shown["similarity"].tolist() == pytest.approx(alike[order], abs=1e-3)
        tables.append(geometry.nearest(study, LARGE, id, feature, 6))
        assert tables[-1]["usual"].tolist() == pytest.approx([alike.mean()] * 6, abs=1e-3)
    names = [names_of(study)[id] for id in PAIR]
    said = representation_words.nearest_finding(*tables, geometry.shared(*tables), (names[0], names[1]), CLASSES)
    both = len({*tables[0]["sample_id"]} & {*tables[1]["sample_id"]})
    assert said.startswith(f"{both} of the 6 nearest are the same for both, ")
    assert f"({6 * 6 / 30:.1f} among 30 images" in said
    assert f"**{said}**" in texts(at).replace("\\", "")


def test_an_upload_takes_the_place_of_the_sample_and_names_no_other(study: StudyInfo, open_page) -> None:
    at = open_page("representation.py", measured=LARGE)
    before = nearest_of(at)
    image = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(image, "PNG")
    at.file_uploader(key="uploads").upload("mine.png", image.getvalue()).run()
    assert not at.exception
    assert not at.error
    assert not [box for box in at.selectbox if box.key == "image"]
    assert len([box for box in at.file_uploader if box.key == "uploads"]) == 1
    assert any("The picture mine.png." in part.alt for shown in at.image for part in shown.proto.imgs)
    after = nearest_of(at)
    assert before[0]["similarity"].tolist() != after[0]["similarity"].tolist()
    assert "/tmp" not in texts(at)


def test_other_weights_than_the_study_measured_have_no_neighbours(study, tmp_path, monkeypatch, open_page) -> None:
    folder = tmp_path / "studies" / NAME
    shutil.copytree(study.address.removeprefix("file://"), folder)
    made = study_manifests.read(folder)
    made["encoders"]["simclr"]["weights"] = "0" * 64
    study_manifests.write(folder, made)
    show(monkeypatch, tmp_path / "studies")
    at = open_page("representation.py", measured=LARGE)
    assert [error.value for error in at.error if "other weights here" in error.value]
    assert len(nearest_of(at)) == 1, "the other contender's stand"
