"""Google's side of the wire: interactions, held answers, operations that run long, files."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, File, Job, base_of, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.media import Made
    from fusionflow_nb.simulator.scenario import Scenario, World

IMAGE_TOKENS, TOKENS_PER_SECOND, TEXT_TOKENS = 1120, 5715, 8
TWO_DAYS_S = 48 * 3600.0
ERRORS = {
    "busy": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    "broken": (500, "INTERNAL", "An internal error has occurred."),
    "failed": (500, "INTERNAL", "An internal error has occurred."),
    "no_funds": (400, "FAILED_PRECONDITION", "Billing is not enabled for this project."),
    "invalid": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
}


class GoogleSide:
    """Routes under `/google/api`, with either version in their address."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """What its clients ask."""
        root = "/google/api/{version:v1|v1beta}"
        return [
            web.post(f"{root}/interactions", self.create),
            web.get(f"{root}/interactions/{{id}}", self.get),
            web.post(f"{root}/interactions/{{id}}/cancel", self.cancel),
            web.delete(f"{root}/interactions/{{id}}", self.delete),
            web.post(f"{root}/models/{{model}}:generateContent", self.generate),
            web.post(f"{root}/models/{{model}}:predictLongRunning", self.run_long),
            web.get(f"{root}/models/{{model}}/operations/{{id}}", self.operation),
            web.post("/google/api/upload/{version}/files", self.upload),
            web.get(f"{root}/files/{{name}}", self.file),
        ]

    # --- interactions ----------------------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Begin; without `background` the answer is the end."""
        _check(request)
        body = await request.json()
        given = body.get("input")
        items = given if isinstance(given, list) else [{"type": "text", "text": given}]
        items = [each for item in items for each in item.get("content", [item])]
        begun = await self._begun(request, str(body.get("model")), items, body)
        if not isinstance(begun, Job):
            return begun
        if not body.get("background"):
            begun.looked = begun.mood.looks + 1
        return web.json_response(self._said(request, begun, _stands(begun)))

    async def get(self, request: web.Request) -> web.Response:
        """How it stands; what it was given comes along."""
        job = self._job_of(request)
        if not job.is_cancelled:
            self.world.look(job)
        said = self._said(request, job, _stands(job))
        said["steps"].insert(0, {"type": "user_input", "content": [{"type": "text", "text": job.body["prompt"]}]})
        return web.json_response(said)

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop it."""
        job = self._job_of(request)
        job.is_cancelled = True
        return web.json_response(self._said(request, job, "cancelled"))

    async def delete(self, request: web.Request) -> web.Response:
        """Forget it."""
        del self.world.jobs[self._job_of(request).id]
        return web.json_response({})

    def _said(self, request: web.Request, job: Job, status: str) -> dict[str, Any]:
        said: dict[str, Any] = {
            "id": job.id,
            "object": "interaction",
            "model": job.model,
            "status": status,
            "created": "2026-01-01T00:00:00Z",
            "updated": "2026-01-01T00:00:05Z",
            "steps": [],
        }
        if status == "completed":
            said["steps"] = [{"type": "model_output", "content": [self._item(request, each) for each in job.made]}]
            said["usage"] = _usage(job)
        if status == "failed":
            said["errors"] = [{"code": "internal", "message": "The model had an error."}]
        return said

    def _item(self, request: web.Request, made: Made) -> dict[str, Any]:
        """Pictures and sound in the answer, films at an address of their own."""
        kind = made.media_type.partition("/")[0]
        if kind == "video":
            place = {"uri": self.world.keep(request, made.content, made.media_type)}
        else:
            place = {"data": base64.b64encode(made.content).decode()}
        return {"type": kind, "mime_type": made.media_type, **place}

    # --- held answers ----------------------------------------------------------------------------------------------

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """A picture, in the answer; a refusal is an answer without one."""
        _check(request)
        body = await request.json()
        items = []
        for part in body["contents"][-1]["parts"]:
            inline, file = part.get("inlineData"), part.get("fileData")
            if inline:
                # The service takes either spelling of a name, and its client uses both.
                items.append({"type": "image", "data": inline["data"], "mime_type": _either(inline, "mimeType")})
            elif file:
                items.append({"type": "image", "uri": _either(file, "fileUri")})
            else:
                items.append({"type": "text", "text": part.get("text")})
        job = await self._begun(request, request.match_info["model"], items, body, is_held=True)
        if not isinstance(job, Job):
            return job
        usage: dict[str, Any] = {"promptTokenCount": TEXT_TOKENS, "totalTokenCount": TEXT_TOKENS}
        if job.mood.end == "refused":
            feedback = {"blockReason": "PROHIBITED_CONTENT"}
            return web.json_response({"promptFeedback": feedback, "usageMetadata": usage, "modelVersion": job.model})
        parts = [
            {"inlineData": {"mimeType": each.media_type, "data": base64.b64encode(each.content).decode()}}
            for each in job.made
        ]
        count = IMAGE_TOKENS * len(parts)
        usage |= {"candidatesTokenCount": count, "totalTokenCount": TEXT_TOKENS + count}
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": count}]
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        said: dict[str, Any] = {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": job.model,
            "responseId": job.id,
        }
        return web.json_response(said)

    # --- operations that run long ----------------------------------------------------------------------------------

    async def run_long(self, request: web.Request) -> web.StreamResponse:
        """A film, by the older way."""
        _check(request)
        body = await request.json()
        instance = body["instances"][0]
        items = [{"type": "text", "text": instance.get("prompt")}]
        if "image" in instance:
            items.append({"type": "image", "data": instance["image"]["bytesBase64Encoded"], "mime_type": "image/png"})
        job = await self._begun(request, request.match_info["model"], items, body)
        if not isinstance(job, Job):
            return job
        return web.json_response({"name": f"models/{job.model}/operations/{job.id}"})

    async def operation(self, request: web.Request) -> web.Response:
        """How it stands."""
        job = self._job_of(request)
        said: dict[str, Any] = {"name": f"models/{job.model}/operations/{job.id}"}
        if self.world.look(job) != "ended":
            return web.json_response(said)
        said["done"] = True
        if job.mood.end == "failed":
            return web.json_response({**said, "error": {"code": 13, "message": "The model had an error."}})
        films = [{"video": {"uri": self.world.keep(request, each.content, each.media_type)}} for each in job.made]
        made: dict[str, Any] = {"generatedSamples": films}
        if job.mood.end == "refused":
            made = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["It was filtered."]}
        return web.json_response({**said, "response": {"generateVideoResponse": made}})

    # --- files -----------------------------------------------------------------------------------------------------

    async def upload(self, request: web.Request) -> web.Response:
        """First the announcement, which gives an address; then the bytes, in one piece."""
        command = request.headers.get("X-Goog-Upload-Command")
        if command == "start":
            _check(request)
            address = f"{base_of(request)}{request.path}?upload_id={self.world.name()}"
            return web.json_response({}, headers={"x-goog-upload-url": address, "x-goog-upload-status": "active"})
        content = await request.read()
        if command != "upload, finalize" or str(len(content)) != request.headers["X-Goog-Upload-Header-Content-Length"]:
            return _error("invalid")
        name = request.query["upload_id"]
        media_type = request.headers["X-Goog-Upload-Header-Content-Type"]
        self.world.files[name] = File(content, media_type, self.world.clock() + TWO_DAYS_S)
        state = "PROCESSING" if media_type.startswith("video/") else "ACTIVE"
        said = {"file": self._about(request, name, state)}
        return web.json_response(said, headers={"x-goog-upload-status": "final"})

    async def file(self, request: web.Request) -> web.Response:
        """What is known of a file."""
        _check(request)
        name = request.match_info["name"]
        if name not in self.world.files:
            raise _not_found("File not found.")
        return web.json_response(self._about(request, name, "ACTIVE"))

    def _about(self, request: web.Request, name: str, state: str) -> dict[str, str]:
        file = self.world.files[name]
        uri = f"{base_of(request)}/google/api/v1/files/{name}"
        said = {"name": f"files/{name}", "mimeType": file.media_type, "sizeBytes": str(len(file.content)), "uri": uri}
        return {**said, "state": state, "expirationTime": "2100-01-01T00:00:00Z"}

    # --- common to all ---------------------------------------------------------------------------------------------

    async def _begun(
        self,
        request: web.Request,
        model: str,
        items: list[dict[str, Any]],
        body: dict[str, Any],
        *,
        is_held: bool = False,
    ) -> Job | web.StreamResponse:
        task = self.tasks.get(model)
        if task is None:
            raise _not_found(f"models/{model} is not found.")
        prompt = " ".join(str(each["text"]) for each in items if each.get("type") == "text")
        media = [_address(each) for each in items if each.get("type") == "image"]
        if media:
            task = "image-to-video" if task.endswith("video") else "edit-image"
        mood: Scenario = self.world.mood(prompt)
        if mood.submit in ERRORS or (is_held and mood.end in ERRORS):
            return _error(mood.submit if mood.submit in ERRORS else mood.end)
        flat = {"prompt": prompt, "media": media, "asked": body}
        try:
            job = await self.world.begin(model, task, flat, mood)
        except (errors.FusionFlowError, ValueError):
            return _error("invalid")
        return cut(request) if mood.submit == "lost" else job

    def _job_of(self, request: web.Request) -> Job:
        _check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            raise _not_found("Requested entity was not found.")
        return job


def _either(said: dict[str, Any], name: str) -> str:
    """A field by its name as JSON has it, or as the service's own language has it."""
    return str(said.get(name) or said["".join(f"_{each.lower()}" if each.isupper() else each for each in name)])


