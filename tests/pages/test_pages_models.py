"""The Models page: hundreds of encoders to look through, one card, and what can be done with it."""

import pytest
import torch

from core import public
from core.encoders import architectures, partners
from core.encoders.files import licences, weights
from core.encoders.partners import COMPARISONS
from core.encoders.registry import encoder_spec, encoders
from core.errors import WeightsUnavailable
from core.text import code, plain
from pages.ui import access, inputs, models_filters
from pages.ui.places import worded

MB = 1_000_000


def rows(at) -> list[str]:
    return list(next(found.value for found in at.dataframe if "regime" in found.value)["id"])


def card(at) -> str:
    (heading,) = at.subheader
    return heading.value


def test_every_encoder_is_a_row_and_one_a_card(open_page):
    at = open_page("models.py")
    assert rows(at) == partners.order(encoders())
    assert card(at) == encoder_spec(rows(at)[0]).label
    assert [heading.value for heading in at.header] == ["Pairs to start with", "All encoders", "Bring your own"]


def test_the_training_curves_have_the_menu_of_every_figure(open_page):
    at = open_page("models.py", model="simclr")
    assert "invariscope models export --figure models/training --out models_training.csv" in [c.value for c in at.code]
    keys = {button.proto.id.rpartition("-")[2] for button in at.get("download_button")}
    assert {"models_training_bib", "training_curves_csv", "training_curves_tex", "training_curves_html"} <= keys
    assert "story_models/training_add" in {button.key for button in at.button}


@pytest.mark.parametrize(
    "id", ["simclr", "random", "resnet50-dino", "resnet50-moco-v2-800", "vit_base_patch16_224.mae"]
)
def test_the_card_comes_from_the_address(id, open_page):
    at = open_page("models.py", model=id)
    spec = encoder_spec(id)
    assert card(at) == plain(spec.label)
    text = " ".join(part.value for part in (*at.markdown, *at.caption, *at.info))
    for fact in (spec.method, spec.pretraining.data, spec.paper, spec.licence, spec.architecture, spec.note):
        assert plain(fact) in text
    for file in spec.files:
        assert code(worded(weights.path_of(file))) in [line.value for line in at.markdown]
    for partner in partners.closest(spec):
        assert plain(partner.spec.label) in text
        assert all(plain(difference) in text for difference in partner.differences)
    published = [value for value in (spec.published.linear, spec.published.knn, spec.published.supervised) if value]
    assert [metric.value for metric in at.metric] == [f"{value:.1f} %" for value in published]


def test_cards_of_every_regime_are_drawn(open_page):
    at = open_page("models.py")
    for regime in {spec.regime: spec.id for spec in encoders().values()}.values():
        at.selectbox(key="model").set_value(regime).run()
        assert not at.exception
        assert not at.error
        assert card(at) == plain(encoder_spec(regime).label)


def test_default_pairs_stand_at_the_top_with_what_is_not_controlled(open_page):
    at = open_page("models.py")
    text = " ".join(part.value for part in (*at.markdown, *at.caption))
    for pair in COMPARISONS:
        assert plain(pair.why) in text
        first, second = (encoder_spec(id) for id in pair.ids[:2])
        assert all(plain(difference) in text for difference in partners.differences(first, second))
    at.button(key="pair_deit-s_vits16-dino_vits16-dino").click().run()
    assert card(at) == encoder_spec("vits16-dino").label


def test_filters_come_from_the_address(open_page):
    at = open_page(
        "models.py",
        models_regime=["self-supervised"],
        models_method=["DINO", "SwAV"],
        models_line=["resnet50"],
        models_licence=["CC-BY-NC-4.0"],
        models_only=["with a head"],
        models_query="800",
    )
    assert rows(at) == ["resnet50-swav-800"]
    assert at.multiselect(key="models_method").value == ["DINO", "SwAV"]
    by_accuracy = open_page("models.py", models_sort="linear", models_line=["resnet50"])
    assert by_accuracy.selectbox(key="models_sort").value == "linear"
    assert encoder_spec(rows(by_accuracy)[0]).published.linear == max(
        spec.published.linear or 0 for spec in encoders().values() if spec.line == "resnet50"
    )


@pytest.mark.parametrize("facet", models_filters.LABELS)
def test_each_filter_narrows(facet, open_page):
    at = open_page("models.py")
    box = at.multiselect(key=models_filters.key_of(facet))
    box.set_value([box.options[-1]]).run()
    assert not at.exception
    assert 0 < len(rows(at)) < len(encoders())


