"""Few-shot against a case worked out by hand, a plain loop, and data sets that cannot fill an episode."""

import numpy as np
import pytest
from study_material import features, material_of

from core.errors import InvalidRequest
from core.study import rows
from core.study.protocols import PROTOCOLS, Material, ProtocolAnswers, fewshot
from core.study.protocols.fewshot import EpisodeOptions, distinct, draw

NAMES = rows.Names("s", "e", "SL", "0", "d", "similar", "test", "few-shot", 0)


def clouds(classes: int = 7, each: int = 12, dimension: int = 6, spread: float = 1.0, **options) -> Material:
    """Gaussian clouds around random centres; sizes differ from class to class."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, dimension))

    def part(name: str) -> object:
        labels = rng.permutation(np.repeat(np.arange(classes), each + np.arange(classes) % 3))
        values = centres[labels] + spread * rng.normal(size=(len(labels), dimension))
        return features((3 + 2 * values).astype(np.float32), labels, name)

    return material_of(part("train"), part("test"), classes, **options)


def run(material: Material) -> ProtocolAnswers:
    return PROTOCOLS["few-shot"].run(material)


def test_by_hand() -> None:
    """Two classes of one point each: every prototype is its point, every query's distance can be written down."""
    train = features(np.array([[0, 0], [0, 0], [3, 4], [3, 4]], np.float32), np.array([0, 0, 1, 1]), "train")
    test = features(np.array([[0, 0], [3, 0]], np.float32), np.array([0, 1]), "test")
    answers = run(material_of(train, test, 2, ways=2, shots=1, queries=1, episodes=2))
    assert sorted(answers.sample.tolist()) == [0, 0, 1, 1]
    for sample, logits in zip(answers.sample, answers.logits, strict=True):
        np.testing.assert_allclose(logits, [[0, -25], [-9, -16]][sample], rtol=1e-6)
    assert answers.facts["accuracy"] == 0.5
    assert answers.facts["half_width"] == 0
    assert answers.episode is not None
    assert answers.episode.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("metric", fewshot.METRICS)
@pytest.mark.parametrize("block", [1, 2**24])
def test_plain_loop_says_the_same(metric: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fewshot, "BLOCK", block)
    material = clouds(ways=3, shots=4, queries=5, episodes=20, metric=metric)
    train, test = material.train, material.test
    options = EpisodeOptions(3, 4, 5, 20, metric)
    episodes = draw(train.labels, test.labels, 7, options, np.random.default_rng([0, 0]))
    assert episodes is not None
    centre = train.values.mean(axis=0)

    def prepared(values: np.ndarray) -> np.ndarray:
        if metric == "euclidean":
            return values.astype(np.float64)
        moved = values.astype(np.float64) - centre
        return moved / np.linalg.norm(moved, axis=-1, keepdims=True)

    expected, shares, samples = [], [], []
    for e in range(20):
        prototypes = {
            label: prepared(train.values[episodes.support[e, w]]).mean(axis=0)
            for w, label in enumerate(episodes.classes[e])
        }
        right = []
        for w in range(3):
            for sample in episodes.queries[e, w]:
                line = np.full(7, -np.inf)
                for label, prototype in prototypes.items():
                    line[label] = -(np.square(prepared(test.values[sample : sample + 1])[0] - prototype).sum())
                expected.append(line)
                samples.append(sample)
                right.append(line.argmax() == test.labels[sample])
        shares.append(np.mean(right))
    answers = run(material)
    np.testing.assert_allclose(answers.logits, expected, rtol=1e-4)
    assert answers.sample.tolist() == samples
    assert answers.facts["accuracy"] == pytest.approx(np.mean(shares))
    assert answers.facts["half_width"] == pytest.approx(1.96 * np.std(shares, ddof=1) / np.sqrt(20))
    assert 1 / 3 < np.mean(shares) < 1


def test_episodes_are_what_they_should_be() -> None:
    material = clouds()
    train, test = material.train.labels, material.test.labels
    episodes = draw(train, test, 7, EpisodeOptions(5, 5, 8, 200, "euclidean"), np.random.default_rng(0))
    assert episodes is not None
    assert all(len(set(row)) == 5 for row in episodes.classes.tolist())
    assert (train[episodes.support] == episodes.classes[:, :, None]).all()
    assert (test[episodes.queries] == episodes.classes[:, :, None]).all()
    for drawn in (episodes.support, episodes.queries):
        assert all(len(set(row)) == len(row) for row in drawn.reshape(-1, drawn.shape[-1]).tolist())
    assert set(episodes.queries.ravel().tolist()) == set(range(len(test)))  # nobody is left out


def test_support_and_queries_of_one_part_never_meet() -> None:
    labels = clouds().train.labels
    episodes = draw(labels, None, 7, EpisodeOptions(4, 3, 6, 100, "euclidean"), np.random.default_rng(0))
    assert episodes is not None
    both = np.concatenate([episodes.support, episodes.queries], axis=2)
    assert all(len(set(row)) == 9 for row in both.reshape(-1, 9).tolist())
    assert (labels[both] == episodes.classes[:, :, None]).all()
    # A late place among the drawn is no more often a query than chance.
    last = {label: np.flatnonzero(labels == label)[-1] for label in range(7)}
    hits = [np.isin(drawn, list(last.values())).mean() for drawn in (episodes.support, episodes.queries)]
    assert hits[0] == pytest.approx(hits[1], abs=0.03)


