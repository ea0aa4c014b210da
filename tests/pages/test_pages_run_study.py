"""The page that starts studies."""

import io
import time
import tomllib
import zipfile
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest
from study_folders import COLOURS, folder, picture

from core import public
from core.datasets.upload import MAX_MEGABYTES
from core.errors import InvalidRequest
from core.images.limits import MAX_BYTES
from core.paths import ROOT, data_folder
from core.study import jobs
from core.study.plan import Plan
from pages.ui import access


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("results", "cache", "data"):
        monkeypatch.setenv(f"INVARISCOPE_{name.upper()}", str(tmp_path / name))
    folder(tmp_path / "data", "near")


def zipped(classes: int = 2) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for word, colour in list(COLOURS.items())[:classes]:
            for i in range(10):
                archive.writestr(f"birds/{word}/{i}.png", picture(colour, i))
    return out.getvalue()


def test_nothing_chosen_nothing_to_run(open_page) -> None:
    at = open_page("run_study.py")
    assert at.button(key="run_start").disabled
    assert "digits" in at.multiselect(key="run_datasets_0").options or any(
        "igits" in option for option in at.multiselect(key="run_datasets_0").options
    )


def test_a_study_is_started_watched_and_found_again(open_page) -> None:
    at = open_page("run_study.py")
    at.multiselect(key="run_encoders").set_value(["random"])
    at.multiselect(key="run_protocols").set_value(["knn"])
    at.multiselect(key="run_measures").set_value(["answers"])
    at.multiselect(key="run_datasets_0").set_value(["folder:near"]).run()
    assert not at.exception
    at.selectbox(key="run_domain_folder:near").set_value("different").run()
    assert any("1 cell: 1 encoder × 1 data set" in caption.value for caption in at.caption)
    assert any("folder:near?domain=different" in code.value for code in at.code)
    at.text_input(key="run_name").set_value("mine")
    at.button(key="run_start").click().run()
    assert not at.exception
    assert not at.error
    (job,) = jobs.jobs()
    assert job.folder.name == "mine"
    end = time.monotonic() + 120
    while jobs.jobs()[0].running and time.monotonic() < end:
        time.sleep(0.1)
    at = open_page("run_study.py")
    assert any("mine" in done.value and "1 of 1 cells" in done.value for done in at.success)


def test_the_four_questions_are_asked_unless_told_otherwise(open_page) -> None:
    at = open_page("run_study.py")
    at.multiselect(key="run_encoders").set_value(["supervised", "simclr"])
    at.number_input(key="run_samples").set_value(12)
    at.multiselect(key="run_datasets_0").set_value(["folder:near"]).run()
    (told,) = [caption.value for caption in at.caption if "10 cells" in caption.value]
    assert "2 encoders × 1 data set × 2 protocols × 1 seed" in told
    assert "invariance, attribution, geometry" in told
    assert "About " in told
    assert " MB, if nothing else runs." in told
    (line,) = [code.value for code in at.code if "--measures" in code.value]
    assert "--measures answers,invariance,attribution,geometry" in line
    assert "--option invariance.samples=12 --option invariance.strengths=4" in line


def test_running_into_a_study_of_the_name_asks_first(open_page) -> None:
    def asked(name: str):
        at = open_page("run_study.py")
        at.multiselect(key="run_encoders").set_value(["random"])
        at.multiselect(key="run_protocols").set_value(["knn"])
        at.multiselect(key="run_measures").set_value(["answers"])
        at.multiselect(key="run_datasets_0").set_value(["folder:near"]).run()
        at.text_input(key="run_name").set_value(name)
        return at.button(key="run_start").click().run()

    assert open_page("run_study.py").text_input(key="run_name").value == "my-study"
    (jobs.own_root() / "my-study").mkdir(parents=True)
    assert open_page("run_study.py").text_input(key="run_name").value == "my-study-2"
    at = asked("my-study")
    assert any("There is a study called my-study already" in text.value.replace("\\", "") for text in at.warning)
    assert jobs.jobs() == []
    at.button(key="run_rename").click().run()
    assert at.text_input(key="run_name").value == "my-study-2"
    assert not at.warning
    at = asked("my-study")
    at.checkbox(key="run_on_my-study").check()
    at.button(key="run_start").click().run()
    assert not at.exception
    (job,) = jobs.jobs()
    assert job.folder.name == "my-study"
    jobs.cancel(job.folder)