def _stands(job: Job) -> str:
    if job.is_cancelled:
        return "cancelled"
    if job.mood.end == "never" or job.looked <= job.mood.looks:
        return "in_progress"
    return "failed" if job.mood.end == "failed" else "completed"


def _usage(job: Job) -> dict[str, Any]:
    kinds = {each.media_type.partition("/")[0] for each in job.made}
    counts = {kind: TOKENS_PER_SECOND if kind == "video" else IMAGE_TOKENS * len(job.made) for kind in kinds}
    return {
        "total_input_tokens": TEXT_TOKENS,
        "total_output_tokens": sum(counts.values()),
        "total_tokens": TEXT_TOKENS + sum(counts.values()),
        "output_tokens_by_modality": [{"modality": kind, "tokens": count} for kind, count in counts.items()],
    }


def _address(item: dict[str, Any]) -> str:
    """A medium where the world finds it; the client writes base64 in the alphabet of addresses."""
    if "uri" in item:
        return str(item["uri"])
    data = str(item["data"]).replace("-", "+").replace("_", "/")
    return f"data:{item.get('mime_type')};base64,{data}"


def _check(request: web.Request) -> None:
    if request.headers.get("x-goog-api-key", "") in {"", BAD_KEY}:
        said = {"error": {"code": 401, "message": "API key not valid.", "status": "UNAUTHENTICATED"}}
        raise web.HTTPUnauthorized(text=json.dumps(said), content_type="application/json")


def _not_found(message: str) -> web.HTTPNotFound:
    said = {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}
    return web.HTTPNotFound(text=json.dumps(said), content_type="application/json")


def _error(wanted: str) -> web.Response:
    status, code, message = ERRORS[wanted]
    said: dict[str, Any] = {"code": status, "message": message, "status": code}
    if wanted == "busy":
        said["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
    return web.json_response({"error": said}, status=status)
