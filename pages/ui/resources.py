"""What pages cache: what is made of images, by digest, with limits.

Images are never hashed by Streamlit (it samples large arrays, so two uploads could share a key): a picture goes by the
SHA-256 of its uploaded bytes, the numbers of a contender for it by `core.pipeline.key`. Arguments that start with an
underscore stay out of the key.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core import devices, invariance, pipeline, readout, samples
from core import doubts as doubting
from core.datasets.address import open_address
from core.encoders.preprocess import display_crop
from core.encoders.resident import residents
from core.encoders.spec import Preprocessing
from core.errors import Cancelled, ImageError
from core.images import apart
from core.images import image as pictures
from core.images.image import SafeImage
from core.pipeline import RESULT_VERSION, Reading
from core.readout import Contender
from core.results.info import StudyInfo
from core.study import estimate
from core.study import gallery as galleries
from core.study.gallery import Gallery
from pages.ui import sessions

T = TypeVar("T")
PUBLIC: set[str] = set()  # digests of pictures of published data sets


def contender(encoder_id: str, task_id: str) -> Contender:
    """An encoder with its head, loaded once for everybody; it stays in memory until others need the room."""
    return pipeline.load(encoder_id, task_id)


def without_head(encoder_id: str) -> Contender:
    """As `contender`, for what compares features alone."""
    return readout.shared_without_head(encoder_id, devices.pick("auto"))


@st.cache_data(show_spinner=False, max_size="300MB")
def _numbers(what: str, key: str, arguments: tuple[Any, ...], _compute: Callable[[], T]) -> T:
    """What holds no pixel, once for everybody: what it is, whose (a digest), and all else that decides it."""
    return _compute()


def doubts(contender: Contender) -> list[str]:
    """Why a contender may be no trained encoder, in sentences; empty as a rule."""
    return _numbers("doubts", pipeline.key(contender), (), lambda: doubting.doubts(contender))


def _of_picture(max_size: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """A cache of what holds pixels: everybody's for all, else for a session. The picture comes first, and is no key."""

    def cached(compute: Callable[..., T]) -> Callable[..., T]:
        for_all = st.cache_data(show_spinner=False, max_size=max_size)(compute)
        for_one = st.cache_data(show_spinner=False, max_size=max_size, scope="session")(compute)

        def ask(_image: SafeImage, *key: Any) -> T:
            everybodys = _image.digest in samples.digests() or _image.digest in PUBLIC
            return (for_all if everybodys else for_one)(_image, *key)

        return ask

    return cached


@st.cache_resource(show_spinner=False, max_entries=64, scope="session")
def _uploaded(file_id: str, _file: UploadedFile) -> SafeImage | ImageError:
    try:
        return apart.open_copy_in_time(_file.getvalue(), sessions.left())
    except ImageError as error:
        return error  # kept, or what took long to refuse would take as long at every run of the page


def uploaded(file: UploadedFile) -> SafeImage:
    """The decoded image; raises ImageError where it cannot be opened. Decoding ends when the visitor has left."""
    try:
        found = _uploaded(file.file_id, file)
    except Cancelled:
        st.stop()
    if isinstance(found, ImageError):
        raise found.with_traceback(None)
    return found


@st.cache_resource(show_spinner=False)
def sample_image(id: str) -> SafeImage:
    """A bundled sample, decoded."""
    return samples.image(id)


@_of_picture(max_size="32MB")
def _png(_image: SafeImage, digest: str, what: tuple[Any, ...], _draw: Callable[[], pictures.Pixels]) -> bytes:
    return pictures.encode_png(_draw())


def png(image: SafeImage, draw: Callable[[], pictures.Pixels], *what: Any) -> bytes:
    """`draw()` as PNG, for a picture that is made of an image; `what` is hashable, and all else that decides it."""
    return _png(image, image.digest, what, draw)


def thumbnail(image: SafeImage, side: int) -> bytes:
    """A small PNG of an image for galleries and tables."""
    return png(image, lambda: pictures.thumbnail(image, side), "thumbnail", side)


def square(image: SafeImage, side: int) -> bytes:
    """The central square of an image as a small PNG, so that a gallery lines up."""
    return png(image, lambda: display_crop(image.rgb, Preprocessing(size=1, resize=1), side), "square", side)


@_of_picture(max_size="100MB")
def _reading(_image: SafeImage, key: str, _contender: Contender) -> Reading:
    return pipeline.read_images(_contender, [_image])[0]


def reading(contender: Contender, image: SafeImage) -> Reading:
    """Map, feature and logits of one image for one contender."""
    return _reading(image, pipeline.key(contender, image), contender)


def attribution(contender: Contender, image: SafeImage, target: int, method: str) -> NDArray[np.float32]:
    """The signed map of a class, on its own grid."""
    read = reading(contender, image)
    key, what = pipeline.key(contender, image), (target, method)
    return _numbers("map", key, what, lambda: pipeline.attribute(contender, image, read, target, method))


def pair(contender: Contender, image: SafeImage, other: SafeImage) -> tuple[float, NDArray[np.float32]]:
    """Cosine of two images and the map of where on the first it comes from."""
    key = pipeline.key(contender, image, other, head=False)
    return _numbers("pair", key, (), lambda: pipeline.compare_pair(contender, image, other))


