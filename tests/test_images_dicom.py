"""DICOM images are shown as a viewer shows them, and what was done is said."""

import io

import numpy as np
import pydicom
import pytest
from image_files import PICTURE
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from core.errors import ImageTooLarge, UnreadableImage
from core.images.opening import open_image

GREY = np.asarray(Image.fromarray(PICTURE).convert("L"))


def dicom(values: np.ndarray, **elements: object) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    file.Rows, file.Columns = values.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PixelRepresentation = int(values.dtype.kind == "i")
    file.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, file, enforce_file_format=True)
    return out.getvalue()


DEEP = GREY.astype(np.uint16) << 4


def test_a_dicom_image_without_a_window_keeps_its_scale() -> None:
    found = open_image(dicom(DEEP))
    np.testing.assert_allclose(found.rgb[..., 0].astype(int), GREY, atol=1)
    assert found.notes == ("DICOM", "no window: 0 to 4,095 shown")


def test_low_values_that_mean_white_are_white() -> None:
    found = open_image(dicom(4095 - DEEP, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(found.rgb[..., 0].astype(int), GREY, atol=1)
    assert any("MONOCHROME1" in note for note in found.notes)


def test_a_window_after_rescaling() -> None:
    values = np.array([[0, 1024, 1064, 1164, 4000]], np.uint16)
    found = open_image(
        dicom(values, RescaleSlope="1", RescaleIntercept="-1024", WindowCenter=["40", "300"], WindowWidth=["200", "9"])
    )
    np.testing.assert_allclose(found.rgb[0, :, 0], [0, 77, 128, 255, 255], atol=1)
    assert found.notes == ("DICOM", "values rescaled as the file says", "window 40 ± 100")


def test_one_of_several_frames_of_dicom_and_damage() -> None:
    data = dicom(np.stack([DEEP, DEEP * 0]), NumberOfFrames=2)
    assert "frame 1 of 2 is shown" in open_image(data).notes
    with pytest.raises(UnreadableImage, match="DICOM"):
        open_image(data[: len(data) // 2])
    with pytest.raises(ImageTooLarge, match="40 megapixels"):
        open_image(dicom(DEEP, Rows=60_000, Columns=60_000))


def test_a_file_that_would_unpack_without_bound_is_refused() -> None:
    data = dicom(DEEP).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99", 1)
    with pytest.raises(UnreadableImage, match="packed as a whole"):
        open_image(data)
