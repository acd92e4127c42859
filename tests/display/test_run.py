"""Display of runs: file names, rows of nodes, a table in a terminal, a card in a cell."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.engine import Gated

from fusionflow_nb import display
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.display import Row, distinct, extension, file_stem, harmless, rows
from fusionflow_nb.display.file_names import MAX_STEM_BYTES
from fusionflow_nb.display.html import MAX_SHOWN_OF_ONE_NODE, MAX_SHOWN_PICTURES
from fusionflow_nb.display.run_rows import _row, dollars, seconds
from fusionflow_nb.engine.run import JobStatus
from fusionflow_nb.errors import RefusedError
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.run import RunHandle

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=300)
LABELS = st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=3).map(tuple)

# --- names -----------------------------------------------------------------------------------------------------------


@given(stem=ANY_TEXT, labels=LABELS)
def test_a_stem_is_valid_on_every_system(stem: str, labels: tuple[tuple[str, str], ...]) -> None:
    """Any prompt gives a single file name: no path, not hidden, no reserved characters, within 255 bytes."""
    name = file_stem(stem, labels)
    assert name
    assert name == name.strip(" .")
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]', name)
    assert not name.startswith(("-", "~"))
    assert len(f"{name} (999).jpeg".encode()) <= 255
    assert file_stem(name, ()) == name


@pytest.mark.parametrize("device", ["con", "PRN", "aux", "NUL", "com1", "LPT9", "con.png", "nul .x", "COM²", "conin$"])
def test_device_names_of_windows_are_not_used(device: str) -> None:
    """Windows reserves them with any extension."""
    assert file_stem(device, ()).startswith("_")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("日本の夜明け", "日本の夜明け"),
        ("café", "café"),
        ("cafe\u0301", "café"),
        ("👩‍👩‍👧 at home", "👩‍👩‍👧 at home"),
        ("..", "unnamed"),
        ("/", "unnamed"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\u202egnp.exe", "a gnp.exe"),
        ("a\nb\tc  d", "a b c d"),
        ("constant", "constant"),
        ("console", "console"),
    ],
)
def test_names_stay_readable(text: str, name: str) -> None:
    """Letters of all scripts remain; invisible and misleading characters are removed."""
    assert file_stem(text, ()) == name


def test_a_long_name_is_cut_between_characters() -> None:
    """No character is split, and there is room for a counter."""
    assert file_stem("👩‍👩‍👧" * 100, ()).encode()
    assert len(file_stem("é" * 500, ()).encode()) == MAX_STEM_BYTES


@given(st.lists(st.sampled_from(["a", "A", "a (2)", "b", "ﬁ", "fi", "ß", "SS"])))
def test_distinct_names_differ_on_every_system(names: list[str]) -> None:
    """Case and compatibility forms are ignored; order and the first name remain."""
    unique = list(distinct(names))
    assert len({name.casefold() for name in unique}) == len(names)
    assert all(new.startswith(old) for old, new in zip(names, unique, strict=True))
    assert unique[:1] == names[:1]


def test_cells_with_equal_names_get_separate_files(flow: Flow, tmp_path: Path) -> None:
    """Prompts may differ only after the cut or in characters that names cannot contain."""
    prompts = ["x" * 300 + "1", "x" * 300 + "2", "a/b", "a:b", "A?b"]
    flow.generate_image(flow.prompts(prompts, name="prompts"), model="fake/image", seed=3, name="still")
    run = flow.run().wait()
    saved = run.save(tmp_path / "out")
    assert len({path.name.casefold() for path in saved}) == len(prompts)
    assert len({path.read_bytes() for path in saved}) == len(prompts)
    assert run.save(tmp_path / "out") == saved  # saving again: the same names, no new files
    assert sorted((tmp_path / "out").iterdir()) == sorted(saved)


def test_an_extension_has_one_dot() -> None:
    """It is derived from the media type."""
    assert [extension(kind) for kind in ("image/png", "image/jpeg", "video/webm")] == [".png", ".jpg", ".webm"]


# --- rows ------------------------------------------------------------------------------------------------------------

STATES = ["queued", "waiting", "running", "succeeded", "cached", "failed", "refused", "skipped", "cancelled", "unknown"]


def row_of(*states: str, count: int = 0, **facts: Any) -> Row:
    return _row("n", [JobStatus(state, **facts) for state in states], count or len(states), 10_000_000)


@pytest.mark.parametrize(
    ("states", "state", "details"),
    [
        (["succeeded"], "succeeded", ""),
        (["cached", "cached"], "cached", "2/2"),
        (["cached", "succeeded"], "succeeded", "2/2"),
        (["succeeded", "running"], "running", "1/2"),
        (["refused", "running"], "running", "0/2 · 1 refused"),
        (["succeeded", "refused"], "refused", "1/2 · 1 refused"),
        (["skipped", "refused"], "refused", "0/2 · 1 skipped · 1 refused"),
        (["succeeded", "skipped"], "skipped", "1/2 · 1 skipped"),
        (["succeeded", "cancelled"], "cancelled", "1/2 · 1 cancelled"),
        (["succeeded", "unknown"], "unknown", "1/2 · 1 unknown"),
        (["queued", "queued"], "queued", "0/2"),
        (["queued", "succeeded"], "running", "1/2"),
        (["waiting", "succeeded"], "waiting", "1/2"),
    ],
)
def test_the_state_of_a_node_follows_precedence(states: list[str], state: str, details: str) -> None:
    """Running ranks before failed before succeeded; the details count the rest."""
    assert (row_of(*states).state, row_of(*states).details) == (state, details)


@given(st.lists(st.sampled_from(STATES), max_size=6), st.floats(0, 1), st.integers(0, 8))
def test_a_bar_is_between_zero_and_one(states: list[str], progress: float, count: int) -> None:
    """It is full only if every job succeeded."""
    row = row_of(*states, count=count, progress=progress)
    assert 0 <= row.done <= 1
    assert (row.done < 1) or progress == 1 or set(states) <= {"succeeded", "cached"}


def test_a_row_names_what_it_waits_for() -> None:
    """The details contain the reason and the queue position."""
    assert row_of("waiting", waits_for="rate_limit").details == "for the rate limit"
    assert row_of("running", progress=0.42, queue_position=3).details == "42% · 3 ahead in the queue"


def test_a_row_contains_one_reason() -> None:
    """The first reason and the number of others; skipped and cancelled jobs have none."""
    refused = [JobStatus("refused", error=RefusedError(text)) for text in ("No.", "No.", "Never.")]
    assert _row("n", refused, 3, 0).reason == "No. (and 1 other reason)"
    assert row_of("skipped", error=RefusedError("x")).reason == ""


@pytest.mark.parametrize(
    ("duration_s", "text"), [(0, "0.0 s"), (59.4, "59.4 s"), (59.96, "1:00 min"), (3599.6, "1:00 h"), (-3, "0.0 s")]
)
def test_durations_have_readable_units(duration_s: float, text: str) -> None:
    """Minutes are shown as minutes, hours as hours."""
    assert seconds(duration_s) == text


def test_small_amounts_are_not_rounded_to_zero() -> None:
    """A tenth of a cent is shown."""
    assert [dollars(micro) for micro in (0, 900, 10_000, 1_234_567)] == ["$0", "$0.0009", "$0.01", "$1.23"]


# --- a terminal ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(flow: Flow, fake: FakeProvider) -> RunHandle:
    """A batch with missing cells, nodes downstream, and a hostile title."""
    fake.when("forbidden", Behaviour(end="refused"))
    flow.document.name = "<b>[red]Mixed[/]\x1b[2J"
    prompts = flow.prompts(["dawn", "forbidden"], name="prompts")
    stills = flow.generate_image(prompts, model="fake/image", seed=flow.seeds([1, 2], name="seeds"), name="stills")
    flow.upscale(stills, model="fake/edit", name="large")
    flow.generate_video(image=stills, model="fake/video", name="film")
    return flow.run().wait()


def printed(run: RunHandle, width: int) -> list[str]:
    target = io.StringIO()
    Console(file=target, width=width, color_system=None).print(display.terminal_table(run))
    return target.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_its_terminal(mixed: RunHandle, width: int) -> None:
    """One row per node with its full state, the reasons below in full, and a total."""
    lines = printed(mixed, width)
    assert max(map(len, lines)) <= width
    assert [line.split()[1] for line in lines[:5]] == ["prompts", "seeds", "stills", "large", "film"]
    assert re.search(r"✗ +stills +━+ +refused +\d+\.\d s +\$0\.08 +2/4 · 2 refused", lines[2])
    assert lines[5].startswith("✗ stills: The service refuses this prompt.")
    assert " · failed · " in lines[6]


def test_the_table_escapes_markup_and_controls(mixed: RunHandle) -> None:
    """Brackets are text, and control characters are escaped."""
    text = "\n".join(printed(mixed, 120))
    assert r"<b>[red]Mixed[/]\x1b[2J" in text
    assert "\x1b" not in text


@given(ANY_TEXT)
def test_harmless_text_has_no_control_characters(text: str) -> None:
    """Text without control characters is unchanged."""
    shown = harmless(text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert harmless(shown) == shown


# --- a cell ----------------------------------------------------------------------------------------------------------


class Parsed(HTMLParser):
    """Tags, attributes and text of HTML; fails if a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


