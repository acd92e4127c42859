"""A canvas on a page of JupyterLab, operated by mouse and keyboard only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_WATCH_PROGRESS = """root => {
    const seen = window.progressSeen = {};
    const look = () => {
        for (const bar of root.querySelectorAll('.react-flow__node [role=progressbar][aria-valuenow]')) {
            const of = seen[bar.closest('.react-flow__node').dataset.id] ??= [];
            const now = Number(bar.getAttribute('aria-valuenow'));
            if (of.at(-1) !== now) of.push(now);
        }
    };
    new MutationObserver(look).observe(root, {
        subtree: true, childList: true, attributes: true, attributeFilter: ['aria-valuenow'],
    });
}"""
_WATCH_PARTIAL = """root => {
    const seen = window.partialSeen = new Set();
    const look = () => {
        for (const picture of root.querySelectorAll('.ff-cell.is-partial img')) {
            if (picture.naturalWidth > 0) seen.add(picture.src);
            else picture.addEventListener('load', () => seen.add(picture.src), {once: true});
        }
    };
    new MutationObserver(look).observe(root, {subtree: true, childList: true, attributes: true});
}"""


class CanvasPage:
    """One view of a canvas.

    Args:
        page: the page.
        index: number of the view, if there are several.
    """

    def __init__(self, page: Page, index: int = 0) -> None:
        self.page = page
        self.root = page.locator(".ff-root").nth(index)

    def ready(self) -> CanvasPage:
        """Wait for the first snapshot, and scroll the canvas into view."""
        self.root.locator(".ff-tape, .ff-tape-tab").wait_for()
        self.root.scroll_into_view_if_needed()
        return self

    # --- queries -----------------------------------------------------------------------------------------------------

    def node(self, node_id: str) -> Locator:
        return self.root.locator(f".react-flow__node[data-id='{node_id}']")

    def nodes(self) -> list[str]:
        """The ids of all visible nodes."""
        ids = self.root.locator(".react-flow__node").evaluate_all("nodes => nodes.map(node => node.dataset.id)")
        return sorted(ids)

    def await_nodes(self, *node_ids: str) -> None:
        """Wait until exactly these nodes are visible."""
        self.page.wait_for_function(
            "([root, ids]) => JSON.stringify([...root.querySelectorAll('.react-flow__node')]"
            ".map(node => node.dataset.id).sort()) === ids",
            arg=[self.root.element_handle(), json.dumps(sorted(node_ids), separators=(",", ":"))],
        )

    def port(self, node_id: str, port: str, side: str) -> Locator:
        """`side`: `source` or `target`."""
        return self.node(node_id).locator(f".ff-port.{side}[data-handleid={port}]")

    def edges(self) -> int:
        return self.root.locator(".react-flow__edge").count()

    def await_chip(self, node_id: str, text: str) -> None:
        """Wait until a node shows this state."""
        self.node(node_id).locator(".ff-chip", has_text=text).first.wait_for()

    def await_picture(self, node_id: str) -> str:
        """Wait for a loaded image on a node; returns its URL."""
        picture = self.node(node_id).locator("img").first.element_handle()
        self.page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=picture)
        return str(picture.evaluate("image => image.src"))

    def await_fresh(self) -> None:
        """Wait until all nodes are fresh."""
        self.root.locator(".ff-button.is-quiet", has_text="all fresh").wait_for()

    def field(self, node_id: str, name: str) -> Locator:
        """The field of a parameter on its node."""
        return self.node(node_id).locator(f"[id^='ff-card-{node_id}-{name}-']")

    def await_value(self, node_id: str, name: str, value: str) -> None:
        """Wait until the field of a parameter has this value."""
        field = self.field(node_id, name).element_handle()
        self.page.wait_for_function("([field, value]) => field.value === value", arg=[field, value])

    # --- actions -----------------------------------------------------------------------------------------------------

    def focus(self) -> None:
        """Send later keys to the canvas."""
        self.root.evaluate("root => root.focus({preventScroll: true})")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def add(self, letters: str) -> None:
        """Add a node from the palette, by keyboard."""
        self.focus()
        self.press("Tab")
        self.root.get_by_role("combobox").wait_for()
        self.page.keyboard.type(letters)
        self.press("Enter")

    def choose_model(self, node_id: str, letters: str) -> None:
        """Choose the first model that the picker finds."""
        self.node(node_id).locator(".ff-select").click()
        self.root.get_by_role("combobox", name="Find a model").fill(letters)
        self.press("Enter")

    def click(self, node_id: str) -> None:
        """Select one node by its title."""
        self.node(node_id).locator(".ff-title").click()

    def drag(self, start: dict[str, float], end: dict[str, float]) -> None:
        mouse = self.page.mouse
        mouse.move(start["x"], start["y"])
        mouse.down()
        mouse.move((start["x"] + end["x"]) / 2, (start["y"] + end["y"]) / 2, steps=4)
        mouse.move(end["x"], end["y"], steps=6)
        mouse.up()

    def connect(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Draw an edge by mouse."""
        before = self.edges()
        self.drag(middle(self.port(*source, "source")), middle(self.port(*target, "target")))
        self.page.wait_for_function(
            "([root, count]) => root.querySelectorAll('.react-flow__edge').length === count",
            arg=[self.root.element_handle(), before + 1],
        )

    def run_all(self) -> None:
        self.root.locator(".ff-button.is-primary").first.click()

    def watch_partial_pictures(self) -> None:
        """Record which preview images are drawn from now on."""
        self.root.evaluate(_WATCH_PARTIAL)

    def partial_pictures_seen(self) -> list[str]:
        """Return the URLs of the recorded preview images."""
        return list(self.page.evaluate("() => [...window.partialSeen]"))

    def watch_progress(self) -> None:
        """Record the progress that nodes show from now on."""
        self.root.evaluate(_WATCH_PROGRESS)

    def progress_seen(self) -> dict[str, list[int]]:
        return dict(self.page.evaluate("() => window.progressSeen"))


def middle(locator: Locator) -> dict[str, float]:
    """The centre of an element, after animations have ended."""
    locator.element_handle().wait_for_element_state("stable")
    box: Any = locator.bounding_box()
    assert box is not None, "not on the page"
    return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
