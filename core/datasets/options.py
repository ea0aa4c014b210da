"""Options of addresses: what is known, said in one way."""

from collections.abc import Iterable

from core.errors import InvalidRequest


def refuse_options(id: str, options: Iterable[str], known: Iterable[str] = ()) -> None:
    """Nothing, when every option is known.

    Raises:
        InvalidRequest: one is not; the message lists those that are.
    """
    strange = sorted(set(options) - set(known))
    if strange:
        names = ", ".join(sorted(known))
        raise InvalidRequest(
            f"The data set {id} has no option {', '.join(strange)}. "
            + (f"Known: {names}." if names else "It has none.")
        )


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """The value of an option, when it is allowed.

    Raises:
        InvalidRequest: it is not; the message lists what is.
    """
    choices = list(allowed)
    if value not in choices:
        raise InvalidRequest(f"The option {name} takes {', '.join(choices)}, not '{value}'.")
    return value
