"""The order of things: readings, answers, pairs of images, and what sets two contenders apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import HEAD_WEIGHT, TwoChannels, encoder, image, linear_head, literal, small_resnet, small_vit, spec

from core import confidence, pipeline, samples
from core.encoders.spec import Preprocessing, Pretraining
from core.readout import Contender


@pytest.mark.parametrize("make", [literal, small_resnet, small_vit])
def test_readings_of_a_batch_are_those_of_each_image(make) -> None:
    contender = make()
    pictures = [image(seed=0), image(60, 90, seed=1)]
    together = pipeline.read_images(contender, pictures)
    size = contender.encoder.spec.preprocessing.size
    for picture, reading in zip(pictures, together, strict=True):
        (alone,) = pipeline.read_images(contender, [picture])
        assert (reading.digest, reading.encoder, reading.task) == (picture.digest, contender.encoder.spec.id, "toy")
        assert reading.crop.shape == (size, size, 3)
        assert reading.crop.dtype == np.uint8
        np.testing.assert_array_equal(alone.crop, reading.crop)
        np.testing.assert_allclose(alone.logits, reading.logits, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(alone.feature_map, reading.feature_map, rtol=1e-4, atol=1e-4)
        for values in (reading.feature_map, reading.pooled, reading.logits):
            assert values.dtype == np.float32


def test_prediction_by_hand() -> None:
    """Logits (2 ln 3, 0) at temperature 2 are odds of 3 to 1."""
    found = confidence.predict(np.array([2 * np.log(3), 0], np.float32), temperature=2.0, calibrated=True)
    assert found.top == 0
    assert found.order.tolist() == [0, 1]
    np.testing.assert_allclose(found.probabilities, [0.75, 0.25], rtol=1e-6)
    np.testing.assert_allclose(found.raw, [0.9, 0.1], rtol=1e-6)
    assert found.confidence == pytest.approx(0.75)
    assert found.raw_confidence == pytest.approx(0.9)
    assert found.margin == pytest.approx(0.5)
    assert found.entropy == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    assert found.energy == pytest.approx(-np.log(10))
    assert found.calibrated


def test_equal_logits_keep_the_order_of_classes() -> None:
    assert confidence.predict(np.zeros(4, np.float32), 1.0, False).order.tolist() == [0, 1, 2, 3]


def test_agreement() -> None:
    first, second = (confidence.predict(np.eye(3, dtype=np.float32)[i], 1.0, False) for i in (0, 1))
    assert confidence.agreement([first, first])
    assert confidence.agreement([first, second]) is False
    assert confidence.agreement([first]) is None


def test_pipeline_reads_temperature_from_the_head() -> None:
    contender = literal()
    (reading,) = pipeline.read_images(contender, [image()])
    found = pipeline.predict(contender, reading)
    assert found.temperature == contender.head.temperature == 2.0
    assert found.calibrated
    np.testing.assert_allclose(found.probabilities, torch.tensor(reading.logits / 2).softmax(0), rtol=1e-5)


@pytest.mark.parametrize("make", [literal, small_resnet])
def test_pair_of_images(make) -> None:
    contender = make()
    cosine, found = pipeline.compare_pair(contender, image(seed=0), image(seed=1))
    assert found.sum() == pytest.approx(cosine, abs=1e-4)
    same, _ = pipeline.compare_pair(contender, image(seed=0), image(seed=0))
    assert same == pytest.approx(1, abs=1e-5)
    one, other = (reading.pooled for reading in pipeline.read_images(contender, [image(seed=0), image(seed=1)]))
    assert cosine == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-4)


def test_pair_of_images_on_tokens() -> None:
    cosine, found = pipeline.compare_pair(small_vit(), image(seed=0), image(seed=1))
    assert -1 <= cosine <= 1
    assert found.shape == (4, 4)
    assert np.isfinite(found).all()


def test_floor_is_the_mean_over_different_samples() -> None:
    contender = small_resnet()
    pictures = [samples.image(id) for id in samples.samples()]
    pooled = np.stack([reading.pooled for reading in pipeline.read_images(contender, pictures)]).astype(float)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    pairs = (pooled @ pooled.T)[np.triu_indices(len(pooled), 1)]
    assert pipeline.strangers_floor(contender) == pytest.approx(pairs.mean(), abs=2e-3)


def contender(protocol: str = "linear", head_pooling: str = "avg", **changed) -> Contender:
    head = replace(linear_head(HEAD_WEIGHT.clone(), pooling=head_pooling), protocol=protocol)
    return Contender(encoder(TwoChannels(), spec(**changed)), head)


def test_pair_that_differs_in_regime_alone_is_controlled() -> None:
    other = contender(id="other", regime="self-supervised", method="SimCLR")
    assert pipeline.controlled(contender(), other) == []
    assert pipeline.uncontrolled([contender(), other]) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"architecture": "resnet50"}, "architecture (toy against resnet50)"),
        ({"pretraining": Pretraining("everything", 0, "none")}, "pre-training images (nothing against everything)"),
        ({"pretraining": Pretraining("nothing", 800, "none")}, "epochs (0 against 800)"),
        ({"pretraining": Pretraining("nothing", None, "none")}, "epochs (0 against unknown)"),
        ({"pretraining": Pretraining("nothing", 0)}, "training augmentation (none against unknown)"),
        ({"options": (("num_heads", 12),)}, "attention heads (the network's usual against 12)"),
        ({"regime": "vision-language"}, "labels seen (class labels against captions)"),
        (
            {"preprocessing": Preprocessing(8, 9)},
            "input preprocessing (short side 8 against short side 9, normalisation)",
        ),
        ({"protocol": "native"}, "head protocol (linear against native)"),
        ({"head_pooling": "head"}, "pooling of the head (avg against head)"),
    ],
)
def test_every_other_difference_is_named(changed: dict, told: str) -> None:
    assert pipeline.controlled(contender(), contender(**changed)) == [told]
    assert pipeline.uncontrolled([contender(), contender(), contender(**changed)]) == [told]


def test_what_is_unknown_of_both_is_no_agreement() -> None:
    unknown = {"pretraining": Pretraining("nothing")}
    told = ["epochs (unknown for both)", "training augmentation (unknown for both)"]
    assert pipeline.controlled(contender(**unknown), contender(**unknown)) == told


def test_untrained_encoders_are_left_aside() -> None:
    floor = contender(regime="random", architecture="another", pretraining=Pretraining("none", 0))
    assert pipeline.uncontrolled([contender(), floor, contender()]) == []
    assert pipeline.uncontrolled([floor]) == []


def test_device_in_words() -> None:
    assert pipeline.device_label(torch.device("cpu")).startswith("CPU, ")


def test_load_by_names() -> None:
    assert pipeline.load("random", "tiny-imagenet", "cpu").encoder.spec.id == "random"