def test_when_nothing_fits_it_says_so_and_the_card_stays(open_page):
    at = open_page("models.py", model="simclr")
    at.text_input(key="models_query").set_value("no such encoder").run()
    assert not at.exception
    assert "No encoder fits these filters." in [note.value for note in at.info]
    assert card(at) == encoder_spec("simclr").label


def test_an_address_that_is_wrong_shows_the_defaults(open_page):
    names = [models_filters.key_of(facet) for facet in models_filters.LABELS]
    at = open_page("models.py", model="no-such-thing", models_sort="no", **{name: ["no"] for name in names})
    assert not at.error
    assert rows(at) == partners.order(encoders())


def test_a_contender_is_added_for_every_page(open_page):
    at = open_page("compare.py")
    before = at.multiselect(key="encoders").value
    at.switch_page("models.py").run()
    at.selectbox(key="model").set_value("random").run()
    at.button(key="model_add").click().run()
    assert not at.exception
    at.switch_page("compare.py").run()
    assert at.multiselect(key="encoders").value == [*before, "random"]


def test_a_contender_for_another_task_brings_its_task(open_page):
    at = open_page("models.py", model="resnet50-dino")
    at.button(key="model_add").click().run()
    assert not at.exception
    at.selectbox(key="model").set_value("resnet50-swav-800").run()
    at.button(key="model_add").click().run()
    at.switch_page("compare.py").run()
    assert at.selectbox(key="task").value == "imagenet-1k"
    assert at.multiselect(key="encoders").value == ["resnet50-dino", "resnet50-swav-800"]
    assert any("NC, no commercial use: resnet50-swav-800" in note.value for note in at.caption)


def test_two_are_compared_with_one_click(open_page):
    at = open_page("models.py", model="simclr")
    at.button(key="partner_0").click().run()
    assert not at.exception
    assert [title.value for title in at.title] == ["Compare encoders on an image"]
    assert at.multiselect(key="encoders").value == ["simclr", "supervised"]
    at = open_page("models.py")
    at.button(key="pair_resnet50-supervised_resnet50-dino").click().run()
    assert at.selectbox(key="task").value == "imagenet-1k"
    assert at.multiselect(key="encoders").value == ["resnet50-supervised", "resnet50-dino"]


def test_without_a_shared_head_a_study_is_offered_once_both_are_here(open_page):
    key = "pair_convnext_tiny.fb_in1k_convnext_tiny.dinov3_lvd1689m"
    at = open_page("models.py")
    assert at.button(key=key).label == "Study these two"
    assert at.button(key=key).disabled
    pair = [encoder_spec(id) for id in COMPARISONS[-1].ids]
    for spec in pair:
        weights.path_of(spec.weights).write_bytes(b"not opened here")
    at.run()
    at.button(key=key).click().run()
    assert not at.exception
    assert [title.value for title in at.title] == ["Run a study"]
    assert at.multiselect(key="run_encoders").value == [spec.id for spec in pair]


def test_non_commercial_ones_are_marked(open_page):
    at = open_page("models.py", model="resnet50-swav-800")
    text = " ".join(part.value for part in at.markdown)
    assert "CC-BY-NC-4.0: **no commercial use**." in text
    badges = [part.value for part in at.markdown if "NC" in part.value and "badge" in part.value]
    assert badges
    own = open_page("models.py", model="resnet50-dino")
    assert "Apache-2.0: commercial use allowed." in " ".join(part.value for part in own.markdown)


def test_a_licence_is_shown_and_accepted_once(open_page):
    at = open_page("models.py", model="convnext_tiny.dinov3_lvd1689m")
    assert at.button(key="model_download").disabled
    asked = licences.terms("dinov3")
    text = " ".join(part.value for part in at.markdown)
    assert plain(asked.summary) in text
    assert plain(asked.forbidden) in text
    assert asked.url in [link.proto.url for link in at.get("link_button")]
    at.button(key="accept_dinov3").click().run()
    assert not at.exception
    assert licences.accepted("dinov3")
    assert not at.button(key="model_download").disabled
    assert not [button for button in at.button if button.key == "accept_dinov3"]