HARMLESS_TAGS = {"div", "span", "table", "tr", "td", "figure", "figcaption", "img"}


def test_the_card_escapes_all_text(flow: Flow, fake: FakeProvider) -> None:
    """Titles, prompts, labels and reasons cannot become tags, attributes, scripts or URLs."""
    hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>&lt;'
    fake.when(f"{hostile}2", Behaviour(end="refused"))
    flow.document.name = hostile
    prompts = flow.prompts([f"{hostile}1", f"{hostile}2"], name="prompts")
    flow.generate_image(prompts, model="fake/image", seed=1, name="stills")
    for html in (display.run_html(flow.run().wait()), display.flow_html(flow)):
        parsed = Parsed(html)
        assert {tag for tag, _ in parsed.tags} <= HARMLESS_TAGS
        assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
        assert all((image["src"] or "").startswith("data:image/webp;base64,") for image in parsed.of("img"))
        assert "url(" not in html
        assert hostile in parsed.words


def test_the_card_shows_states_and_reasons_as_text(mixed: RunHandle) -> None:
    """A refused cell is shown as missing, with its state; skipped cells downstream are not repeated."""
    parsed = Parsed(display.run_html(mixed))
    for word in ("failed", "succeeded", "refused", "skipped", "2/4 · 2 refused", "The service refuses this prompt."):
        assert word in parsed.words
    titles = [figure["title"] for figure in parsed.of("figure")]
    assert titles.count("stills: 1 · forbidden") == 1
    assert len(parsed.of("img")) == 6
    assert len(titles) == 8


