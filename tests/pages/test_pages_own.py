"""The Models page's form for a file of one's own: everything that the command line takes."""

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.encoders.architectures import build
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import Preprocessing


@pytest.fixture
def form(open_page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page of a server whose visitors may name files, with path and name of one filled in."""
    monkeypatch.setenv("INVARISCOPE_ALLOW_PATHS", "1")
    monkeypatch.setattr("core.encoders.opening.converting.rehearse", lambda path, reader: None)
    tensors = {f"net.{key}": value for key, value in build("resnet18").state_dict().items()}
    content = {"raw": tensors, "ema": tensors | {"net.extra.weight": torch.ones(3, 3)}, "arch": "resnet18"}
    torch.save(content, tmp_path / "mine.pth")
    at = open_page("models.py")
    at.text_input(key="own_path").set_value(str(tmp_path / "mine.pth"))
    at.text_input(key="own_id").set_value("mine")
    return at


def submitted(at: AppTest) -> AppTest:
    at.button[-1].click().run()
    assert not at.exception
    return at


def test_timms_input_for_the_network_is_shown(form: AppTest) -> None:
    assert any("name the architecture to see it" in note.value for note in form.caption)
    form.text_input(key="own_architecture").set_value("resnet18").run()
    shown = "224 px of a short side of 235 px, bicubic, mean 0.485,0.456,0.406, deviation 0.229,0.224,0.225"
    assert any(shown in note.value for note in form.caption)
    assert form.number_input(key="own_size").placeholder == "224"
    assert form.text_input(key="own_mean").placeholder == "0.485,0.456,0.406"
    form.text_input(key="own_architecture").set_value("resnet18x").run()
    assert any("resnet18x" in note.value for note in form.warning)
    assert not form.exception


def test_what_is_said_of_the_input_and_the_file_is_taken(form: AppTest) -> None:
    form.text_input(key="own_architecture").set_value("resnet18")
    form.number_input(key="own_size").set_value(96)
    form.number_input(key="own_crop").set_value(0.8)
    form.text_input(key="own_mean").set_value("0.5, 0.5, 0.5")
    form.text_input(key="own_std").set_value("0.25,0.25,0.25")
    form.selectbox(key="own_interpolation").set_value("bilinear")
    form.text_input(key="own_container").set_value("ema")
    form.text_input(key="own_prefix").set_value("net.")
    form.text_input(key="own_drop").set_value("extra., other.")
    form.selectbox(key="own_regime").set_value("self-supervised")
    form.text_input(key="own_method").set_value("BYOL")
    submitted(form)
    assert not form.error, form.error[0].value
    spec = encoder_spec("mine")
    assert spec.preprocessing == Preprocessing(96, 120, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert (spec.weights.container, spec.weights.prefix) == (("ema",), "net.")
    assert spec.weights.drop[:2] == ("extra.", "other.")
    assert (spec.regime, spec.method) == ("self-supervised", "BYOL")


def test_what_stays_empty_is_as_timm_and_the_file_say(form: AppTest) -> None:
    submitted(form)
    assert not form.error, form.error[0].value
    assert encoder_spec("mine").preprocessing == Preprocessing(224, 235, "bicubic")
    assert any("names its network itself" in note.value for note in form.success)


def test_numbers_that_are_none_are_refused_in_words(form: AppTest) -> None:
    form.text_input(key="own_mean").set_value("0.5, x")
    submitted(form)
    assert "The mean takes three numbers with commas between them" in form.error[0].value
    assert "mine" not in encoders()
