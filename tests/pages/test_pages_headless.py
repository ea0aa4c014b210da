"""An encoder without a head on the pages: compared where none is needed."""

import torch
from safetensors.torch import load_file

from core.encoders import own
from core.encoders.own import Said
from core.paths import ASSETS


def test_what_makes_two_images_alike_takes_an_own_encoder_without_head(open_page, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("core.encoders.opening.converting.rehearse", lambda path, reader: None)
    at = open_page("attribution.py")
    assert not [box for box in at.multiselect if box.key == "pair_headless"]
    torch.save(load_file(ASSETS / "models" / "supervised" / "weights.safetensors"), tmp_path / "mine.pth")
    own.add(tmp_path / "mine.pth", "mine", Said("resnet-s-64px", preprocessing={"size": 64, "resize": 64}))
    at.run()
    at.multiselect(key="pair_headless").set_value(["mine"]).run()
    assert not at.exception
    said = [part.value for part in at.markdown if "cosine **" in part.value]
    assert len(said) == 3
    assert "mine" in said[2]