def test_the_card_of_a_large_sweep_stays_small(flow: Flow) -> None:
    """A saved notebook must stay small: some previews of each node, few in total, missing cells first."""
    seeds = flow.seeds(list(range(9)), name="seeds")
    for number in range(5):
        flow.generate_image("x", model="fake/free", seed=seeds, width=16 + number, name=f"n{number}")
    parsed = Parsed(display.run_html(flow.run().wait()))
    assert len(parsed.of("img")) == MAX_SHOWN_PICTURES
    assert (
        max(sum(f"n{number}:" in str(figure["title"]) for figure in parsed.of("figure")) for number in range(5))
        == MAX_SHOWN_OF_ONE_NODE
    )
    assert parsed.words.split().count("+5") == 3, "a node shows the number of its hidden previews"
    assert "n4: 5 more" in [span.get("title") for span in parsed.of("span")]


def test_the_card_of_a_running_run_has_no_previews(tmp_path: Path) -> None:
    """During the run it shows bars; previews appear at the end, so that the layout stays stable."""
    service = Gated()
    use_session(Session(tmp_path / "h", Registry([service])))
    flow = Flow("Slow")
    flow.generate_image("x", model="fake/image", name="still")
    run = flow.run()
    assert service.arrived.wait(30)
    running = Parsed(display.run_html(run))
    assert "running" in running.words
    assert running.of("img") == []
    service.gate.set()
    run.wait()
    done = Parsed(display.run_html(run))
    assert len(done.of("img")) == 1
    assert any("width:100.0%" in str(part.get("style")) for part in done.of("div"))


def test_rows_are_in_the_order_of_the_flow(mixed: RunHandle) -> None:
    """The order does not depend on which job ends first."""
    assert [row.node_id for row in rows(mixed)] == ["prompts", "seeds", "stills", "large", "film"]


def test_a_flow_shows_nodes_of_unknown_types(flow: Flow) -> None:
    """A placeholder is a row like any other."""
    flow.add("no_such_type", params={"strength": 2}, name="strange")
    assert "strange" in Parsed(display.flow_html(flow)).words
