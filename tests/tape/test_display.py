"""How results look: everything escaped, pictures inside, readable without a kernel; and the cell magic."""

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
def asked(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.call(
            journal.record(
                [
                    a_generation(number, prompt_snapshot=HOSTILE, output_url=f"fusionflow:{picture(number).sha256}")
                    for number in range(60)
                ]
            )
        )
        opened = Tape(journal.path, preview=lambda sha256: b"webp " + sha256[:4].encode())
        yield opened
        opened.close()


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def test_hostile_prompt_is_only_text(asked):
    """No tag, no attribute and no script comes out of a value or a column name."""
    bundle = asked.sql("""SELECT prompt_snapshot, 1 AS "<b onclick=x>" FROM generations LIMIT 3""")._repr_mimebundle_()
    seen = Tags(bundle["text/html"])
    assert {tag for tag, _ in seen.tags} <= {"style", "div", "table", "thead", "tbody", "tr", "th", "td", "p", "span"}
    assert not any(name.startswith("on") for _, attributes in seen.tags for name in attributes)
    assert seen.words.count("<script>") == 3
    assert "\x1b" not in bundle["text/plain"]
    assert "[red]" in bundle["text/plain"]


def test_thumbnails_are_inside_and_at_most_so_many(asked):
    """The first 48 pictures are data URIs; nothing is fetched; the rest is shown as text."""
    html = asked.sql("SELECT output_url FROM generations")._repr_mimebundle_()["text/html"]
    sources = re.findall(r'src="([^"]*)"', html)
    assert len(sources) == 48
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert html.count('<td style="text-align:left">fusionflow:') == 12
    assert "http" not in html


def test_cells_say_their_side_themselves(asked):
    """A notebook that is not trusted loses the style sheet, and Lab would set every cell flush right."""
    seen = Tags(asked.sql("SELECT 'word' AS word, 7 AS number, NULL::VARCHAR AS none")._repr_mimebundle_()["text/html"])
    sides = [attributes.get("style") for tag, attributes in seen.tags if tag in {"th", "td"}]
    assert sides == ["text-align:left", "text-align:right", "text-align:left"] * 2


def test_content_key_is_no_picture(asked):
    """Only columns that name assets are looked up."""
    html = asked.sql("SELECT content_key, node_id FROM generations")._repr_mimebundle_()["text/html"]
    assert "<img" not in html


def test_picture_without_preview_is_text(tmp_path):
    """A lost or missing preview shows its address."""
    with Journal.open(tmp_path) as journal:
        journal.call(journal.record([a_generation("a")]))
        opened = Tape(journal.path, preview=lambda _sha256: None)
        html = opened.sql("SELECT sha256 FROM outputs")._repr_mimebundle_()["text/html"]
        opened.close()
    assert f">{picture('a').sha256}</td>" in html


def test_table_says_how_much_it_shows(asked):
    """Long results are cut and say so; empty ones show their columns; NULL is not the word NULL."""
    assert "60 rows" in asked.sql("FROM generations")._repr_mimebundle_()["text/html"]
    many = asked.sql("SELECT * FROM range(1000)")._repr_mimebundle_()
    assert "the first 100 of 1,000 rows" in many["text/html"]
    assert "the first 40 of 1,000 rows" in many["text/plain"]
    empty = asked.sql("SELECT id FROM generations WHERE FALSE")._repr_mimebundle_()
    assert "0 rows" in empty["text/html"]
    assert ">id</th>" in empty["text/html"]
    html = asked.sql("SELECT NULL AS nothing, 'NULL' AS word")._repr_mimebundle_()["text/html"]
    assert html.count('<span class="null">NULL</span>') == 1
    assert ">NULL</td>" in html


def test_colours_are_inherited(asked):
    """The table takes the notebook's colours, light or dark: it sets none but shades of its surroundings."""
    html = asked.sql("SELECT 1")._repr_mimebundle_()["text/html"]
    style = html[html.index("<style>") : html.index("</style>")]
    assert "color:inherit" in style
    assert re.findall(r"#[0-9a-fA-F]{3,6}\b|white|black", style.replace("white-space", "")) == []


@pytest.fixture
def shell(asked, monkeypatch):
    monkeypatch.setattr(tape, "_provider", lambda: asked)
    found = InteractiveShell()
    magic.load_ipython_extension(found)
    yield found
    found.history_manager.end_session()


def test_cell_magic_takes_names_from_the_notebook(shell):
    """`$name` is the notebook's variable, passed as a value: IPython pastes nothing into the SQL."""
    shell.user_ns["node"] = "node_1' OR 'x' = 'x"
    assert len(shell.run_cell_magic("tape", "", "SELECT * FROM generations WHERE node_id = $node")) == 0
    shell.user_ns["node"] = "node_1"
    assert len(shell.run_cell_magic("tape", "", "SELECT * FROM generations\nWHERE node_id = $node")) == 1
    assert len(shell.run_line_magic("tape", "SELECT * FROM generations WHERE node_id = $node")) == 1
    assert shell.run_line_magic("tape", "SELECT '{node}'").rows() == [("{node}",)]


def test_cell_magic_keeps_a_result(shell):
    """`name <<` keeps the result instead of showing it, in a cell and in a line; a shift in SQL stays a shift."""
    assert shell.run_cell_magic("tape", "kept <<", "SELECT 1") is None
    assert shell.user_ns["kept"].rows() == [(1,)]
    assert shell.run_line_magic("tape", "line << SELECT 2") is None
    assert shell.user_ns["line"].rows() == [(2,)]
    assert shell.run_line_magic("tape", "SELECT 1 << 3").rows() == [(8,)]


def test_cell_magic_says_what_is_missing(shell):
    """No query and no variable are errors in words."""
    with pytest.raises(errors.TapeError, match="no query"):
        shell.run_line_magic("tape", "")
    with pytest.raises(errors.TapeError, match=r"\$unheard_of"):
        shell.run_cell_magic("tape", "", "SELECT $unheard_of")
