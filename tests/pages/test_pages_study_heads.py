"""A study's own heads answer where its samples are opened, and are asked of other images."""

from pathlib import Path

import pytest
from photos import encoded, photo
from study_folders import folder
from study_runs import toy_setup

from core import pipeline
from core.heads import store
from core.results.pairs import samples
from core.results.store import study
from core.study import run as running
from core.tasks import task, tasks
from pages.ui import inputs

PAIR = ("supervised", "random")
ID = "toy/far"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a study of two small sets, whose images are at hand."""
    for name in ("near", "far"):
        folder(tmp_path / "data", name)
    made = toy_setup(tmp_path, encoders=PAIR, protocols=("linear",), seeds=2)
    for _ in running.study(made):
        pass
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(Path(made.out).parent))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return Path(made.out)


def test_they_are_tasks_like_any_other(kept) -> None:
    assert [id for id in tasks() if "/" in id] == ["toy/near", ID]
    assert task(ID).classes == ("blue", "green", "red")
    assert task(ID).domain == "different"
    assert sorted(store.encoders_for(ID)) == sorted(PAIR)
    assert store.encoders_for("toy/nothing") == store.encoders_for("other/far") == []
    facts = pipeline.load("random", ID, "cpu").head.facts
    assert (facts["train_images"], facts["test_images"]) == (36, 18)


def test_a_sample_opens_with_the_answers_that_the_study_recorded(kept, open_page) -> None:
    at = open_page("samples.py", study="toy", dataset="far", first="supervised", second="random", order="sample")
    at.button(key="open_2").click().run()
    assert not at.exception
    assert not at.error
    assert at.selectbox(key="task").value == ID
    assert at.multiselect(key="encoders").value == list(PAIR)
    words = " ".join(part.value for part in (*at.caption, *at.markdown))
    assert "the linear probes answer that the study itself fitted" in words
    held, chosen = at.session_state[inputs.STUDY_SAMPLE], at.session_state[inputs.CHOSEN]
    assert chosen.truth == (held.label,)
    recorded = samples(study("toy"), "linear", *PAIR, "far", order="sample").iloc[2]
    assert recorded["sample_id"] == held.sample_id
    for side, contender in zip(("first", "second"), chosen.contenders, strict=True):
        (reading,) = pipeline.read_images(contender, [chosen.image])
        prediction = pipeline.predict(contender, reading)
        assert int(prediction.order[0]) == recorded[f"{side}_prediction"]
        cold = pipeline.confidence.predict(reading.logits, 1.0, calibrated=False)
        assert cold.probabilities.max() == pytest.approx(recorded[f"{side}_confidence"], abs=2e-3)


def test_an_upload_is_asked_a_studys_question_by_its_address(kept, open_page, use_upload) -> None:
    at = use_upload(open_page("compare.py", task=ID, encoders=list(PAIR)))
    at.file_uploader[0].upload("mine.png", encoded(photo(), "PNG"), "image/png").run()
    assert not at.exception
    assert not at.error
    assert at.session_state[inputs.CHOSEN].task == task(ID)


def test_a_damaged_head_is_told_and_a_damaged_question_not_offered(kept, open_page) -> None:
    head = kept / "heads" / "random" / "far.safetensors"
    data = bytearray(head.read_bytes())
    data[-9] ^= 1
    head.write_bytes(data)
    at = open_page("compare.py", task=ID, encoders=list(PAIR))
    assert "run its study again" in " ".join(error.value for error in at.error)
    question = kept / "tasks" / "far.toml"
    question.write_text(question.read_text().replace("blue", "glue"))
    assert ID not in tasks()
