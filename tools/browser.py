"""Debian's Chromium on a page of a ComfyUI server."""

from __future__ import annotations

import json
import shutil
import urllib.request
from types import TracebackType

from playwright.sync_api import Page, sync_playwright

QUIET = (  # it talks to nobody but the server
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)
SIZE = {"width": 1900, "height": 1100}
CLASSIC, NODES_2 = WAYS = ("classic", "nodes 2.0")  # in which the frontend draws nodes


class Browser:
    """`with Browser(url) as browser`: browser.page shows an empty canvas."""

    page: Page

    def __init__(self, url: str, size: dict[str, int] = SIZE) -> None:
        self.url, self.size = url, size
        self.program = shutil.which("chromium") or shutil.which("google-chrome")
        if self.program is None:
            raise RuntimeError("There is no chromium here: on Debian, apt-get install chromium.")

    def __enter__(self) -> Browser:
        self.playwright = sync_playwright().start()
        self.chromium = self.playwright.chromium.launch(executable_path=self.program, args=list(QUIET))
        self.open()
        return self

    def open(self, way: str = CLASSIC, url: str | None = None) -> Page:
        """A new page, as a new visitor sees it, without what it greets them with. `url`: another server's."""
        url = url or self.url
        setting = urllib.request.Request(  # the server keeps it, for pages opened from now on
            f"{url}/settings/Comfy.VueNodes.Enabled",
            json.dumps(way == NODES_2).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(setting, timeout=60).close()
        self.page = self.chromium.new_context(viewport=self.size, accept_downloads=True).new_page()
        self.page.goto(url, wait_until="load")
        self.page.wait_for_function(
            "!!(window.app?.graph && window.LiteGraph?.registered_node_types?.KSampler)"
        )
        self.page.wait_for_timeout(1500)
        self.page.keyboard.press("Escape")
        self.page.evaluate("window.app.graph.clear()")
        return self.page

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.chromium.close()
        self.playwright.stop()
