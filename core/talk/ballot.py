"""Votes of an audience: phones known by a signed cookie, one vote a phone and question, no tally before it closes.

Everything is in the memory of one process, within bounds, and gone when the server ends.
"""

import hmac
import re
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from core.errors import InvalidRequest
from core.talk.quiz import Question

MOST_QUIZZES, MOST_PHONES = 8, 2000
IDLE = 3 * 3600.0
"""Seconds without a step after which a quiz makes room for another."""
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
ID_LENGTH = 5
# Scheme, host and port; nothing in it ends an attribute or a line.
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,120}")


class Refused(Exception):
    """A vote that does not count; the message says why, to who cast it."""


@dataclass(slots=True)
class Steps:
    """A row of questions and where its host is.

    Step 0 waits for phones, step 2 i + 1 has question i open, step 2 i + 2 has it closed, and the last one sums up.

    Attributes:
        id: in the address that phones open.
        address: of the server as phones reach it.
        questions: in order.
        step: see above.
    """

    id: str
    address: str
    questions: tuple[Question, ...]
    step: int

    @property
    def last(self) -> int:
        """The step that sums up."""
        return 2 * len(self.questions) + 1

    @property
    def number(self) -> int | None:
        """Which question (from 0) is open or closed now; None before the first and after the last."""
        return (self.step - 1) // 2 if 0 < self.step < self.last else None

    @property
    def open(self) -> bool:
        """Whether votes count now."""
        return self.step % 2 == 1 and self.step < self.last

    @property
    def question(self) -> Question | None:
        """The one that is open or closed now."""
        return None if self.number is None else self.questions[self.number]

    @property
    def pictured(self) -> tuple[Question, ...]:
        """Questions whose pictures may be seen, from the first."""
        return self.questions[: (self.step + 1) // 2]


@dataclass(slots=True)
class Quiz(Steps):
    """A quiz with its votes.

    Attributes:
        host: the secret of the browser that leads it.
        votes: of each question, the option by phone.
        phones: that came, whether they voted or not.
        moved: when the last step was taken, in seconds of a clock that never goes back.
    """

    host: str
    votes: list[dict[str, int]]
    phones: set[str] = field(default_factory=set)
    moved: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a closed question got: votes for each option, in order."""

    question: Question
    votes: tuple[int, ...]

    @property
    def right(self) -> int:
        """Votes for the right option."""
        return self.votes[self.question.right]

    @property
    def total(self) -> int:
        """All votes."""
        return sum(self.votes)


@dataclass(slots=True)
class Moment(Steps):
    """A quiz as it is at one moment; of an open question it holds how many voted, and not what.

    Attributes:
        phones: how many came.
        voted: phones that voted on this question.
        chosen: what the phone that asks chose of it; None where it chose nothing.
        closed: tallies of all closed questions, in order.
    """

    phones: int
    voted: int
    chosen: int | None
    closed: tuple[Tally, ...]


def _moment(quiz: Quiz, phone: str) -> Moment:
    closed = []
    for question, cast in zip(quiz.questions, quiz.votes[: quiz.step // 2], strict=False):
        chosen = list(cast.values())
        closed.append(Tally(question, tuple(chosen.count(i) for i in range(len(question.options)))))
    cast = {} if quiz.number is None else quiz.votes[quiz.number]
    at = (quiz.id, quiz.address, quiz.questions, quiz.step)
    return Moment(*at, len(quiz.phones), len(cast), cast.get(phone), tuple(closed))


class Quizzes:
    """All quizzes of this server, from any thread.

    What is asked of a quiz is asked by its id, and answered of one moment: no caller holds a quiz that changes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(32)
        self._quizzes: dict[str, Quiz] = {}

    def begin(self, questions: Sequence[Question], address: str, instead: str = "") -> tuple[str, str]:
        """Begin a quiz; gives its id and its host's secret.

        Args:
            questions: at least one.
            address: of the server as phones reach it, such as `http://192.168.1.5:8501`.
            instead: id of a quiz that ends with this.

        Raises:
            InvalidRequest: there is no question, the address is none, or as many quizzes as fit are under way.
        """
        address = address.strip().rstrip("/")
        if not questions or not _ADDRESS.fullmatch(address):
            raise InvalidRequest(f"Phones need an address such as http://192.168.1.5:8501, not '{address[:120]}'.")
        now = time.monotonic()
        with self._lock:
            self._quizzes.pop(instead, None)
            for old in [quiz.id for quiz in self._quizzes.values() if now - quiz.moved > IDLE]:
                del self._quizzes[old]
            if len(self._quizzes) >= MOST_QUIZZES:
                raise InvalidRequest(f"{MOST_QUIZZES} quizzes are under way on this server: let one of them end first.")
            id = ""
            while not id or id in self._quizzes:
                id = "".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH))
            made = Quiz(id, address, tuple(questions), 0, secrets.token_urlsafe(24), [{} for _ in questions])
            self._quizzes[id] = made
            return id, made.host

    def end(self, id: str) -> None:
        """Forget a quiz and its votes."""
        with self._lock:
            self._quizzes.pop(id, None)

    def new_phone(self) -> str:
        """A cookie that makes a browser a phone that may vote."""
        phone = secrets.token_hex(16)
        return f"{phone}.{self._signature(phone)}"

    def phone_of(self, cookie: str) -> str | None:
        """The phone of a cookie; None unless this server gave it."""
        phone, _, signature = cookie.partition(".")
        known = hmac.compare_digest(signature.encode(), self._signature(phone).encode())
        return phone if known else None

    def _signature(self, phone: str) -> str:
        return hmac.digest(self._secret, phone.encode(), "sha256").hex()

    def leads(self, id: str, secret: str) -> bool:
        """Whether this is the secret of the host of that quiz."""
        with self._lock:
            quiz = self._quizzes.get(id)
        return quiz is not None and hmac.compare_digest(quiz.host.encode(), secret.encode())

    def now(self, id: str, phone: str = "") -> Moment | None:
        """Where a quiz is, as a phone that is counted in with that sees it; None where there is no such quiz."""
        with self._lock:
            quiz = self._quizzes.get(id)
            if quiz is not None and phone and len(quiz.phones) < MOST_PHONES:
                quiz.phones.add(phone)
            return None if quiz is None else _moment(quiz, phone)

    def vote(self, id: str, phone: str, number: int, choice: int) -> None:
        """Count a vote.

        Args:
            id: of the quiz.
            phone: that votes.
            number: of the question (from 0) that it saw.
            choice: of its options.

        Raises:
            Refused: the quiz ended, the question is not open, the phone voted before, or there are too many phones.
        """
        with self._lock:
            quiz = self._quizzes.get(id)
            if quiz is None:
                raise Refused("This quiz has ended.")
            if not quiz.open or number != quiz.number:
                raise Refused("That question is closed: your vote came too late and was not counted.")
            cast = quiz.votes[number]
            if phone in cast:
                raise Refused("This phone has voted already. Its first vote counts, and counts once.")
            if not 0 <= choice < len(quiz.questions[number].options):
                raise Refused("There is no such answer; nothing was counted.")
            if len(cast) >= MOST_PHONES:
                raise Refused(f"{MOST_PHONES} phones have voted, and no more fit.")
            cast[phone] = choice
            quiz.phones.add(phone)

    def go_on(self, id: str, step: int) -> None:
        """Take a quiz from a step to the next; nothing where it is no longer at that step, or at the last."""
        with self._lock:
            quiz = self._quizzes.get(id)
            if quiz is not None and quiz.step == step < quiz.last:
                quiz.step, quiz.moved = step + 1, time.monotonic()


@cache
def quizzes() -> Quizzes:
    """The quizzes of this process."""
    return Quizzes()
