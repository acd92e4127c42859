"""How runs look: names of files, lines of nodes, a table in a terminal, a card in a cell."""

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
from fusionflow_nb.display import Line, distinct, extension, file_stem, harmless, run_rows
from fusionflow_nb.display.file_names import MAX_STEM_BYTES
from fusionflow_nb.display.html import MAX_SHOWN_OF_ONE_NODE, MAX_SHOWN_PICTURES
from fusionflow_nb.display.run_rows import _line, dollars, seconds
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
def test_a_stem_is_a_name_on_every_system(stem: str, labels: tuple[tuple[str, str], ...]) -> None:
    """Whatever people write in prompts: one name, no path, nothing hidden or forbidden, within 255 bytes."""
    name = file_stem(stem, labels)
    assert name
    assert name == name.strip(" .")
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]', name)
    assert not name.startswith(("-", "~"))
    assert len(f"{name} (999).jpeg".encode()) <= 255
    assert file_stem(name, ()) == name


@pytest.mark.parametrize("device", ["con", "PRN", "aux", "NUL", "com1", "LPT9", "con.png", "nul .x", "COM²", "conin$"])
def test_names_that_windows_keeps_for_devices_are_not_used(device: str) -> None:
    """They are devices there whatever extension follows."""
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
    """Letters of all scripts stay; what cannot be seen or would mislead goes."""
    assert file_stem(text, ()) == name


def test_a_long_name_is_cut_between_letters() -> None:
    """No half letter, and room for a counter."""
    assert file_stem("👩‍👩‍👧" * 100, ()).encode()
    assert len(file_stem("é" * 500, ()).encode()) == MAX_STEM_BYTES


@given(st.lists(st.sampled_from(["a", "A", "a (2)", "b", "ﬁ", "fi", "ß", "SS"])))
def test_distinct_names_differ_on_every_system(names: list[str]) -> None:
    """Also where capitals and forms of a letter count as one; each keeps its place, and a first one its name."""
    found = list(distinct(names))
    assert len({name.casefold() for name in found}) == len(names)
    assert all(new.startswith(old) for old, new in zip(names, found, strict=True))
    assert found[:1] == names[:1]


def test_cells_of_one_name_do_not_overwrite_each_other(flow: Flow, tmp_path: Path) -> None:
    """Prompts that differ where names are cut, or in letters that names cannot hold, are files of their own."""
    prompts = ["x" * 300 + "1", "x" * 300 + "2", "a/b", "a:b", "A?b"]
    flow.generate_image(flow.prompts(prompts, name="prompts"), model="fake/image", seed=3, name="still")
    run = flow.run().wait()
    saved = run.save(tmp_path / "out")
    assert len({path.name.casefold() for path in saved}) == len(prompts)
    assert len({path.read_bytes() for path in saved}) == len(prompts)
    assert run.save(tmp_path / "out") == saved  # again: the same names, nothing new
    assert sorted((tmp_path / "out").iterdir()) == sorted(saved)


def test_an_extension_has_one_dot() -> None:
    """By media type, never by what somebody calls it."""
    assert [extension(kind) for kind in ("image/png", "image/jpeg", "video/webm")] == [".png", ".jpg", ".webm"]


# --- lines -----------------------------------------------------------------------------------------------------------

STATES = ["queued", "waiting", "running", "succeeded", "cached", "failed", "refused", "skipped", "cancelled", "unknown"]


def line_of(*states: str, count: int = 0, **facts: Any) -> Line:
    return _line("n", [JobStatus(state, **facts) for state in states], count or len(states), 10_000_000)


