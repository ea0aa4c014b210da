"""What people do with studies, in a browser, against a running server."""

import io
import random
import re
import zipfile

import pandas as pd
import pytest
from playwright.sync_api import expect
from study_folders import COLOURS, picture

pytestmark = pytest.mark.browser


def labelled_zip(ballast: int = 0) -> bytes:
    """Pictures in three colours, and as many bytes more that no packing makes less."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for part, count in (("train", 12), ("test", 5)):
            for word, colour in COLOURS.items():
                for i in range(count):
                    seed = i + (100 if part == "test" else 0)
                    archive.writestr(f"colours/{part}/{word}/{i}.png", picture(colour, seed))
        if ballast:
            archive.writestr("colours/readme.txt", random.Random(0).randbytes(ballast))
    return out.getvalue()


def test_the_shipped_study_opens_by_a_deep_link_and_leads_to_its_samples(fresh_server, visit):
    visitor = visit(fresh_server)
    page = visitor.open("/study?study=family&protocol=knn")
    visitor.arrive("How far")
    expect(page.get_by_text(re.compile("k-NN, paired tests"))).to_be_visible()
    page.get_by_role("button", name=re.compile("Open its samples")).click()
    visitor.arrive("image by image")
    page.get_by_role("button", name=re.compile("Only SimCLR right")).click()
    visitor.settle()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=re.compile("This page's samples")).click()
    table = pd.read_csv(waiting.value.path())
    assert len(table) > 5
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    assert visitor.complaints == []
    assert visitor.strangers() == []


def test_the_threshold_moves_accuracy_and_coverage(server, visit):
    visitor = visit(server)
    page = visitor.open("/confidence?study=family&dataset=chest_xray")
    page.get_by_role("tab", name="Does it know when it is wrong?").click()
    visitor.settle()
    finding = page.get_by_text(re.compile(r"From confidence .* on:"))
    before = finding.first.inner_text()
    page.get_by_role("slider", name=re.compile("Answer only from")).press("ArrowLeft")
    expect(finding.first).not_to_have_text(before)
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def test_an_uploaded_folder_is_studied_in_the_background(fresh_server, visit):
    visitor = visit(fresh_server)
    page = visitor.open("/run-study")
    page.set_input_files(
        "[data-testid=stMain] [data-testid=stFileUploaderDropzoneInput]",
        [{"name": "colours.zip", "mimeType": "application/zip", "buffer": labelled_zip()}],
    )
    expect(page.get_by_text("3 classes").first).to_be_visible()
    visitor.settle()
    for measure in ("Invariance", "Attribution", "Geometry"):  # so that it ends while one waits
        page.get_by_role("button", name=f"Remove {measure}", exact=True).click()
        visitor.settle()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text(re.compile(r"running since"))).to_be_visible()
    # Who closes the tab finds the study again.
    page.reload()
    expect(page.get_by_text(re.compile(r"is done: (\d+) of \1 cells"))).to_be_visible()
    visitor.settle()
    page.get_by_role("button", name="Accuracy", exact=True).click()
    expect(page.get_by_text(re.compile("my-study")).first).to_be_visible()
    expect(page.get_by_text(re.compile("Linear probe")).first).to_be_visible()
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def test_an_archive_larger_than_a_picture_may_be_is_taken(fresh_server, visit, tmp_path):
    file = tmp_path / "large.zip"
    file.write_bytes(labelled_zip(60 << 20))
    visitor = visit(fresh_server)
    page = visitor.open("/run-study")
    expect(page.get_by_text("An archive of up to 200 MB can be uploaded")).to_be_visible()
    page.set_input_files("[data-testid=stMain] [data-testid=stFileUploaderDropzoneInput]", file)
    expect(page.get_by_text(re.compile("large · 3 classes"))).to_be_visible()
    expect(page.get_by_text("AxiosError")).to_have_count(0)
    assert visitor.complaints == []
