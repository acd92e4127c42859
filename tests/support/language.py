"""Count retired words in prose and names: `python tests/support/language.py [PATH ...]` lists them.

Prose is docstrings, comments, texts of three words or more, Markdown and notebook text. Names are local variables and
parameters.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import tokenize
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
TREES = {
    "package": ("fusionflow_nb/**/*.py", "hatch_build.py", "fusionflow_nb/**/*.md"),
    "tests": ("tests/**/*.py", "js/scripts/**/*.py", "scripts/**/*.py"),
    "canvas": ("js/src/**/*.ts", "js/src/**/*.tsx", "js/*.mjs"),
    "canvas tests": ("js/test/**/*.ts", "js/dev/*.ts", "js/dev/*.tsx", "js/dev/*.mjs"),
    "documents": ("*.md", "docs/**/*.md", "js/*.md", "notebooks/*.ipynb", ".github/**/*.yml", "Makefile"),
}
"""Parts of the repository that are counted separately, as glob patterns."""
SKIPPED = re.compile(
    r"/(static|fixtures|node_modules|built|recordings|__pycache__|checkpoints)/|test_language|support/language"
)

RETIRED = re.compile(
    r"""\b(?:
      somebody | nobody | whoever | whomever | anew | persons?
    | said | told | tells | heard | hears | hearing | says
    | (?:comes?|came|coming|brings?|brought|bringing)\s+(?:\w+\s+)?home | homecomings?
    | stands(?!\ for) | stood | goes\ on | went\ on | go\ on(?!\ a\b) | lies | lain
    | mend | mends | mended | mending | stumbled?
    | (?:is|are|was|were)\ none | by\ (?:itself|themselves|himself) | of\ (?:ours|theirs) | all\ the\ same
    | living | wanted | (?:can(?:not)?|may|to)\ be\ had
    | (?:sees?|seen|saw)\ to(?!\ be\b) | lets?\ go | as\ it\ were
    | in\ (?:our|its|their|his)\ own\ words | in\ so\ many\ words
    | (?:the|this|that|which|another|other|first|last|next|new|old)\ ones?(?!-)
    | (?:right|wrong|same|whole|small|large|longer|shorter)\ ones?(?!-)
    | knows\ of | takes\ (?:note|leave) | what\ it\ is\ worth | is\ worth
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Turns of phrase that are not used: the plain word of the field takes their place (see CONTRIBUTING.md)."""
RETIRED_NAMES = frozenset(
    {
        *(
            "said",
            "told",
            "heard",
            "asked",
            "given",
            "found",
            "sought",
            "wanted",
            "made",
            "begun",
            "kept",
            "took",
            "came",
        ),
        *("meant", "known", "seen", "living", "one", "each"),
    }
)
"""Local names that do not say what they hold."""
MIN_WORDS = 3


@dataclass
class Count:
    """Hits in prose and names, with the totals they are measured against."""

    words: int = 0
    names: int = 0
    phrases: list[str] = field(default_factory=list)
    bad_names: list[str] = field(default_factory=list)

    def add(self, other: Count) -> None:
        """Add the counts of another file."""
        self.words += other.words
        self.names += other.names
        self.phrases += other.phrases
        self.bad_names += other.bad_names

    @property
    def per_thousand(self) -> float:
        """Retired phrases per 1,000 words of prose."""
        return 1000 * len(self.phrases) / max(self.words, 1)

    @property
    def name_share(self) -> float:
        """Share of local names that are retired, in percent."""
        return 100 * len(self.bad_names) / max(self.names, 1)


def files(tree: str) -> list[Path]:
    """The files of one part of the repository."""
    paths = {path for pattern in TREES[tree] for path in ROOT.glob(pattern)}
    return sorted(path for path in paths if not SKIPPED.search(f"/{path.relative_to(ROOT)}"))


def count_file(path: Path) -> Count:
    """Count one file by its kind."""
    text = path.read_text(encoding="utf-8")
    where = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    if path.suffix == ".py":
        prose, names = _python_prose(text), _python_names(text)
    elif path.suffix in {".ts", ".tsx", ".mjs"}:
        prose, names = _typescript_prose(text), _typescript_names(text)
    elif path.suffix == ".ipynb":
        prose, names = _notebook_prose(text), iter(())
    elif path.suffix == ".md":
        prose, names = iter(enumerate(_without_code(text).splitlines(), 1)), iter(())
    else:
        prose, names = ((n, line) for n, line in enumerate(text.splitlines(), 1) if "#" in line), iter(())
    count = Count()
    for line, sentence in prose:
        count.words += len(re.findall(r"[A-Za-z']+", sentence))
        plain = re.sub(r"`[^`]*`", "", sentence)
        count.phrases += [
            f"{where}:{line + plain.count(chr(10), 0, hit.start())}: {hit[0]}" for hit in RETIRED.finditer(plain)
        ]
    for line, name in names:
        count.names += 1
        if name in RETIRED_NAMES:
            count.bad_names.append(f"{where}:{line}: {name}")
    return count


def count_tree(tree: str) -> Count:
    """Count one part of the repository."""
    total = Count()
    for path in files(tree):
        total.add(count_file(path))
    return total


def _python_prose(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"# (noqa|type:|>>>)", token.string):
            yield token.start[0], re.sub(r"noqa: [A-Z0-9, ]+", "", token.string)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) >= MIN_WORDS:
            code = re.sub(r"^\s*(>>>|\.\.\.).*$", "", node.value, flags=re.MULTILINE)
            if not re.match(r"\s*(import|from|SELECT|WITH|CREATE|INSERT|UPDATE|DELETE)\b", code):
                yield node.lineno, code


def _python_names(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, (ast.MatchAs, ast.ExceptHandler)) and node.name:
            yield node.lineno, node.name


def _typescript_prose(text: str) -> Iterator[tuple[int, str]]:
    pattern = r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`|(?<=>)[^<>{}=;()]{3,}(?=[<{])"
    for match in re.finditer(pattern, text, re.DOTALL):
        words = match[0]
        if words.startswith(("/*", "//")) or len(words.split()) >= MIN_WORDS:
            line = text.count("\n", 0, match.start()) + 1
            yield line, re.sub(r"\$\{[^}]*\}", " ", words) if words.startswith("`") else words


def _typescript_names(text: str) -> Iterator[tuple[int, str]]:
    code = re.sub(
        r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.DOTALL
    )
    for match in re.finditer(r"\b(?:const|let)\s+([A-Za-z_$][\w$]*)|\b(?:const|let)\s+[{[]([^}\]=]*)[}\]]\s*=", code):
        line = code.count("\n", 0, match.start()) + 1
        for name in [match[1]] if match[1] else re.findall(r"([A-Za-z_$][\w$]*)\s*(?:,|$|=|\.\.\.)", match[2] or ""):
            yield line, name
    for match in re.finditer(r"(?:\(([^()]*)\)(?:\s*:\s*[^=>{]+)?|([A-Za-z_$][\w$]*))\s*=>", code):
        line = code.count("\n", 0, match.start()) + 1
        for part in (match[1] or match[2] or "").split(","):
            name = re.match(r"[\s{\[.]*([A-Za-z_$][\w$]*)", part)
            if name:
                yield line, name[1]


def _notebook_prose(text: str) -> Iterator[tuple[int, str]]:
    for number, cell in enumerate(json.loads(text)["cells"], 1):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield number, _without_code(source)
        else:
            yield number, "\n".join(line for line in source.splitlines() if line.lstrip().startswith("#"))


def _without_code(text: str) -> str:
    return re.sub(r"```.*?```", lambda match: re.sub(r"[^\n]", "", match[0]), text, flags=re.DOTALL)


def main() -> None:
    """List the hits of some paths, or the counts of every tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--quiet", action="store_true", help="counts only")
    options = parser.parse_args()
    if options.paths:
        known = {path for tree in TREES for path in files(tree)}
        chosen = [path.resolve() for path in options.paths]
        total = Count()
        for path in sorted(path for path in known if any(path == base or path.is_relative_to(base) for base in chosen)):
            total.add(count_file(path))
        counts = {"chosen paths": total}
    else:
        counts = {tree: count_tree(tree) for tree in TREES}
    for tree, count in counts.items():
        if not options.quiet and options.paths:
            print(*count.phrases, *count.bad_names, sep="\n")  # noqa: T201 - a command
        print(  # noqa: T201
            f"{tree:<14}{len(count.phrases):6} retired phrases in {count.words:7} words, "
            f"{count.per_thousand:5.2f} per 1,000;{len(count.bad_names):6} of {count.names:6} names, "
            f"{count.name_share:4.2f} %"
        )


if __name__ == "__main__":
    main()