def test_an_uploaded_zip_becomes_a_data_set(open_page) -> None:
    at = open_page("run_study.py")
    at.file_uploader(key="run_upload").set_value([("My birds.zip", zipped(), "application/zip")]).run()
    assert not at.exception
    assert not at.error
    assert any("My birds" in mark.value and "2 classes" in mark.value for mark in at.markdown)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"no archive", "no zip or tar"), (zipped(1), "class"), (zipped()[:-200], "damaged|truncated|zip")],
)
def test_an_upload_that_is_no_set_is_explained_and_does_no_harm(open_page, tmp_path: Path, data: bytes, said) -> None:
    at = open_page("run_study.py")
    at.file_uploader(key="run_upload").set_value([("bad.zip", data, "application/zip")]).run()
    assert not at.exception
    assert len(at.error) == 1
    assert any(word in at.error[0].value for word in said.split("|"))
    assert not list((tmp_path / "data").glob("uploads/*"))


def test_a_bad_name_is_explained(open_page) -> None:
    at = open_page("run_study.py")
    at.multiselect(key="run_datasets_0").set_value(["folder:near"]).run()
    at.text_input(key="run_name").set_value("No Good/..").run()
    at.button(key="run_start").click().run()
    assert any("cannot be called" in error.value for error in at.error)
    assert jobs.jobs() == []


def test_every_limit_of_an_upload_is_the_true_one(open_page, use_upload) -> None:
    """What the page offers the server takes, and what the server takes is not refused after it has arrived."""
    served = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["server"]["maxUploadSize"]
    at = open_page("run_study.py")
    assert at.file_uploader(key="run_upload").proto.max_upload_size_mb == MAX_MEGABYTES == served
    (told,) = [caption.value for caption in at.caption if "can be uploaded" in caption.value]
    assert f"up to {served} MB" in told
    assert "--datasets folder:" in told
    at = use_upload(open_page("compare.py"))
    assert at.file_uploader(key="uploads").proto.max_upload_size_mb == MAX_BYTES >> 20 < served


# A server for strangers


def test_strangers_start_nothing_without_a_token(open_page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(public.VARIABLE, "1")
    at = open_page("run_study.py")
    assert any("closed on this server" in info.value for info in at.info)
    assert not at.button
    assert not at.multiselect
    assert not at.text_input


def test_the_token_opens_the_page_for_its_session(open_page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(public.VARIABLE, "1")
    monkeypatch.setenv(public.TOKEN, "sesame")
    at = open_page("run_study.py")
    at.text_input(key="access_token").set_value("no")
    at.button[0].click().run()
    assert any("not this server's token" in error.value for error in at.error)
    assert not at.multiselect
    at.text_input(key="access_token").set_value("sesame")
    at.button[0].click().run()
    assert at.multiselect(key="run_encoders")
    assert not open_page("run_study.py").multiselect, "another session has not given it"


def test_only_the_owner_stops_a_study_and_goes_on_with_it(open_page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(public.VARIABLE, "1")
    plan = Plan("mine", ("random",), ("folder:near",), ("knn",))
    where = jobs.start(plan, data_folder(), owner="somebody")
    monkeypatch.setattr(jobs, "_process", lambda folder, facts: psutil.Process())
    assert jobs.job_of(where).running
    for owner, drawn in (("else", False), ("somebody", True)):
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120)
        at.session_state[access.OPENED], at.session_state[access.OWNER] = True, owner
        at.run()
        at.switch_page("run_study.py").run()
        assert not at.exception
        assert any(button.key == "cancel_mine" for button in at.button) == drawn
    monkeypatch.setattr(jobs, "_process", lambda folder, facts: None)
    with pytest.raises(InvalidRequest, match="somebody else's"):
        jobs.start(plan, data_folder(), owner="else")
