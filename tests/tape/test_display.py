"""Display of results: escaped, with embedded thumbnails, readable without a kernel; and the cell magic."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from IPython.core.interactiveshell import InteractiveShell
from support.journal import a_generation, picture

from fusionflow_nb import errors, tape
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.tape import magic
from fusionflow_nb.tape.query import Tape

HOSTILE = '<img src=x onerror=alert(1)><script>alert("hi")</script>\x1b[31m[red]&amp;'


@pytest.fixture
def opened_tape(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.call(
            journal.record(
                [
                    a_generation(number, prompt_snapshot=HOSTILE, output_url=f"fusionflow:{picture(number).sha256}")
                    for number in range(60)
                ]
            )
        )
        result = Tape(journal.path, preview=lambda sha256: b"webp " + sha256[:4].encode())
        yield result
        result.close()


class Tags(HTMLParser):
    """Collects the tags and text of an HTML document."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def test_hostile_prompt_is_rendered_as_text(opened_tape):
    """Values and column names add no tag, attribute or script to the HTML."""
    bundle = opened_tape.sql(
        """SELECT prompt_snapshot, 1 AS "<b onclick=x>" FROM generations LIMIT 3"""
    )._repr_mimebundle_()
    page = Tags(bundle["text/html"])
    assert {tag for tag, _ in page.tags} <= {"style", "div", "table", "thead", "tbody", "tr", "th", "td", "p", "span"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.words.count("<script>") == 3
    assert "\x1b" not in bundle["text/plain"]
    assert "[red]" in bundle["text/plain"]


def test_thumbnails_are_embedded_up_to_a_limit(opened_tape):
    """The first 48 thumbnails are data URIs, further assets are text, and nothing is requested."""
    html = opened_tape.sql("SELECT output_url FROM generations")._repr_mimebundle_()["text/html"]
    sources = re.findall(r'src="([^"]*)"', html)
    assert len(sources) == 48
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert html.count('<td style="text-align:left">fusionflow:') == 12
    assert "http" not in html


def test_cells_have_inline_alignment(opened_tape):
    """An untrusted notebook loses the style sheet, and JupyterLab would right-align every cell."""
    page = Tags(
        opened_tape.sql("SELECT 'word' AS word, 7 AS number, NULL::VARCHAR AS missing")._repr_mimebundle_()["text/html"]
    )
    sides = [attributes.get("style") for tag, attributes in page.tags if tag in {"th", "td"}]
    assert sides == ["text-align:left", "text-align:right", "text-align:left"] * 2


def test_content_key_has_no_thumbnail(opened_tape):
    """Only columns that name assets have thumbnails."""
    html = opened_tape.sql("SELECT content_key, node_id FROM generations")._repr_mimebundle_()["text/html"]
    assert "<img" not in html


def test_asset_without_preview_is_text(tmp_path):
    """An asset whose preview is missing is shown by its digest."""
    with Journal.open(tmp_path) as journal:
        journal.call(journal.record([a_generation("a")]))
        opened = Tape(journal.path, preview=lambda _sha256: None)
        html = opened.sql("SELECT sha256 FROM outputs")._repr_mimebundle_()["text/html"]
        opened.close()
    assert f">{picture('a').sha256}</td>" in html


def test_caption_states_the_number_of_rows(opened_tape):
    """Long results are truncated with a caption, empty results have columns, and NULL differs from the text NULL."""
    assert "60 rows" in opened_tape.sql("FROM generations")._repr_mimebundle_()["text/html"]
    many = opened_tape.sql("SELECT * FROM range(1000)")._repr_mimebundle_()
    assert "the first 100 of 1,000 rows" in many["text/html"]
    assert "the first 40 of 1,000 rows" in many["text/plain"]
    empty = opened_tape.sql("SELECT id FROM generations WHERE FALSE")._repr_mimebundle_()
    assert "0 rows" in empty["text/html"]
    assert ">id</th>" in empty["text/html"]
    html = opened_tape.sql("SELECT NULL AS nothing, 'NULL' AS word")._repr_mimebundle_()["text/html"]
    assert html.count('<span class="null">NULL</span>') == 1
    assert ">NULL</td>" in html


def test_colours_are_inherited(opened_tape):
    """The table inherits the notebook's colours in light and dark themes."""
    html = opened_tape.sql("SELECT 1")._repr_mimebundle_()["text/html"]
    style = html[html.index("<style>") : html.index("</style>")]
    assert "color:inherit" in style
    assert re.findall(r"#[0-9a-fA-F]{3,6}\b|white|black", style.replace("white-space", "")) == []


@pytest.fixture
def shell(opened_tape, monkeypatch):
    monkeypatch.setattr(tape, "_provider", lambda: opened_tape)
    opened_shell = InteractiveShell()
    magic.load_ipython_extension(opened_shell)
    yield opened_shell
    opened_shell.history_manager.end_session()


def test_cell_magic_reads_notebook_variables(shell):
    """`$name` is passed as a value; IPython expands nothing in the SQL."""
    shell.user_ns["node"] = "node_1' OR 'x' = 'x"
    assert len(shell.run_cell_magic("tape", "", "SELECT * FROM generations WHERE node_id = $node")) == 0
    shell.user_ns["node"] = "node_1"
    assert len(shell.run_cell_magic("tape", "", "SELECT * FROM generations\nWHERE node_id = $node")) == 1
    assert len(shell.run_line_magic("tape", "SELECT * FROM generations WHERE node_id = $node")) == 1
    assert shell.run_line_magic("tape", "SELECT '{node}'").rows() == [("{node}",)]


def test_cell_magic_assigns_a_result(shell):
    """`name <<` assigns the result in cells and lines; a shift inside the SQL stays a shift."""
    assert shell.run_cell_magic("tape", "newest <<", "SELECT 1") is None
    assert shell.user_ns["newest"].rows() == [(1,)]
    assert shell.run_line_magic("tape", "line << SELECT 2") is None
    assert shell.user_ns["line"].rows() == [(2,)]
    assert shell.run_line_magic("tape", "SELECT 1 << 3").rows() == [(8,)]


def test_cell_magic_reports_missing_input(shell):
    """An empty query and an undefined variable raise TapeError."""
    with pytest.raises(errors.TapeError, match="query is empty"):
        shell.run_line_magic("tape", "")
    with pytest.raises(errors.TapeError, match=r"\$undefined"):
        shell.run_cell_magic("tape", "", "SELECT $undefined")
