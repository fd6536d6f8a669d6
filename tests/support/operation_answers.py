# SPDX-License-Identifier: Apache-2.0
"""The answers of the operations that a model gives: chats, completions, embeddings, responses, images, audio, runs."""

import base64
import json
import random
import struct

import answers
from operations import Answer
from answers import sha256, text

IMAGE_BYTES = 3000


def seed_of(request):
    return request.options.get("id") or sha256(request.target + answers.canonical(request.json))


def fields_of(request):
    """The request's members, from JSON or from a form."""
    return request.json if isinstance(request.json, dict) else getattr(request, "form", {})


def model_of(request, default):
    asked = fields_of(request).get("model") or request.deployment or default
    return request.options.get("model") or (f"{asked}-2025-01-01" if not request.azure else default)


def tokens(usage):
    """What an event counts of a usage object, whichever of the API's names it has."""
    usage = usage or {}
    out = {
        "prompt_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "completion_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "total_tokens": usage.get("total_tokens"),
    }
    return {key: value for key, value in out.items() if value is not None}


def usage_of(request, out_size, new_names=True):
    """new_names: as the Responses API has them."""
    prompt, completion = max(1, len(request.body) // 4), max(1, out_size // 4)
    if new_names:
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": prompt // 2},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": completion // 3},
            "total_tokens": prompt + completion,
        }
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def facts(plain, usage=None, texts=(), **more):
    """plain: the answer as JSON, also of a stream: what its events add up to."""
    out = {
        "usage": usage,
        "tokens": tokens(usage),
        "plain_sha256": {},
        "texts": [sha256(one) for one in texts],
    }
    if isinstance(plain, dict):
        out["plain_sha256"] = {key: sha256(answers.canonical(value)) for key, value in plain.items()}
        if len(answers.canonical(plain)) < 100_000:
            out["plain"] = plain
        if isinstance(plain.get("id"), str):
            out["response_id"] = plain["id"]
        if isinstance(plain.get("model"), str):
            out["answer_model"] = plain["model"]
    return {**out, **more}


def chat(request):
    body, options = request.json, request.options
    if not isinstance(body, dict):
        return None
    made = answers.Chat(body, options, request.azure, len(request.body), request.deployment)
    stream = bool(body.get("stream"))
    if "body_bytes" in options and not stream:
        made.fill(options["body_bytes"])
    choices = made.choices()
    reported = not stream or bool((body.get("stream_options") or {}).get("include_usage"))
    known = {
        "response_id": made.id,
        "answer_model": made.model,
        "answer_texts": [{"sha256": sha256(t), "bytes": len(t.encode())} for t in made.texts],
        "finish_reasons": [made.finish] * made.n,
        "usage": made.usage if reported else None,
        "tokens": tokens(made.usage if reported else None),
        "choices_sha256": sha256(answers.canonical(choices)),
        "tool_calls": [made.tool_calls(i) for i in range(made.n)] if made.tools else None,
    }
    if sum(len(t) for t in made.texts) < 10_000:
        known["choices"] = choices
    if stream:
        return Answer(events=[(None, chunk) for chunk in made.stream()], done=True, facts=known)
    return Answer(made.plain(), facts=known)


