"""A quiz: its questions give nothing away, its votes count once, and nobody reads them before the vote is closed."""

import random
import threading
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import stats

from core import pipeline, samples
from core.errors import InvalidRequest
from core.images.image import SafeImage, encode_png
from core.results import store
from core.study.gallery import open_gallery
from core.talk import ballot, quiz, quiz_pages
from core.talk.ballot import Quizzes, Refused
from core.talk.quiz import ANSWERS, MAPS, Option, Question, Shot
from core.tasks import task

ADDRESS = "http://192.0.2.7:8501"
HOSTILE = "</style><script>alert(1)</script>{{7*7}} & \"'"


def question(right: int = 0, text: str = "Which?") -> Question:
    png = encode_png(np.full((4, 4, 3), 128, np.uint8))
    return Question(text, png, text, (Option((text,)), Option(png=png, alt=text)), right, text, text)


@pytest.fixture
def known() -> Quizzes:
    return Quizzes()


def phones(known: Quizzes, count: int) -> list[str]:
    return [known.phone_of(known.new_phone()) for _ in range(count)]


def pair_of(id: str):
    return tuple(pipeline.load(name, id, "cpu") for name in ("supervised", "simclr"))


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    rng = random.Random(0)
    return quiz.questions(
        [ANSWERS, MAPS], 6, quiz.of_samples(task("tiny-imagenet"), rng), pair_of("tiny-imagenet"), rng
    )


def test_questions_of_the_packaged_pictures_take_turns_and_name_nobody(asked):
    assert [bool(one.options[0].png) for one in asked] == [False, True] * 3
    assert len({one.about for one in asked}) == 6
    for one in asked:
        before = " ".join(
            [one.asked, one.about, *(line for option in one.options for line in (*option.lines, option.alt))]
        )
        assert "simclr" not in before.lower()
        assert one.told.startswith(f"{quiz.NAMES[one.right]} is SimCLR")
        assert one.options[0] != one.options[1]


def test_an_answer_is_the_contenders_own(asked):
    titles = {about.title: id for id, about in samples.samples().items()}
    for one in asked[::2]:
        image = samples.image(titles[one.about])
        for contender, place in zip(pair_of("tiny-imagenet"), (1 - one.right, one.right), strict=True):
            said = pipeline.predict(contender, pipeline.read_images(contender, [image])[0])
            top = task("tiny-imagenet").classes[said.top]
            assert one.options[place].lines[0] == f"{top}, {said.probabilities[said.top]:.0%}"


def test_pictures_of_the_shipped_study_are_asked_about_where_the_two_differ():
    info = store.study("family")
    opened = open_gallery(info.datasets["digits"]["address"], info.datasets["digits"]["fingerprint"])
    assert not opened.changed
    rng = random.Random(1)
    made = quiz.questions([ANSWERS], 2, quiz.of_study(info, "digits", opened, rng), pair_of("digits"), rng)
    assert len(made) == 2
    for one in made:
        first, second = (option.lines[0].partition(",")[0] for option in one.options)
        assert first != second
        assert "True: " in one.told


def test_the_right_place_is_drawn_by_lot():
    shot = Shot(SafeImage(np.zeros((64, 64, 3), np.uint8), "digest", 64, 64), "One", (), "")
    pair, options, rng = pair_of("digits"), [Option(("first",)), Option(("second",))], random.Random(2)
    made = [quiz._question("?", shot, "", options, pair, rng) for _ in range(200)]
    assert all(one.options[one.right] is options[1] for one in made)
    assert stats.binomtest(sum(one.right for one in made), len(made)).pvalue > 0.001


def test_pictures_that_both_answer_alike_make_no_question_about_answers():
    pair = pair_of("tiny-imagenet")
    for id in samples.samples():
        said = [pipeline.predict(one, pipeline.read_images(one, [samples.image(id)])[0]).top for one in pair]
        if said[0] == said[1]:
            break
    shot = Shot(samples.image(id), "One", (), "")
    with pytest.raises(InvalidRequest, match="alike"):
        quiz.questions([ANSWERS], 3, [shot], pair, random.Random(0))


def test_a_picture_of_few_pixels_is_enlarged_without_a_blur():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    shot = Shot(SafeImage(pixels, "digest", 8, 8), "One", (), "")
    made = quiz._question("?", shot, "", [Option(), Option()], pair_of("digits"), random.Random(0))
    assert made.picture == encode_png(pixels.repeat(32, 0).repeat(32, 1))


@pytest.mark.parametrize(("right", "total"), [(0, 1), (31, 60), (41, 60), (300, 300), (8, 10), (1, 10)])
def test_the_words_agree_with_scipy(right, total):
    tested = stats.binomtest(right, total, 0.5)
    reach = tested.proportion_ci(method="wilson")
    said = quiz.verdict(right, total)
    assert f"{right} of {total} were right: {right / total:.0%}" in said
    assert f"{reach.low:.0%} to {reach.high:.0%}" in said
    assert ("than guessing" in said) == (tested.pvalue < 0.05)
    if tested.pvalue < 0.05:
        assert ("better" in said) == (right > total / 2)
    assert ("p < .001" in said) == (tested.pvalue < 0.001)


def test_all_questions_together_count_pictures_and_leave_ties_out():
    assert quiz.summary([(3, 4), (1, 4), (2, 4), (9, 9), (0, 0)]).startswith("Most votes were right on 2 of 3 pictures")
    assert quiz.summary([(2, 4), (0, 0)]) == "No picture was decided."


