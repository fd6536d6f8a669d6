# SPDX-License-Identifier: Apache-2.0
"""The answers of the operations that keep things: files, batches, fine-tuning jobs, vector stores, assistants, threads,
conversations, containers, evals, videos, models; and of the few that compute something small."""

import random
import secrets

import answers
from operation_answers import facts, fields_of, seed_of, usage_of
from operations import Answer
from answers import sha256, text

CREATED = 1_740_000_000

# Segment of the path: (object name, prefix of its ids, members).
KINDS = {
    "files": (
        "file",
        "file-",
        {"bytes": 140, "filename": "größe.jsonl", "purpose": "batch", "status": "processed"},
    ),
    "uploads": (
        "upload",
        "upload_",
        {"bytes": 4000, "filename": "a.jsonl", "purpose": "batch", "status": "pending"},
    ),
    "parts": ("upload.part", "part_", {"upload_id": "upload_1"}),
    "batches": (
        "batch",
        "batch_",
        {
            "endpoint": "/v1/chat/completions",
            "errors": None,
            "input_file_id": "file-1",
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": {"größe": "klein 😀"},
        },
    ),
    "jobs": (
        "fine_tuning.job",
        "ftjob-",
        {
            "model": "gpt-4o-mini-2024-07-18",
            "fine_tuned_model": None,
            "organization_id": "org-contoso",
            "status": "queued",
            "training_file": "file-1",
            "hyperparameters": {"n_epochs": "auto"},
            "result_files": [],
            "error": None,
        },
    ),
    "events": (
        "fine_tuning.job.event",
        "ftevent-",
        {"level": "info", "message": "Step 10: loss=0.1", "type": "message"},
    ),
    "checkpoints": (
        "fine_tuning.job.checkpoint",
        "ftckpt_",
        {"step_number": 10, "metrics": {"train_loss": 0.125}},
    ),
    "models": ("model", "", {"owned_by": "system"}),
    "vector_stores": (
        "vector_store",
        "vs_",
        {
            "name": "Lager",
            "usage_bytes": 0,
            "status": "completed",
            "file_counts": {"total": 0, "completed": 0},
        },
    ),
    "file_batches": (
        "vector_store.file_batch",
        "vsfb_",
        {"status": "in_progress", "file_counts": {"total": 1}},
    ),
    "vs_files": (
        "vector_store.file",
        "file-",
        {"usage_bytes": 123, "status": "completed", "last_error": None},
    ),
    "assistants": (
        "assistant",
        "asst_",
        {"name": "Hilfe", "model": "gpt-4o", "instructions": "Sei kurz.", "tools": []},
    ),
    "threads": ("thread", "thread_", {"metadata": {}, "tool_resources": {}}),
    "messages": (
        "thread.message",
        "msg_",
        {
            "role": "user",
            "content": [{"type": "text", "text": {"value": "Grüße 😀", "annotations": []}}],
            "assistant_id": None,
            "run_id": None,
        },
    ),
    "runs": (
        "thread.run",
        "run_",
        {"assistant_id": "asst_1", "status": "queued", "model": "gpt-4o", "usage": None},
    ),
    "steps": ("thread.run.step", "step_", {"type": "message_creation", "status": "completed", "usage": None}),
    "conversations": ("conversation", "conv_", {"metadata": {}}),
    "items": (
        None,
        "msg_",
        {
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_text", "text": "Grüße 😀"}],
        },
    ),
    "containers": ("container", "cntr_", {"name": "Kiste", "status": "running", "last_active_at": CREATED}),
    "container_files": (
        "container.file",
        "cfile_",
        {"path": "/mnt/data/a.txt", "bytes": 7, "source": "user"},
    ),
    "evals": (
        "eval",
        "eval_",
        {"name": "Probe", "testing_criteria": [], "data_source_config": {"type": "custom"}},
    ),
    "eval_runs": ("eval.run", "evalrun_", {"status": "queued", "name": "Lauf", "model": "gpt-4o"}),
    "output_items": ("eval.run.output_item", "outputitem_", {"status": "pass", "datasource_item_id": 1}),
    "videos": (
        "video",
        "video_",
        {"model": "sora-2", "status": "queued", "progress": 0, "seconds": "4", "size": "720x1280"},
    ),
    "completions": (
        "chat.completion",
        "chatcmpl-",
        {
            "model": "gpt-4o-2024-11-20",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Wien 😀"}, "finish_reason": "stop"}
            ],
        },
    ),
    "input_items": (
        None,
        "msg_",
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Grüße 😀"}]},
    ),
}
# Where the last name of the path says too little.
BELOW = {
    ("vector_stores", "files"): "vs_files",
    ("containers", "files"): "container_files",
    ("evals", "runs"): "eval_runs",
    ("completions", "messages"): "input_items",
}


