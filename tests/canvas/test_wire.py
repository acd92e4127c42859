"""Both sides of the wire agree: messages of real runs fit the TypeScript types, and examples of views can be read."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import threading
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from support.canvas import View, open_view

import fusionflow_nb as ff
from fusionflow_nb.canvas import messages, wire
from fusionflow_nb.canvas.wire import WIRE_VERSION
from fusionflow_nb.media.picture import encode_png, from_array
from fusionflow_nb.providers.protocol import Pending
from fusionflow_nb.testing.fake import Behaviour

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.testing.fake import FakeProvider

JS = Path(__file__).parents[2] / "js"
EXAMPLES = JS / "test" / "wire-examples.ts"
MODULES = {
    "catalog": ["InputPort", "OutputPort", "NodeType", "ModelParameter", "Model", "Template"],
    "flow": ["WireFlow", "WireGraph"],
    "run": [
        *("ErrorFacts", "Reason", "NodePlan", "Plan", "ResultCell", "JobResult", "Expected", "RunEvent"),
        *("GenerationFacts", "TapeFrame", "Tape", "Budget"),
    ],
    "messages": [
        *("FileFacts", "BytesFacts", "History", "Snapshot", "EditsBroadcast", "RunEventsBroadcast", "PlanMessage"),
        "Facts",
    ],
}
"""Types that have the same name and keys in `wire.py` and in a module of `js/src/wire`."""
VIEW_ONLY = {"RunEvent": ["preview_url"], "TapeFrame": ["is_cached"]}
"""Keys that the view adds itself."""
HELPERS = """
type Keys<T> = { [K in keyof T]-?: Record<string, never> extends Pick<T, K> ? "optional" : "required" }
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] }
"""

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not (JS / "node_modules" / "typescript").is_dir() or shutil.which("npx") is None,
        reason="TypeScript is not installed in js/node_modules",
    ),
]


def compile_typescript(folder: Path, *sources: Path, out: Path | None = None) -> None:
    """Compile with `tsc --strict`; with `out`, also write JavaScript."""
    options: dict[str, Any] = {
        "strict": True,
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "bundler",
        "lib": ["ES2023", "DOM"],
        "types": [],
        "skipLibCheck": True,
    }
    options |= {"noEmit": True} if out is None else {"outDir": str(out), "rootDir": str(JS)}
    config = folder / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "files": [str(source) for source in sources]}))
    command = ["npx", "--no-install", "tsc", "--project", str(config)]
    done = subprocess.run(command, cwd=JS, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:6000]


# --- kernel to view --------------------------------------------------------------------------------------------------


def record_messages(flow: Flow, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> View:
    """A view's messages of runs with progress, previews, results, errors and batches, and of every request."""
    picture = encode_png(from_array(np.zeros((64, 64, 3), dtype=np.uint8)))
    poll, is_seen = fake.poll, threading.Event()

    async def with_preview(operation: Any) -> Any:
        return await poll(operation) if is_seen.is_set() else Pending(0.5, 3, preview=picture)

    monkeypatch.setattr(fake, "poll", with_preview)

    @ff.node
    def count_words(text: str) -> int:
        return len(text.split())

    fake.when("dusk", Behaviour(end="refused"))
    ff.budget(day=20, month=20, project=20)
    view = open_view(flow, path=tmp_path / "wire.flow.json")
    view.edit(
        {"kind": "set_variable", "name": "time", "value": "dawn"},
        {"kind": "add_node", "node": {"id": "words", "type": "text", "params": {"text": "{{time}}"}}},
        {
            "kind": "add_node",
            "node": {"id": "stills", "type": "generate_image", "params": {"model": "fake/image", "seed": 1}},
            "layout": {"x": 300.0, "y": 0.0, "title": "Stills", "width": 320.0},
        },
        {"kind": "add_node", "node": {"id": "prompts", "type": "prompts", "params": {"values": ["dawn", "dusk"]}}},
        {
            "kind": "add_edge",
            "edge": {"source": "prompts", "sourceHandle": "text", "target": "stills", "targetHandle": "prompt"},
        },
        {"kind": "add_node", "node": {"id": "cropped", "type": "upscale", "params": {"model": "fake/edit"}}},
        {
            "kind": "add_edge",
            "edge": {"source": "stills", "sourceHandle": "image", "target": "cropped", "targetHandle": "image"},
        },
    )
    flow.add(count_words, "one two", name="counted")
    view.edit(
        {"kind": "set_node", "node_id": "words", "field": "is_muted", "value": False},
        {"kind": "set_layout", "node_id": "words", "fields": {"x": 4, "y": 8}},
        {"kind": "set_flow", "field": "viewport", "value": {"x": 0, "y": 0, "zoom": 1}},
        {"kind": "rename_node", "old": "words", "new": "prompt_1"},
        {"kind": "several", "edits": [{"kind": "set_variable", "name": "time", "is_unset": True}]},
        {"kind": "remove_node", "node_id": "prompt_1"},
        gesture="g",
    )
    view.post("undo", client_id="view")
    view.post("redo", client_id="view")
    view.edit({"kind": "remove_node", "node_id": "missing"})

    view.request("run", targets=[])
    view.wait_for(
        lambda message: message["type"] == "events" and any("preview" in event for event in message["events"])
    )
    late = open_view(flow, name="late")
    view.received += [message for message in late.received if message["type"] == "snapshot"]
    late.close()
    is_seen.set()
    events = view.wait_for_run_end()
    ends = {event["node_id"]: event for event in events if event["kind"] == "job-end" and event["state"] == "succeeded"}
    sha256 = ends["stills"]["result"]["cells"][0]["sha256"]
    generation_id = ends["cropped"]["generation_id"]
    view.edit({"kind": "set_param", "node_id": "stills", "name": "seed", "value": 2})
    view.edit(
        {
            "kind": "remove_edge",
            "edge": {"source": "stills", "sourceHandle": "image", "target": "cropped", "targetHandle": "image"},
        }
    )
    view.wait_for(lambda message: message["type"] == "facts" and message.get("tape", {}).get("frames"))
    fields = {"sha256": sha256, "media_type": "image/png", "size_bytes": len(picture)}
    for kind, request in [
        ("cancel", {}),
        ("ask", {"what": "snapshot"}),
        ("ask", {"what": "tape", "of": "all"}),
        ("ask", {"what": "generation", "generation_id": generation_id}),
        ("ask", {"what": "layering"}),
        ("ask", {"what": "python"}),
        ("sign", {"sha256": [sha256]}),
        ("media", {"sha256": sha256, "use": "asset"}),
        ("place_upload", fields),
        ("upload", {"media_type": "image/png", "buffers": [picture]}),
        ("download", {"sha256": sha256, "node_id": "stills"}),
        ("save", {"how": "save"}),
        ("restore", {"generation_id": generation_id, "position": {"x": 0, "y": 0}}),
        ("ask_in_sql", {}),
        ("confirm_upload", {**fields, "sha256": "0" * 64}),
    ]:
        view.request(kind, **request)
    asset = view.request("upload", media_type="image/png", buffers=[picture])["asset"]
    view.request("confirm_upload", **asset)
    return view


