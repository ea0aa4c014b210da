"""What a study is opened with where nobody has chosen: which protocols there are, and which two contenders face."""

from core.results.info import StudyInfo


def protocols(info: StudyInfo) -> list[str]:
    """The protocols with finished cells, in the study's order."""
    done = {info.cells[id]["protocol"] for id in info.done()}
    return [id for id in info.manifest["protocols"] if id in done]


def contenders(info: StudyInfo, protocol: str) -> list[str]:
    """Ids of the encoders with finished cells of a protocol, in the study's order."""
    done = {info.cells[id]["encoder"] for id in info.done(protocol)}
    return [id for id in info.encoders if id in done]


def first(info: StudyInfo, among: list[str]) -> str:
    """The contender that differences are taken from: a supervised one where there is one."""
    return next((id for id in among if info.encoders[id]["family"] == "SL"), among[0])


def second(info: StudyInfo, among: list[str], first: str) -> str:
    """The contender that differences are taken to: a self-supervised one where there is one."""
    others = [id for id in among if id != first] or among
    return next((id for id in others if info.encoders[id]["family"] == "SSL"), others[0])