def test_a_download_shows_progress_and_ends_in_the_line_up(open_page, monkeypatch: pytest.MonkeyPatch):
    fetched = []

    def fetch(file, progress):
        fetched.append(file.file)
        progress(10 * MB, 40 * MB)
        weights.path_of(file).write_bytes(b"x")
        return weights.path_of(file)

    monkeypatch.setattr(weights, "fetch", fetch)
    at = open_page("models.py", model="resnet50-dino")
    assert at.button(key="model_download").label == "Download (94 MB)"
    at.button(key="model_download").click().run()
    assert not at.exception
    assert fetched == [file.file for file in encoder_spec("resnet50-dino").files]
    assert any("is on this machine and checked" in note.value for note in at.success)
    assert not [button for button in at.button if button.key == "model_download"]
    at.run()
    assert not at.success


def test_a_download_that_fails_says_why_and_one_that_was_stopped_goes_on(open_page, monkeypatch: pytest.MonkeyPatch):
    spec = encoder_spec("resnet50-dino")

    def fetch(file, progress):
        path = weights.path_of(file)
        path.with_name(path.name + ".partial").write_bytes(bytes(3 * MB))
        raise WeightsUnavailable("The cable is out.")

    monkeypatch.setattr(weights, "fetch", fetch)
    at = open_page("models.py", model=spec.id)
    at.button(key="model_download").click().run()
    assert not at.exception
    assert [error.value for error in at.error] == ["The cable is out."]
    at.run()
    assert at.button(key="model_download").label == "Resume download (3 of 94 MB)"


def test_your_own_is_not_offered_unless_the_server_allows_it(open_page, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("INVARISCOPE_ALLOW_PATHS", raising=False)
    at = open_page("models.py")
    assert not [field for field in at.text_input if str(field.key).startswith("own_")]
    assert any("INVARISCOPE_ALLOW_PATHS=1" in note.value for note in at.info)


def test_your_own_is_added_and_shown(open_page, tmp_path, monkeypatch: pytest.MonkeyPatch):
    import torch

    from core.encoders.architectures import build

    monkeypatch.setenv("INVARISCOPE_ALLOW_PATHS", "1")
    file = tmp_path / "mine.pth"
    torch.save(build("resnet18").state_dict(), file)
    at = open_page("models.py")
    at.text_input(key="own_path").set_value(str(file))
    at.text_input(key="own_id").set_value("mine")
    at.text_input(key="own_like").set_value("no such thing")
    at.text_input(key="own_architecture").set_value("resnet18")
    at.button[-1].click().run()
    assert not at.exception
    assert "no encoder or method called 'no such thing'" in at.error[0].value
    at.text_input(key="own_like").set_value("resnet50-dino")
    at.button[-1].click().run()
    assert not at.exception
    assert card(at) == "resnet18 · mine"
    assert rows(at)[sum(spec.weights.packaged for spec in encoders().values())] == "mine"
    assert any("was added" in note.value for note in at.success)
    at.switch_page("compare.py").run()
    assert at.multiselect(key="encoders").value == inputs.DEFAULT_PAIR


def test_a_contender_whose_network_nobody_trained_is_doubted_beside_its_answer(open_page, tmp_path) -> None:
    spec = encoders()["resnet50-moco-v3-1000"]
    torch.manual_seed(0)
    named = {f"module.{key}": value for key, value in architectures.build("resnet50").state_dict().items()}
    named |= {"module.fc.weight": torch.randn(1000, 2048) / 50, "module.fc.bias": torch.zeros(1000)}
    torch.save({"state_dict": named}, tmp_path / "weights" / spec.weights.file)
    at = open_page("compare.py", task="imagenet-1k", encoders=[spec.id])
    said = " ".join(error.value for error in at.error)
    assert "may be untrained" in said
    assert "BatchNorm" in said
    assert any("NC, no commercial use" in note.value for note in at.caption)


def test_strangers_download_nothing_and_accept_no_licence_without_the_token(open_page, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv(public.VARIABLE, "1")
    at = open_page("models.py", model="convnext_tiny.dinov3_lvd1689m")
    assert not [button for button in at.button if str(button.key).startswith(("model_download", "accept_"))]
    assert any("Downloads are closed on this server" in caption.value for caption in at.caption)
    at.session_state[access.OPENED] = True  # as the token does
    assert {"model_download", "accept_dinov3"} <= {button.key for button in at.run().button}