@pytest.mark.parametrize(
    ("states", "state", "words"),
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
def test_the_state_that_matters_speaks_for_the_node(states: list[str], state: str, words: str) -> None:
    """Under way before failed before well; counts say the rest."""
    assert line_of(*states)[1:2] + line_of(*states)[3:4] == (state, words)


@given(st.lists(st.sampled_from(STATES), max_size=6), st.floats(0, 1), st.integers(0, 8))
def test_a_bar_is_never_beyond_its_ends(states: list[str], progress: float, count: int) -> None:
    """Whatever is known so far, a fraction is between nothing and all, and full only when all is well."""
    made = line_of(*states, count=count, progress=progress)
    assert 0 <= made.done <= 1
    assert (made.done < 1) or progress == 1 or set(states) <= {"succeeded", "cached"}


def test_a_line_says_what_it_waits_for() -> None:
    """In words; and how many are ahead where the service says so."""
    assert line_of("waiting", waits_for="rate_limit").words == "for the rate limit"
    assert line_of("running", progress=0.42, queue_position=3).words == "42% · 3 ahead in the queue"


def test_a_line_says_the_reason_once() -> None:
    """One reason in full and how many others; what was only skipped or cancelled gives none."""
    refused = [JobStatus("refused", error=RefusedError(text)) for text in ("No.", "No.", "Never.")]
    assert _line("n", refused, 3, 0).said == "No. (and 1 other reason)"
    assert line_of("skipped", error=RefusedError("x")).said == ""


@pytest.mark.parametrize(
    ("given_s", "text"), [(0, "0.0 s"), (59.4, "59.4 s"), (59.96, "1:00 min"), (3599.6, "1:00 h"), (-3, "0.0 s")]
)
def test_times_are_read_and_not_counted(given_s: float, text: str) -> None:
    """Minutes as minutes, hours as hours."""
    assert seconds(given_s) == text


def test_small_money_is_not_nothing() -> None:
    """A tenth of a cent is shown as such."""
    assert [dollars(micro) for micro in (0, 900, 10_000, 1_234_567)] == ["$0", "$0.0009", "$0.01", "$1.23"]


# --- a terminal ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(flow: Flow, fake: FakeProvider) -> RunHandle:
    """A batch with holes, something below it, and a hostile title."""
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
    """A row per node whose state is never cut, the reasons below it in full, and a line that sums up."""
    rows = printed(mixed, width)
    assert max(map(len, rows)) <= width
    assert [row.split()[1] for row in rows[:5]] == ["prompts", "seeds", "stills", "large", "film"]
    assert re.search(r"✗ +stills +━+ +refused +\d+\.\d s +\$0\.08 +2/4 · 2 refused", rows[2])
    assert rows[5].startswith("✗ stills: The service refuses this prompt.")
    assert " · failed · " in rows[6]


def test_the_table_takes_nothing_for_markup(mixed: RunHandle) -> None:
    """Brackets are text, and control codes are shown, not obeyed."""
    text = "\n".join(printed(mixed, 120))
    assert r"<b>[red]Mixed[/]\x1b[2J" in text
    assert "\x1b" not in text


@given(ANY_TEXT)
def test_harmless_text_moves_no_cursor(text: str) -> None:
    """No control code stays, and text without any is as it was."""
    shown = harmless(text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert harmless(shown) == shown


# --- a cell ----------------------------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """What a browser sees: tags, attributes, words; and whether all that opens closes."""

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


def test_the_card_escapes_whatever_it_shows(flow: Flow, fake: FakeProvider) -> None:
    """No tag, attribute, script or address comes out of titles, prompts, labels or reasons."""
    hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>&lt;'
    fake.when(f"{hostile}2", Behaviour(end="refused"))
    flow.document.name = hostile
    prompts = flow.prompts([f"{hostile}1", f"{hostile}2"], name="prompts")
    flow.generate_image(prompts, model="fake/image", seed=1, name="stills")
    for html in (display.run_html(flow.run().wait()), display.flow_html(flow)):
        seen = Seen(html)
        assert {tag for tag, _ in seen.tags} <= HARMLESS_TAGS
        assert not any(name.startswith("on") for _, found in seen.tags for name in found)
        assert all((image["src"] or "").startswith("data:image/webp;base64,") for image in seen.of("img"))
        assert "url(" not in html
        assert hostile in seen.words


def test_the_card_says_states_in_words_and_holes_with_their_reason(mixed: RunHandle) -> None:
    """Colour is never alone; a refused cell is a hole that says so; what was skipped below is not repeated."""
    seen = Seen(display.run_html(mixed))
    for word in ("failed", "succeeded", "refused", "skipped", "2/4 · 2 refused", "The service refuses this prompt."):
        assert word in seen.words
    titles = [figure["title"] for figure in seen.of("figure")]
    assert titles.count("stills: 1 · forbidden") == 1
    assert len(seen.of("img")) == 6
    assert len(titles) == 8


def test_the_card_of_a_large_sweep_stays_small(flow: Flow) -> None:
    """A stored notebook must stay light: some pictures of each node, few in all, holes first."""
    seeds = flow.seeds(list(range(9)), name="seeds")
    for place in range(5):
        flow.generate_image("x", model="fake/free", seed=seeds, width=16 + place, name=f"n{place}")
    seen = Seen(display.run_html(flow.run().wait()))
    assert len(seen.of("img")) == MAX_SHOWN_PICTURES
    assert (
        max(sum(f"n{at}:" in str(one["title"]) for one in seen.of("figure")) for at in range(5))
        == MAX_SHOWN_OF_ONE_NODE
    )
    assert seen.words.split().count("+5") == 3, "a node whose pictures are not all shown says how many are not"
    assert "n4: 5 more" in [one.get("title") for one in seen.of("span")]


def test_a_card_under_way_has_bars_and_no_pictures(tmp_path: Path) -> None:
    """While it runs, widths say how far; pictures come at the end, so that the card does not jump."""
    service = Gated()
    use_session(Session(tmp_path / "h", Registry([service])))
    flow = Flow("Slow")
    flow.generate_image("x", model="fake/image", name="still")
    run = flow.run()
    assert service.arrived.wait(30)
    seen = Seen(display.run_html(run))
    assert "running" in seen.words
    assert seen.of("img") == []
    service.gate.set()
    run.wait()
    done = Seen(display.run_html(run))
    assert len(done.of("img")) == 1
    assert any("width:100.0%" in str(part.get("style")) for part in done.of("div"))


def test_lines_come_in_the_order_of_the_flow(mixed: RunHandle) -> None:
    """The reader finds a node where it was written, whatever ended first."""
    assert [line.node_id for line in run_rows(mixed)] == ["prompts", "seeds", "stills", "large", "film"]


def test_a_flow_shows_what_nothing_declares(flow: Flow) -> None:
    """A placeholder is a line like the others."""
    flow.add("no_such_type", params={"strength": 2}, name="strange")
    assert "strange" in Seen(display.flow_html(flow)).words