def names_of(row):
    return [name for name in row.path.split("/") if name and not name.startswith("{")]


def kind_of(row):
    names = names_of(row)
    if names[-1] not in KINDS and len(names) > 1:
        names.pop()  # a verb: cancel, complete, search
    kind = names[-1]
    if names[0] == "evals" and kind == "runs":
        return "eval_runs"
    if names[:2] == ["vector_stores", "file_batches"] and kind == "files":
        return "vs_files"
    return BELOW.get((names[-2] if len(names) > 1 else "", kind), kind)


def thing(kind, identity, request):
    name, prefix, members = KINDS[kind]
    out = {"id": identity or prefix + sha256(seed_of(request))[:24]}
    if name:
        out["object"] = name
    out["created" if kind in ("models", "completions") else "created_at"] = CREATED
    out.update(members)
    asked = fields_of(request)
    for key in ("name", "metadata", "purpose", "model", "instructions"):
        if key in members and isinstance(asked.get(key), str | dict):
            out[key] = asked[key]
    return out


def listing(kind, request):
    if kind == "models":
        return answers.models()
    data = [thing(kind, f"{KINDS[kind][1]}{i}", request) for i in range(3)]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
        "has_more": False,
    }


def moderation(request):
    given = request.json["input"]
    scores = {name: 0.0001 for name in ("hate", "violence", "self-harm", "sexual/minors")}
    one = {"flagged": False, "categories": {name: False for name in scores}, "category_scores": scores}
    count = len(given) if isinstance(given, list) else 1
    return {
        "id": "modr-" + sha256(seed_of(request))[:20],
        "model": "omni-moderation-latest",
        "results": [one] * count,
    }


def key(request):
    """What gives out a credential."""
    session = {"id": "sess_1", "object": "realtime.session", "type": "realtime", "model": "gpt-realtime"}
    value = "ek_" + secrets.token_hex(16)
    if request.path.endswith("/client_secrets"):
        return {"value": value, "expires_at": CREATED, "session": session}
    return {**session, "client_secret": {"value": value, "expires_at": CREATED}}


def content(request):
    size = request.options.get("answer_bytes", 5000)
    if request.path.startswith(("/v1/videos", "/openai/v1/videos")):
        return random.Random(f"film {seed_of(request)}").randbytes(size), "video/mp4"
    if "/containers/" in request.path:
        return random.Random(f"box {seed_of(request)}").randbytes(size), "application/octet-stream"
    lines = "".join('{"custom_id": "%d", "response": {"status_code": 200}}\n' % i for i in range(size // 50))
    return (lines + text(seed_of(request), 50)).encode(), "application/octet-stream"


def value_of(request):
    row = request.row
    names, last = names_of(row), row.path.rsplit("/", 1)[1]
    if row.name == "createModeration":
        return moderation(request)
    if row.name == "Getinputtokencounts":
        return {"object": "response.input_tokens", "input_tokens": usage_of(request, 0)["input_tokens"]}
    kind = kind_of(row)
    identity = request.ids[-1] if request.ids else None
    if request.method == "DELETE":
        name = KINDS[kind][0] or kind if kind in KINDS else "response"
        return {"id": identity, "object": name + ".deleted", "deleted": True}
    if last == "search":
        found = {"file_id": "file-1", "filename": "a.txt", "score": 0.5, "attributes": {}}
        found["content"] = [{"type": "text", "text": "Grüße 😀"}]
        page = {"object": "vector_store.search_results.page", "search_query": [request.json["query"]]}
        return {**page, "data": [found], "has_more": False, "next_page": None}
    if last == "content":
        data = [{"type": "text", "text": "Grüße 😀"}]
        return {
            "object": "vector_store.file_content.page",
            "data": data,
            "has_more": False,
            "next_page": None,
        }
    if request.method == "POST" and names[-1] == "items" and not last.startswith("{"):
        return listing(kind, request)
    if request.method in ("GET", "HEAD") and not last.startswith("{"):
        return listing(kind, request)
    return thing(
        kind,
        identity if last.startswith("{") or last in ("cancel", "complete", "pause", "resume") else None,
        request,
    )


def answer(request):
    if request.row.kind == "realtime":
        return None
    if request.row.kind == "file":
        data, kind = content(request)
        return Answer(
            data=data, type=kind, facts=facts({}, file={"bytes": len(data), "sha256": sha256(data)})
        )
    if request.row.kind == "key":
        # Not in the record: it is a credential.
        value = key(request)
        secret = value["value"] if "value" in value else value["client_secret"]["value"]
        return Answer(value, facts=facts({}, secret_sha256=sha256(secret)))
    value = value_of(request)
    etag = '"models-1"' if request.row.name == "listModels" else None
    return Answer(value, etag=etag, facts=facts(value))