def floor(contender: Contender) -> float:
    """Mean cosine between different bundled samples for this encoder."""
    key = pipeline.key(contender, head=False)
    return _numbers("floor", key, (), lambda: pipeline.strangers_floor(contender))


@st.cache_data(show_spinner=False, max_size="50MB", scope="session")
def _clean(key: str, _contender: Contender, _images: list[SafeImage]) -> invariance.Clean:
    return pipeline.clean(_contender, _images)


def point(contender: Contender, chosen: list[SafeImage], name: str, strength: float, seeds: int) -> invariance.Point:
    """One strength of a sweep; a sweep that was stopped finds its finished points here."""
    key, augmentation = pipeline.key(contender, *chosen), pipeline.augmentation(name)

    def measure() -> invariance.Point:
        return invariance.measure(contender, _clean(key, contender, chosen), augmentation, strength, seeds)

    return _numbers("point", key, (name, strength, seeds), measure)


def of_study(info: StudyInfo, compute: Callable[..., T], *arguments: Any) -> T:
    """`compute(info, *arguments)`, once for everybody until the study changes.

    Args:
        info: the study.
        compute: a module-level function of `core` that gives a table or plain values.
        *arguments: hashable and small, such as ids.
    """
    what = f"{RESULT_VERSION} {compute.__module__}.{compute.__qualname__}"
    return _numbers(what, info.version, arguments, lambda: compute(info, *arguments))


# A chart takes longer to put together than to send, and pages only read it.
@st.cache_resource(show_spinner=False, max_entries=64)
def _drawn(key: tuple[str, ...], what: str, _compute: Callable[[], T]) -> T:
    return _compute()


def drawn(info: StudyInfo, compute: Callable[[StudyInfo], T]) -> T:
    """`compute(info)`, one object for everybody until the study changes: nobody may change it."""
    return _drawn(
        (info.version,), f"{RESULT_VERSION} {compute.__module__}.{compute.__qualname__}", lambda: compute(info)
    )


def held(key: tuple[str, ...], compute: Callable[[], T]) -> T:
    """`compute()`, one object for everybody under a key that decides it: nobody may change it."""
    return _drawn(key, "", compute)


def drawn_of(contenders: Sequence[Contender], image: SafeImage, what: str, compute: Callable[[], T]) -> T:
    """`compute()`, one object for everybody: nobody may change it.

    Args:
        contenders: whose numbers it is made of.
        image: that these are for; no pixel of it may be in what is computed.
        what: all else that decides it.
        compute: gives figures, tables and words.
    """
    return _drawn(tuple(pipeline.key(contender, image) for contender in contenders), what, compute)


# A set that is not at hand raises, and what raises is not cached: it is found once it is brought.
@st.cache_resource(show_spinner="Opening the data set", max_entries=4)
def _gallery(address: str, fingerprint: str) -> Gallery:
    return galleries.open_gallery(address, fingerprint)


def gallery(info: StudyInfo, dataset: str) -> Gallery:
    """The images behind a study's rows, opened once for everybody.

    Raises:
        InvariscopeError: the data set is not at hand.
    """
    about = info.datasets[dataset]
    return _gallery(str(about["address"]), str(about["fingerprint"]))


@st.cache_data(show_spinner=False, max_size="64MB")
def _study_thumbnail(key: tuple[str, str, str], side: int, _opened: Gallery) -> bytes | None:
    image = _opened.image(key[2])
    return (
        None if image is None else pictures.encode_png(display_crop(image.rgb, Preprocessing(size=1, resize=1), side))
    )


def study_thumbnail(opened: Gallery, sample_id: str, side: int = 160) -> bytes | None:
    """The central square of a study's sample as a PNG; None when it has no readable image."""
    return _study_thumbnail((opened.images.address, opened.images.fingerprint, sample_id), side, opened)


@st.cache_resource(show_spinner=False, max_entries=64, scope="session")
def _study_image(address: str, fingerprint: str, sample_id: str, _opened: Gallery) -> SafeImage | None:
    return _opened.image(sample_id)


def study_image(opened: Gallery, sample_id: str) -> SafeImage | None:
    """A study's sample, decoded; None when it has no readable image."""
    found = _study_image(opened.images.address, opened.images.fingerprint, sample_id, opened)
    if found is not None and not opened.images.address.startswith("folder:"):
        PUBLIC.add(found.digest)
    return found


@st.cache_data(show_spinner="Looking into the data set", ttl="1m", max_entries=64)
def described_set(address: str) -> dict[str, Any]:
    """Label, domain, classes, samples and note of a data set, looked up anew every minute.

    Raises:
        InvariscopeError: it cannot be opened.
    """
    found = open_address(address)
    return {
        "label": found.spec.label,
        "domain": found.spec.domain,
        "classes": len(found.classes),
        "counts": {name: len(part) for name, part in found.parts.items()},
        "samples": ", ".join(f"{len(part):,} {name}" for name, part in found.parts.items()),
        "note": found.spec.note,
    }


def speed(encoder_id: str) -> float:
    """Images a second that a packaged encoder reads here, measured once."""
    encoder = residents().get(encoder_id, devices.pick("auto"))
    return _numbers("speed", encoder.sha256, (), lambda: estimate.images_per_second(encoder))