def test_kernel_messages_fit_the_typescript_types(
    flow: Flow, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every message of a real session compiles as a literal of its type, with no unknown and no missing key."""
    view = record_messages(flow, fake, monkeypatch, tmp_path)
    view.close()
    recorded = json.loads(json.dumps(view.received))
    types = {message["type"] for message in recorded}
    assert types == {get_args(kind.__annotations__["type"])[0] for kind in get_args(wire.KernelMessage)}
    kinds = {event["kind"] for message in recorded if message["type"] == "events" for event in message["events"]}
    edit_kinds = {edit["kind"] for message in recorded if message["type"] == "edits" for edit in message["edits"]}
    source = tmp_path / "recorded.ts"
    source.write_text(
        "\n".join(
            [
                f'import type {{ FromKernel, ReplyFields }} from "{JS}/src/wire/messages"',
                f'import type {{ Edit }} from "{JS}/src/wire/flow"',
                f'import type {{ RunEvent }} from "{JS}/src/wire/run"',
                _constant('Record<FromKernel["type"], true>', dict.fromkeys(types, True)),
                _constant('Record<RunEvent["kind"], true>', dict.fromkeys(kinds, True)),
                _constant('Record<Edit["kind"], true>', dict.fromkeys(edit_kinds, True)),
                *[_constant(f'FromKernel & {{ type: "{message["type"]}" }}', message) for message in recorded],
                *_replies(view, recorded),
            ]
        )
    )
    compile_typescript(tmp_path, source)


def _replies(view: View, recorded: list[dict[str, Any]]) -> list[str]:
    """Fields of all successful replies, and a check that every kind of reply occurs."""
    names = {sent["id"]: sent["what"] if sent["type"] == "ask" else sent["type"] for sent in view.sent}
    replies = [message for message in recorded if message["type"] == "reply" and "error" not in message]
    fields = [(names[reply.pop("id")], {k: v for k, v in reply.items() if k != "type"}) for reply in map(dict, replies)]
    kinds = _constant("Record<keyof ReplyFields, true>", dict.fromkeys((name for name, _ in fields), True))
    return [kinds, *[_constant(f'ReplyFields["{name}"]', values) for name, values in fields]]


_NUMBERS = itertools.count()


def _constant(declared: str, value: Any) -> str:
    return f"export const c{next(_NUMBERS)}: {declared} = {json.dumps(value)}"


def test_python_and_typescript_types_have_the_same_keys(tmp_path: Path) -> None:
    """Each type has the same required and optional keys on both sides."""
    lines = [HELPERS]
    for module, names in MODULES.items():
        lines.append(f'import type {{ {", ".join(names)} }} from "{JS}/src/wire/{module}"')
        for name in names:
            declared = getattr(wire, name)
            keys = dict.fromkeys(declared.__required_keys__, "required")
            keys |= dict.fromkeys(declared.__optional_keys__, "optional")
            without = " | ".join(f'"{key}"' for key in VIEW_ONLY.get(name, ["_"]))
            lines.append(_constant(f"Keys<Omit<Known<{name}>, {without}>>", keys))
    lines.append(f'import {{ WIRE_VERSION }} from "{JS}/src/wire/messages"')
    lines.append(f"export const version: {WIRE_VERSION} = WIRE_VERSION")
    source = tmp_path / "keys.ts"
    source.write_text("\n".join(lines))
    compile_typescript(tmp_path, source)


# --- view to kernel --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Messages of a view by name, from `wire-examples.ts`; the compiler checks that none is missing."""
    folder = tmp_path_factory.mktemp("examples")
    compile_typescript(folder, EXAMPLES, out=folder / "out")
    (folder / "out" / "package.json").write_text('{"type": "module"}')
    script = "import('./test/wire-examples.js').then(m => console.log(JSON.stringify(m.EXAMPLES)))"
    example = folder / "out" / "test" / "wire-examples.js"
    # Node.js needs the file extension that bundlers add.
    example.write_text(example.read_text().replace('"../src/wire/messages"', '"../src/wire/messages.js"'))
    done = subprocess.run(
        ["node", "--eval", script], cwd=folder / "out", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return typing.cast("dict[str, list[dict[str, Any]]]", json.loads(done.stdout))


def test_the_kernel_reads_every_example_of_a_view(examples: dict[str, list[dict[str, Any]]]) -> None:
    """Each example is valid, and the kernel knows each of its keys."""
    keys_by_type: dict[type[Any], set[str]] = {}
    for name, group in examples.items():
        for example in group:
            message = messages.read_message(example)
            unknown = example.keys() - type(message).model_fields.keys()
            assert not unknown, f"{name}: the kernel ignores {unknown}"
            keys_by_type.setdefault(type(message), set()).update(example)
    for kind, keys in keys_by_type.items():
        assert keys == kind.model_fields.keys(), f"no example of {kind.__name__} has {kind.model_fields.keys() - keys}"


def test_every_message_of_the_kernel_has_an_example(examples: dict[str, list[dict[str, Any]]]) -> None:
    """The kernel reads no type and no subject of `ask` that views never send."""
    members = get_args(get_args(messages.Message)[0])
    types = {name for member in members for name in get_args(member.model_fields["type"].annotation)}
    subjects = {f"ask {what}" for what in get_args(messages.Ask.model_fields["what"].annotation)}
    assert examples.keys() == types - {"ask"} | subjects
