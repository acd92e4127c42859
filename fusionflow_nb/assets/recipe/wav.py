"""The recipe in a WAV: a LIST INFO chunk with one comment (ICMT), after the samples."""

from __future__ import annotations

from typing import BinaryIO

from fusionflow_nb.assets.recipe.chunks import Chunk, Span, read_at, size_of, truncated
from fusionflow_nb.assets.recipe.riff import RiffChunk, assemble, chunk_bytes, chunks_of, complete_chunks, copy_chunk
from fusionflow_nb.assets.recipe.text import MAX_RECIPE_BYTES, damaged, from_comment, to_comment, too_large

_NAME = "This WAV"
_PREFIX = b"INFOICMT"
_MARK = to_comment("")[:-1].encode()
_COMMENT_AT = len(_PREFIX) + 4
_MAX_COMMENT_BYTES = MAX_RECIPE_BYTES + 64


def rewrite(stream: BinaryIO, text: str) -> list[Chunk]:
    """The file with a new recipe chunk; all other chunks are unchanged.

    Raises:
        MediaError: the file is truncated, or lacks a format or samples.
    """
    chunks, end = complete_chunks(stream, _NAME)
    if not {b"fmt ", b"data"} <= {chunk.kind for chunk in chunks}:
        raise truncated(_NAME)
    output: list[Chunk] = []
    for chunk in chunks:
        if not _is_recipe(stream, chunk):
            output += copy_chunk(stream, chunk)
    comment = chunk_bytes(b"ICMT", to_comment(text).encode() + b"\0")
    return assemble(b"WAVE", [*output, chunk_bytes(b"LIST", b"INFO" + comment)], Span(end, size_of(stream)))


def read(stream: BinaryIO) -> str | None:
    """The recipe text, or None.

    Raises:
        MediaError: the recipe is damaged or too large.
    """
    for chunk in chunks_of(stream)[0]:
        if _is_recipe(stream, chunk):
            if chunk.data_bytes > _MAX_COMMENT_BYTES:
                raise too_large()
            data = read_at(stream, chunk.data_start + _COMMENT_AT, chunk.data_bytes - _COMMENT_AT)
            try:
                text = from_comment(data.rstrip(b"\0").decode())
            except UnicodeDecodeError as error:
                raise damaged() from error
            if text is None:
                raise damaged()
            return text
    return None


def _is_recipe(stream: BinaryIO, chunk: RiffChunk) -> bool:
    """Whether a chunk contains a recipe; other INFO lists are kept."""
    if chunk.kind != b"LIST" or chunk.data_bytes < _COMMENT_AT + len(_MARK):
        return False
    head = read_at(stream, chunk.data_start, _COMMENT_AT + len(_MARK))
    return head.startswith(_PREFIX) and head.endswith(_MARK)