def completion(request):
    body, options = request.json, request.options
    seed = seed_of(request)
    prompts = body["prompt"] if isinstance(body["prompt"], list) and body["prompt"] else [body["prompt"]]
    count = (1 if isinstance(prompts[0], int) else len(prompts)) * int(body.get("n") or 1)
    texts = [text(f"completion {seed} {i}", options.get("answer_bytes", 200)) for i in range(count)]
    head = {
        "id": "cmpl-" + sha256(seed)[:29],
        "object": "text_completion",
        "created": 1_730_000_000,
        "model": model_of(request, "gpt-35-turbo-instruct"),
    }
    choices = [
        {"text": one, "index": i, "logprobs": None, "finish_reason": "length"} for i, one in enumerate(texts)
    ]
    usage = usage_of(request, sum(map(len, texts)), False)
    plain = {**head, "choices": choices, "usage": usage}
    stream = bool(body.get("stream"))
    reported = not stream or bool((body.get("stream_options") or {}).get("include_usage"))
    known = facts(plain, usage if reported else None, texts, finish_reasons=["length"] * count)
    if not stream:
        return Answer(plain, facts=known)
    rng = random.Random(f"completion {seed}")
    queues = [answers.pieces(rng, one, 12) for one in texts]
    turns = [i for i, queue in enumerate(queues) for _ in queue]
    rng.shuffle(turns)
    more = {"usage": None} if reported else {}
    events = []
    for i in turns:
        choice = {"text": queues[i].pop(0), "index": i, "logprobs": None, "finish_reason": None}
        events.append((None, {**head, "choices": [choice], **more}))
    for i in range(count):
        choice = {"text": "", "index": i, "logprobs": None, "finish_reason": "length"}
        events.append((None, {**head, "choices": [choice], **more}))
    if reported:
        events.append((None, {**head, "choices": [], "usage": usage}))
    return Answer(events=events, done=True, facts=known)


