"""What Streamlit's own page makes of a name that passed through `plain`: the name, and nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import PATIENCE, ROOT, free_port, healthy

pytestmark = pytest.mark.browser

NAMES = [
    *("photo_1.png", "![t](http://evil.example/a.png)", "[a](javascript:b)", "<http://evil.example>", "[x]: http://y"),
    *(":red[x]", "x:red", "a :red b", "a:help[b]", "a:small[b]:green-badge[c]", "::note[x]{a=b}", ":::n"),
    *(":material/home:", ":material_home:", ":streamlit:", "a:smile:b", "noon: 12:30:45"),
    *("$x$ and $$y$$", "$", "\\(x\\)", "<b>&amp;</b> a < b & c", "<script>x", "<!-- a", "a|b~~c~~`d`", "| a | b |"),
    *("**a** _b_ c_d __e__", "*", "_", "~", "`", "``", "***", "~~~", "```js", "# a", "a #", "> a", "- a", "+ a"),
    *("===", "---", "1. a", "12)", "a -> b", "a -- b <-> c >= d", "back\\slash \\* \\", "!\\[a\\](b)", "[^1]"),
    *("see https://x.org/a_b.", "https://x/`a", "HTTP://WWW.X.ORG", "www.x.org", "me@x.org"),
]
SCRIPT = f"""
import streamlit as st
from core.text import plain
for i, name in enumerate({NAMES!r}):
    with st.container(key=f"row{{i}}"):
        st.markdown(plain(name))
        st.markdown(f"**{{plain(name)}}**, sure")
        st.caption(plain(name))
        st.button(plain(name), key=i)
"""
MADE = "img, a, em, del, table, li, blockquote, h1, h2, h3, hr, .katex, [role=img], .stMarkdownColoredText"


def test_a_name_is_shown_letter_by_letter(tmp_path: Path, visit) -> None:
    script, port = tmp_path / "names.py", free_port()
    script.write_text(SCRIPT)
    settings = ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), *settings],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + PATIENCE
        while not healthy(f"http://localhost:{port}") and time.monotonic() < end:
            time.sleep(0.1)
        visitor = visit(f"http://localhost:{port}")
        page = visitor.page
        page.goto(visitor.address)
        page.wait_for_selector(f".st-key-row{len(NAMES) - 1} button")
        visitor.settle()
        for at, name in enumerate(NAMES):
            row = page.locator(f".st-key-row{at}")
            shown = [line.strip() for line in row.inner_text().replace("\u2060", "").splitlines() if line.strip()]
            assert shown == [name, f"{name}, sure", name, name]
            assert row.locator(MADE).count() == 0, name
        assert visitor.strangers() == []
    finally:
        process.terminate()
        process.wait()