def test_every_vote_of_three_hundred_threads_counts_once(known):
    id, _ = known.begin([question(), question(1)], ADDRESS)
    known.go_on(id, 0)
    refused = []

    def cast(phone: str, choice: int) -> None:
        together.wait()
        for _ in range(3):
            try:
                known.vote(id, phone, 0, choice)
            except Refused as why:
                refused.append(str(why))

    everybody = phones(known, 300)
    together = threading.Barrier(300)
    threads = [threading.Thread(target=cast, args=(phone, i % 3 == 0)) for i, phone in enumerate(everybody)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert known.now(id).voted == 300
    assert known.now(id).closed == ()
    assert len(refused) == 600
    assert all("voted already" in why for why in refused)
    known.go_on(id, 1)
    assert known.now(id).closed[0].votes == (200, 100)


def test_until_it_is_closed_no_page_depends_on_what_was_voted(known):
    seen = []
    for choices in ((0, 0, 0), (1, 0, 1)):
        id, _ = known.begin([question()], ADDRESS)
        known.go_on(id, 0)
        for phone, choice in zip(phones(known, 3), choices, strict=True):
            known.vote(id, phone, 0, choice)
        (other,) = phones(known, 1)
        now = known.now(id, other)
        texts = quiz_pages.stage(now, "/quiz/x"), quiz_pages.phone(now, "/quiz/x"), quiz_pages.counted(now)
        seen.append([text.replace(id, "id") for text in texts])
        assert seen[-1][2] == "3 of 4 phones voted"
        known.go_on(id, 1)
        assert f"Votes: A {choices.count(0)}, B {choices.count(1)}." in quiz_pages.stage(known.now(id), "/quiz/x")
    assert seen[0] == seen[1]


def test_votes_that_come_too_late_too_early_or_for_nothing_are_refused(known):
    id, _ = known.begin([question(), question()], ADDRESS)
    (phone,) = phones(known, 1)
    for number, choice, why in ((0, 0, "closed"), (1, 0, "closed"), (0, 7, "closed")):
        with pytest.raises(Refused, match=why):
            known.vote(id, phone, number, choice)
    known.go_on(id, 0)
    for number, choice, why in (
        (1, 0, "closed"),
        (-1, 0, "closed"),
        (0, 2, "no such answer"),
        (0, -1, "no such answer"),
    ):
        with pytest.raises(Refused, match=why):
            known.vote(id, phone, number, choice)
    known.go_on(id, 1)
    with pytest.raises(Refused, match="too late"):
        known.vote(id, phone, 0, 0)
    assert known.now(id).closed[0].votes == (0, 0)
    assert "Nobody voted." in quiz_pages.stage(known.now(id), "/quiz/x")
    known.end(id)
    with pytest.raises(Refused, match="ended"):
        known.vote(id, phone, 0, 0)


def test_a_step_is_taken_once_however_often_it_is_asked_for(known):
    id, _ = known.begin([question()], ADDRESS)
    for _ in range(3):
        known.go_on(id, 0)
    assert known.now(id).step == 1
    for step in (1, 2, 3, 3, 4):
        known.go_on(id, step)
    assert known.now(id).step == known.now(id).last == 3


def test_a_cookie_that_this_server_did_not_sign_is_no_phone(known):
    cookie = known.new_phone()
    assert known.phone_of(cookie)
    other = Quizzes().new_phone()
    for forged in (other, cookie[:-1], f"{cookie}0", "0" + cookie[1:], "", ".", "ä.ö", cookie.partition(".")[0]):
        assert forged == cookie or known.phone_of(forged) is None


def test_quizzes_and_phones_are_bounded_and_old_quizzes_make_room(known, monkeypatch):
    begun = [known.begin([question()], ADDRESS)[0] for _ in range(ballot.MOST_QUIZZES)]
    with pytest.raises(InvalidRequest, match="under way"):
        known.begin([question()], ADDRESS)
    replaced, _ = known.begin([question()], ADDRESS, begun[0])
    assert known.now(begun[0]) is None
    monkeypatch.setattr(ballot, "IDLE", 0.0)
    last, _ = known.begin([question()], ADDRESS)
    assert known.now(replaced) is None
    monkeypatch.setattr(ballot, "MOST_PHONES", 2)
    known.go_on(last, 0)
    first, second, third = phones(known, 3)
    known.vote(last, first, 0, 0)
    known.vote(last, second, 0, 0)
    with pytest.raises(Refused, match="no more fit"):
        known.vote(last, third, 0, 0)
    assert known.now(last, third).phones == 2


@pytest.mark.parametrize(
    "address", ["", "localhost:8501", "javascript:alert(1)", 'http://a"b', "http://a\nb", "http://a/b"]
)
def test_an_address_that_no_phone_opens_is_refused(known, address):
    with pytest.raises(InvalidRequest, match="Phones need an address"):
        known.begin([question()], address)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


def tags(page: str) -> list[str]:
    parser = Tags()
    parser.feed(page)
    return parser.found


def test_names_are_text_on_every_page(known):
    shown = {}
    for text in ("plain", HOSTILE):
        id, _ = known.begin([question(0, text)], ADDRESS)
        (phone,) = phones(known, 1)
        shown[text] = []
        for step in range(4):
            now = known.now(id, phone)
            shown[text] += [tags(quiz_pages.stage(now, "/quiz/x")), tags(quiz_pages.phone(now, "/quiz/x", text))]
            known.go_on(id, step)
    assert shown["plain"] == shown[HOSTILE]