def embedding(request):
    body = request.json
    given = body["input"]
    tokens_given = isinstance(given, list) and given and isinstance(given[0], int)
    inputs = [given] if isinstance(given, str) or tokens_given else given
    size = int(body.get("dimensions") or 64)
    data = []
    for i, one in enumerate(inputs):
        rng = random.Random(f"{one}")
        vector = [round(rng.uniform(-1, 1), 7) for _ in range(size)]
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": i, "embedding": vector})
    usage = {"prompt_tokens": max(1, len(request.body) // 4), "total_tokens": max(1, len(request.body) // 4)}
    plain = {
        "object": "list",
        "data": data,
        "model": model_of(request, "text-embedding-3-small"),
        "usage": usage,
    }
    return Answer(plain, facts=facts(plain, usage))


class Response:
    """One response of the Responses API, plain or as events."""

    def __init__(self, request, status="completed", identity=None):
        body, options = fields_of(request), request.options
        self.request, self.seed = request, seed_of(request)
        self.id = identity or "resp_" + sha256(self.seed)[:48]
        self.text = text(f"response {self.seed}", options.get("answer_bytes", 300))
        self.tools = [one["name"] for one in body.get("tools") or [] if one.get("type") == "function"]
        self.reasoning = bool(body.get("reasoning"))
        self.usage = usage_of(request, len(self.text))
        self.body = {
            "id": self.id,
            "object": "response",
            "created_at": 1_740_000_000,
            "status": status,
            "background": bool(body.get("background")),
            "error": None,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": None,
            "model": model_of(request, "gpt-4o-2024-11-20"),
            "output": [],
            "parallel_tool_calls": True,
            "previous_response_id": body.get("previous_response_id"),
            "reasoning": {"effort": "medium" if self.reasoning else None, "summary": None},
            "store": True,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": body.get("tools") or [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None,
            "user": None,
            "metadata": body.get("metadata") or {},
        }

    def items(self):
        items = []
        if self.reasoning:
            summary = [{"type": "summary_text", "text": "First look, " + self.text[:60]}]
            items.append({"id": "rs_" + sha256(self.seed)[:40], "type": "reasoning", "summary": summary})
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": self.text}
        if self.tools:
            for i, name in enumerate(self.tools):
                arguments = json.dumps({"place": 'Zürich 😀 "x"', "number": i}, ensure_ascii=False)
                items.append(
                    {
                        "id": f"fc_{sha256(self.seed)[:40]}{i}",
                        "type": "function_call",
                        "status": "completed",
                        "arguments": arguments,
                        "call_id": f"call_{sha256(self.seed)[:20]}{i}",
                        "name": name,
                    }
                )
        else:
            items.append(
                {
                    "id": "msg_" + sha256(self.seed)[:40],
                    "type": "message",
                    "status": "completed",
                    "content": [part],
                    "role": "assistant",
                }
            )
        return items

    def plain(self):
        if self.body["status"] != "completed":
            return self.body
        return {**self.body, "output": self.items(), "usage": self.usage}

    def item_events(self, index, item, rng):
        empty = {**item, "status": "in_progress"} if item["type"] != "reasoning" else {**item, "summary": []}
        place = {"output_index": index, "item_id": item["id"]}
        middle = []
        if item["type"] == "message":
            empty["content"] = []
            part, at = item["content"][0], {**place, "content_index": 0}
            middle.append(("response.content_part.added", {**at, "part": {**part, "text": ""}}))
            for piece in answers.pieces(rng, part["text"], 30):
                middle.append(("response.output_text.delta", {**at, "delta": piece, "logprobs": []}))
            middle.append(("response.output_text.done", {**at, "text": part["text"], "logprobs": []}))
            middle.append(("response.content_part.done", {**at, "part": part}))
        elif item["type"] == "function_call":
            empty["arguments"] = ""
            for piece in answers.pieces(rng, item["arguments"], 6):
                middle.append(("response.function_call_arguments.delta", {**place, "delta": piece}))
            done = {**place, "arguments": item["arguments"], "name": item["name"]}
            middle.append(("response.function_call_arguments.done", done))
        else:
            part, at = item["summary"][0], {**place, "summary_index": 0}
            middle.append(("response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}))
            for piece in answers.pieces(rng, part["text"], 5):
                middle.append(("response.reasoning_summary_text.delta", {**at, "delta": piece}))
            middle.append(("response.reasoning_summary_text.done", {**at, "text": part["text"]}))
            middle.append(("response.reasoning_summary_part.done", {**at, "part": part}))
        return [
            ("response.output_item.added", {"output_index": index, "item": empty}),
            *middle,
            ("response.output_item.done", {"output_index": index, "item": item}),
        ]

    def stream(self):
        rng = random.Random(f"response {self.seed}")
        beginning = {**self.body, "status": "in_progress"}
        out = [
            ("response.created", {"response": beginning}),
            ("response.in_progress", {"response": beginning}),
        ]
        for i, item in enumerate(self.items()):
            out += self.item_events(i, item, rng)
        out.append(("response.completed", {"response": self.plain()}))
        return [(name, {"type": name, "sequence_number": i, **value}) for i, (name, value) in enumerate(out)]


def response(request):
    if request.method == "POST" and request.path.endswith("/compact"):
        plain = {
            "id": "resp_" + sha256(seed_of(request))[:48],
            "object": "response.compaction",
            "created_at": 1_740_000_000,
            "output": [{"id": "cmp_1", "type": "compaction", "encrypted_content": "gAAAA" + "x" * 80}],
            "usage": usage_of(request, 400),
        }
        return Answer(plain, facts=facts(plain, plain["usage"]))
    body = fields_of(request)
    status = "completed"
    if body.get("background"):
        status = "queued"
    elif request.path.endswith("/cancel"):
        status = "cancelled"
    made = Response(request, status, request.ids[0] if request.ids else None)
    plain = made.plain()
    known = facts(plain, plain["usage"], [made.text] if plain["output"] and not made.tools else [])
    if body.get("stream") or request.query.get("stream") == "true":
        error = {
            "type": "error",
            "code": "server_error",
            "message": "The server had an error.",
            "param": None,
        }
        return Answer(
            events=made.stream(), facts=known, error_event=("error", {**error, "sequence_number": 9})
        )
    return Answer(plain, facts=known)


def picture(seed, size=IMAGE_BYTES):
    return b"\x89PNG\r\n\x1a\n" + random.Random(f"picture {seed}").randbytes(size)


def image(request):
    body, seed = fields_of(request), seed_of(request)
    count = int(body.get("n") or 1)
    size = request.options.get("answer_bytes", IMAGE_BYTES)
    pictures = [base64.b64encode(picture(f"{seed} {i}", size)).decode() for i in range(count)]
    old = not str(body.get("model", "gpt-image")).startswith("gpt-image")
    if old and body.get("response_format") != "b64_json":
        data = [
            {"revised_prompt": "In short", "url": f"https://files.example/{sha256(one)}"} for one in pictures
        ]
    else:
        data = [{"b64_json": one} for one in pictures]
    usage = usage_of(request, size) if not old else None
    if usage:
        usage["input_tokens_details"] = {"text_tokens": usage["input_tokens"], "image_tokens": 0}
        del usage["output_tokens_details"]
    plain = {"created": 1_740_000_000, "data": data}
    about = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}
    if usage:
        plain = {"created": 1_740_000_000, **about, "data": data, "usage": usage}
    if str(body.get("stream")).lower() != "true":
        return Answer(plain, facts=facts(plain, usage))
    kind = "image_edit" if request.path.endswith("/edits") else "image_generation"
    events = []
    for i in range(int(body.get("partial_images") or 0)):
        name = f"{kind}.partial_image"
        part = base64.b64encode(picture(f"{seed} part {i}", size)).decode()
        made = {
            "type": name,
            "b64_json": part,
            "created_at": 1_740_000_000,
            **about,
            "partial_image_index": i,
        }
        events.append((name, made))
    name = f"{kind}.completed"
    last = {"type": name, "b64_json": pictures[0], "created_at": 1_740_000_000, **about, "usage": usage}
    events.append((name, last))
    return Answer(events=events, facts=facts(plain, usage))


def speech(request):
    body = request.json
    size = request.options.get("answer_bytes", 20_000)
    sound = random.Random(f"sound {seed_of(request)}").randbytes(size)
    kinds = {
        "wav": "audio/wav",
        "opus": "audio/opus",
        "pcm": "audio/pcm",
        "flac": "audio/flac",
        "aac": "audio/aac",
    }
    if body.get("stream_format") == "sse":
        usage = usage_of(request, size)
        del usage["input_tokens_details"], usage["output_tokens_details"]
        events = [
            (None, {"type": "speech.audio.delta", "audio": base64.b64encode(sound[at : at + 4000]).decode()})
            for at in range(0, size, 4000)
        ]
        events.append((None, {"type": "speech.audio.done", "usage": usage}))
        known = facts({}, usage, file={"bytes": size, "sha256": sha256(sound)})
        return Answer(events=events, facts=known)
    kind = kinds.get(body.get("response_format"), "audio/mpeg")
    known = facts({}, None, file={"bytes": size, "sha256": sha256(sound)})
    return Answer(data=sound, type=kind, facts=known)


def transcript(request):
    form, seed = fields_of(request), seed_of(request)
    said = text(f"said {seed}", request.options.get("answer_bytes", 300)).replace("\n", " ")
    kind = form.get("response_format", "json")
    if str(form.get("stream")).lower() == "true":
        usage = {"type": "tokens", **usage_of(request, len(said))}
        usage["input_token_details"] = {"text_tokens": 0, "audio_tokens": usage["input_tokens"]}
        del usage["input_tokens_details"], usage["output_tokens_details"]
        events = [
            (None, {"type": "transcript.text.delta", "delta": piece})
            for piece in answers.pieces(random.Random(f"said {seed}"), said, 12)
        ]
        plain = {"text": said, "usage": usage}
        events.append((None, {"type": "transcript.text.done", **plain}))
        return Answer(events=events, done=True, facts=facts(plain, usage, [said]))
    if kind in ("text", "srt", "vtt"):
        said = "".join(one for one in said if one.isprintable())
        if kind == "srt":
            said = f"1\n00:00:00,000 --> 00:00:02,000\n{said}\n"
        elif kind == "vtt":
            said = f"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{said}\n"
        raw = said + "\n"
        return Answer(data=raw.encode(), type="text/plain; charset=utf-8", facts=facts({"text": raw}, None))
    plain = {"text": said}
    usage = None
    if kind in ("verbose_json", "diarized_json"):
        usage = {"type": "duration", "seconds": 3}
        segments = [{"id": 0, "seek": 0, "start": 0.0, "end": 2.5, "text": said, "tokens": [50364, 440]}]
        plain = {"task": "transcribe", "language": "german", "duration": 2.5, **plain, "segments": segments}
    elif request.path.endswith("/transcriptions"):
        usage = {"type": "tokens", **usage_of(request, len(said))}
        usage["input_token_details"] = {"text_tokens": 0, "audio_tokens": usage["input_tokens"]}
        del usage["input_tokens_details"], usage["output_tokens_details"]
    if usage:
        plain["usage"] = usage
    return Answer(plain, facts=facts(plain, usage, [said]))


class Run:
    """A run of an assistant, with the message it writes."""

    def __init__(self, request):
        body = fields_of(request)
        self.seed = seed_of(request)
        ids = request.ids
        self.text = text(f"run {self.seed}", request.options.get("answer_bytes", 250))
        self.usage = usage_of(request, len(self.text), False)
        self.body = {
            "id": ids[1] if len(ids) > 1 else "run_" + sha256(self.seed)[:24],
            "object": "thread.run",
            "created_at": 1_740_000_000,
            "assistant_id": body.get("assistant_id", "asst_1"),
            "thread_id": ids[0] if ids else "thread_" + sha256(self.seed)[:24],
            "status": "queued",
            "started_at": None,
            "required_action": None,
            "last_error": None,
            "model": body.get("model") or "gpt-4o",
            "instructions": body.get("instructions"),
            "tools": body.get("tools") or [],
            "metadata": {},
            "usage": None,
        }

    def ended(self, status="completed"):
        return {**self.body, "status": status, "usage": self.usage if status == "completed" else None}

    def stream(self):
        rng = random.Random(f"run {self.seed}")
        run, thread = self.body, self.body["thread_id"]
        step = {
            "id": "step_" + sha256(self.seed)[:24],
            "object": "thread.run.step",
            "run_id": run["id"],
            "thread_id": thread,
            "type": "message_creation",
            "status": "in_progress",
            "usage": None,
        }
        message = {
            "id": "msg_" + sha256(self.seed)[:24],
            "object": "thread.message",
            "thread_id": thread,
            "run_id": run["id"],
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        whole = [{"type": "text", "text": {"value": self.text, "annotations": []}}]
        out = [(f"thread.run.{name}", {**run, "status": name}) for name in ("queued", "in_progress")]
        out.insert(0, ("thread.run.created", run))
        out += [("thread.run.step.created", step), ("thread.run.step.in_progress", step)]
        out += [("thread.message.created", message), ("thread.message.in_progress", message)]
        for piece in answers.pieces(rng, self.text, 15):
            content = [{"index": 0, "type": "text", "text": {"value": piece}}]
            delta = {"id": message["id"], "object": "thread.message.delta", "delta": {"content": content}}
            out.append(("thread.message.delta", delta))
        out.append(("thread.message.completed", {**message, "status": "completed", "content": whole}))
        out.append(("thread.run.step.completed", {**step, "status": "completed", "usage": self.usage}))
        out.append(("thread.run.completed", self.ended()))
        return out


def run(request):
    body, made = fields_of(request), Run(request)
    if body.get("stream"):
        known = facts(made.ended(), made.usage, [made.text])
        error = ("error", {"error": answers.STREAM_ERROR["error"]})
        return Answer(events=made.stream(), done="done", facts=known, error_event=error)
    plain = made.body
    if request.method == "GET":
        plain = made.ended()
    elif request.path.endswith("/cancel"):
        plain = {**made.body, "status": "cancelling"}
    return Answer(plain, facts=facts(plain, plain["usage"]))


MAKERS = {
    "chat": chat,
    "completion": completion,
    "embedding": embedding,
    "response": response,
    "image": image,
    "speech": speech,
    "transcript": transcript,
    "run": run,
}