def test_every_set_is_as_likely_as_another() -> None:
    drawn = distinct(np.random.default_rng(0), np.full(20_000, 5), 3)
    sets, counts = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    assert len(sets) == 10
    assert np.abs(counts / 20_000 - 0.1).max() < 0.01
    assert sorted(distinct(np.random.default_rng(0), np.array([4]), 4)[0].tolist()) == [0, 1, 2, 3]


def test_seed_decides() -> None:
    first, same = run(clouds(episodes=5, queries=3)), run(clouds(episodes=5, queries=3))
    np.testing.assert_array_equal(first.logits, same.logits)
    np.testing.assert_array_equal(first.sample, same.sample)
    assert first.temperature == same.temperature
    other = run(clouds(episodes=5, queries=3, seed=1))
    assert not np.array_equal(first.sample, other.sample)


def test_temperature_makes_confidence_meet_accuracy() -> None:
    """Raw distances of long features are sure of everything; the training part alone says how much too sure."""
    answers = run(clouds(each=40, dimension=30, spread=3.0, queries=10))
    assert answers.temperature is not None
    labels = clouds(each=40, dimension=30, spread=3.0).test.labels
    table = rows.table(NAMES, answers, clouds(each=40, dimension=30, spread=3.0).test)
    right = np.array(table["prediction"]) == labels[answers.sample]
    assert np.mean(np.array(table["confidence"])) > right.mean() + 0.15
    assert np.mean(np.array(table["calibrated_confidence"])) == pytest.approx(right.mean(), abs=0.05)


def test_no_temperature_without_a_training_sample_to_spare() -> None:
    points, labels = np.eye(3, dtype=np.float32), np.arange(3)
    train, test = features(points, labels, "train"), features(points, labels, "test")
    answers = run(material_of(train, test, 3, ways=3, shots=1, queries=1))
    assert answers.temperature is None
    assert answers.facts["accuracy"] == 1


def test_rows_of_classes_not_on_offer() -> None:
    """Of seven classes three are on offer: the others have probability 0, and every figure is a number."""
    material = clouds(ways=3, queries=4, episodes=6)
    answers = run(material)
    table = rows.table(NAMES, answers, material.test).to_pandas()
    assert np.isneginf(answers.logits).sum() == 4 * len(table)
    numbers = ["confidence", "calibrated_confidence", "margin", "entropy", "brier", "calibrated_brier"]
    assert np.isfinite(table[numbers].to_numpy()).all()
    assert table["entropy"].max() <= np.log(3) + 1e-6
    top = np.stack(table["top5"])
    on_offer = np.isfinite(np.take_along_axis(answers.logits, top.astype(np.int64), axis=1))
    assert on_offer[:, :3].all()
    assert not on_offer[:, 3:].any()
    exact = np.exp(answers.logits.astype(np.float64) - answers.logits.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    truth = np.eye(7)[table["label"]]
    np.testing.assert_allclose(table["brier"], np.square(exact - truth).sum(axis=1), rtol=1e-5, atol=1e-7)
    assert table["episode"].tolist() == np.repeat(np.arange(6), 12).tolist()


def test_rows_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    material = clouds(ways=3, queries=4, episodes=6)
    answers = run(material)
    whole = rows.table(NAMES, answers, material.test)
    monkeypatch.setattr(rows, "BLOCK", 40)
    assert rows.table(NAMES, answers, material.test).equals(whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": 8}, r"Episodes of 8 classes cannot be drawn: 7 of 7 classes have 5 training and 15 test samples"),
        ({"shots": 18}, r"Episodes of 5 classes cannot be drawn: 0 of 7 .* 18 training and 15 test.*Lower ways"),
        ({"queries": 18}, r"0 of 7 classes have 5 training and 18 test samples"),
        ({"shots": 0}, r"Option 'shots' of protocol few-shot must be a whole number from 1 to 10000, not 0\."),
        ({"ways": 2.5}, r"'ways'.*whole number"),
        ({"metric": "cosine"}, r"'metric'.*one of euclidean, cl2n, not 'cosine'"),
        ({"way": 5}, r"Protocol few-shot has no option 'way'\. Its options: episodes, metric"),
        ({"episodes": 100_000, "queries": 1000}, r"too many for one table\. Lower episodes"),
    ],
)
def test_what_cannot_be_done_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        run(clouds(each=15, **options))


def test_short_classes_are_left_out_and_counted() -> None:
    material = clouds(ways=2, shots=5, queries=14)  # a third of the classes have 14 or more
    answers = run(material)
    assert answers.facts["classes_on_offer"] == 2
    assert set(material.test.labels[answers.sample].tolist()) == {2, 5}
