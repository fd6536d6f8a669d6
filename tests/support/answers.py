# SPDX-License-Identifier: Apache-2.0
"""What the stand-in endpoint answers: texts, JSON bodies, stream chunks, headers and errors, in the shapes
that OpenAI and Azure OpenAI use. Everything follows from the request and its seed, so a run can be
repeated."""

import hashlib
import json
import random
import re
import uuid

# ASCII with everything JSON must escape, two-, three- and four-byte UTF-8, combining marks, line separators.
WORDS = [
    "plain",
    "words",
    "and",
    "numbers",
    "3.14159",
    "-0",
    "tab\there",
    "new\nline",
    'quote"s',
    "back\\slash",
    "slash/",
    "</script>",
    "[DONE]",
    "data: x",
    "null",
    '{"a":[1]}',
    "\x01\x1f\x7f",
    "Grüße",
    "naïve",
    "Ελληνικά",
    "кириллица",
    "日本語のテキスト",
    "한국어",
    "हिन्दी",
    "עברית",
    "e\u0301",
    "\u2028\u2029",
    "\ufeff",
    "€",
    "😀",
    "👩‍👩‍👧",
    "𝔘𝔫𝔦",
    "🏳️‍🌈",
    "𠜎",
]


def text(seed, size):
    """Text of exactly `size` bytes of UTF-8, different at every place and for every seed."""
    rng = random.Random(f"text {seed}")
    out = []
    left = size
    number = 0
    while left > 0:
        number += 1
        piece = f"{number} {rng.choice(WORDS)} {rng.getrandbits(48):x} "
        raw = piece.encode()
        if len(raw) > left:
            break
        out.append(piece)
        left -= len(raw)
    return "".join(out) + "." * left


def pieces(rng, whole, count):
    """Cuts a string into at most `count` pieces of uneven length, none empty, never inside a character."""
    if not whole:
        return []
    count = max(1, min(count, len(whole)))
    cuts = sorted(rng.sample(range(1, len(whole)), count - 1)) if count > 1 else []
    return [whole[a:b] for a, b in zip([0] + cuts, cuts + [len(whole)])]


# Questions of the demo, which carry no directive.
KNOWN = {
    "In one sentence: what is BPF?": "BPF lets a program run safely inside the Linux kernel, for example to "
    "watch what other programs do, without changing them.",
    "Write a haiku about logs. 🪵": "Nobody wrote it,\nyet the night remembers all:\none line, then the next. 🌙",
    "Wie heißt die Hauptstadt von Österreich?": "Die Hauptstadt von Österreich ist Wien.",
}


def question(body):
    """The text of the last user message, if it is a string."""
    texts = [one.get("content") for one in body.get("messages") or [] if one.get("role") == "user"]
    return texts[-1] if texts and isinstance(texts[-1], str) else None


def canonical(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def sha256(data):
    return hashlib.sha256(data.encode(errors="surrogatepass") if isinstance(data, str) else data).hexdigest()


DIRECTIVE = re.compile(r"^\[\[(\{.*?\})\]\]", re.S)


def directive(options):
    """The opening of a message text that tells the endpoint what to do."""
    return "[[" + json.dumps(options) + "]] "


def find_directive(body):
    """The directive in the last user message, the prompt or the input of a parsed request body."""
    if not isinstance(body, dict):
        return {}
    texts = []
    for message in body.get("messages") or []:
        content = message.get("content")
        if message.get("role") != "user":
            continue
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            texts += [
                part["text"] for part in content if isinstance(part, dict) and part.get("type") == "text"
            ]
    for key in ("prompt", "input"):
        if isinstance(body.get(key), str):
            texts.append(body[key])
    for candidate in reversed(texts):
        match = DIRECTIVE.match(candidate)
        if match:
            return json.loads(match.group(1))
    return {}


def severity(filtered=None):
    return {
        kind: {"filtered": kind == filtered, "severity": "medium" if kind == filtered else "safe"}
        for kind in ("hate", "self_harm", "sexual", "violence")
    }


def prompt_filter():
    return [
        {
            "prompt_index": 0,
            "content_filter_results": {**severity(), "jailbreak": {"filtered": False, "detected": False}},
        }
    ]


class Chat:
    """One chat completion, from which the plain answer or the list of stream chunks is made."""

    def __init__(self, body, options, azure, request_len, deployment=None):
        self.body = body
        self.options = options
        self.azure = azure
        self.seed = options.get("id") or sha256(canonical(body))
        self.rng = random.Random(f"chat {self.seed}")
        self.id = "chatcmpl-" + sha256(f"response {self.seed}")[:29]
        self.created = 1_700_000_000 + self.rng.randrange(10_000_000)
        asked = body.get("model") or deployment or "gpt-4o"
        self.model = options.get("model") or ("gpt-4o-2024-11-20" if azure else f"{asked}-2024-07-18")
        self.fingerprint = "fp_" + sha256(self.model)[:10]
        self.n = int(body.get("n") or 1)
        size = int(options.get("answer_bytes", 200))
        known = KNOWN.get(question(body))
        known = options.get("answer") or known
        self.texts = [known or text(f"answer {self.seed} {i}", size) for i in range(self.n)]
        self.tools = [
            tool["function"]["name"] for tool in body.get("tools") or [] if tool.get("type") == "function"
        ][:2]
        if options.get("filtered"):
            self.finish = "content_filter"
        elif self.tools:
            self.finish = "tool_calls"
        else:
            self.finish = options.get("finish", "stop")
        completion = sum(max(1, len(t) // 4) for t in self.texts)
        prompt = max(1, request_len // 4)
        self.usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": prompt // 2, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": completion // 3,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def tool_calls(self, choice):
        return [
            {
                "id": "call_" + sha256(f"{self.seed} {choice} {i}")[:24],
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": json.dumps(
                        {"place": 'Zürich 😀 "x"', "number": choice * 10 + i}, ensure_ascii=i == 0
                    ),
                },
            }
            for i, name in enumerate(self.tools)
        ]

    def message(self, choice):
        if self.tools:
            return {
                "role": "assistant",
                "content": None,
                "tool_calls": self.tool_calls(choice),
                "refusal": None,
            }
        return {"role": "assistant", "content": self.texts[choice], "refusal": None}

    def choices(self):
        """The choices of the plain answer; what a stream of the same answer adds up to."""
        choices = []
        for i in range(self.n):
            choice = {"index": i, "message": self.message(i), "finish_reason": self.finish, "logprobs": None}
            if self.azure:
                choice["content_filter_results"] = severity(
                    "violence" if self.finish == "content_filter" else None
                )
            choices.append(choice)
        return choices

    def envelope(self, kind):
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }

    def plain(self):
        answer = {**self.envelope("chat.completion"), "choices": self.choices(), "usage": self.usage}
        if self.azure:
            answer["prompt_filter_results"] = prompt_filter()
        else:
            answer["service_tier"] = "default"
        return answer

    def fill(self, size):
        """Makes the plain answer's body that long."""
        self.texts[0] += "." * (size - len(json.dumps(self.plain(), ensure_ascii=False).encode()))

    def chunk(self, choices, **more):
        out = {**self.envelope("chat.completion.chunk"), "choices": choices}
        if (self.body.get("stream_options") or {}).get("include_usage"):
            out["usage"] = None
        return {**out, **more}

    def deltas(self, choice):
        """The deltas of one choice after its role, in order."""
        if self.tools:
            calls = self.tool_calls(choice)
            out = []
            for i, call in enumerate(calls):
                arguments = pieces(self.rng, call["function"]["arguments"], 5)
                opening = {
                    **call,
                    "index": i,
                    "function": {"name": call["function"]["name"], "arguments": ""},
                }
                out.append({"tool_calls": [opening]})
                out += [
                    {"tool_calls": [{"index": i, "function": {"arguments": piece}}]} for piece in arguments
                ]
            return out
        whole = self.texts[choice]
        count = self.options.get("pieces") or max(4, min(400, len(whole) // 120))
        return [{"content": piece} for piece in pieces(self.rng, whole, count)]

    def stream(self):
        """All chunks of the stream but [DONE]."""
        out = []
        asynchronous = bool(self.options.get("async_filter"))
        if self.azure:
            out.append(
                {
                    "choices": [],
                    "created": 0,
                    "id": "",
                    "model": "",
                    "object": "",
                    "prompt_filter_results": prompt_filter(),
                }
            )
        queues = []
        for i in range(self.n):
            first = {"role": "assistant", "content": None if self.tools else "", "refusal": None}
            queues.append([first, *self.deltas(i)])
        turns = [i for i, queue in enumerate(queues) for _ in queue]
        self.rng.shuffle(turns)
        sent = 0
        for i in turns:
            choice = {"index": i, "delta": queues[i].pop(0), "finish_reason": None, "logprobs": None}
            if self.azure and not asynchronous:
                choice["content_filter_results"] = severity() if "content" in choice["delta"] and sent else {}
            out.append(self.chunk([choice]))
            sent += 1
            if asynchronous and sent % 7 == 0:
                out.append(self.filter_chunk(i, sent))
        for i in range(self.n):
            closing = {"index": i, "delta": {}, "finish_reason": self.finish, "logprobs": None}
            if self.azure and not asynchronous:
                closing["content_filter_results"] = {}
            out.append(self.chunk([closing]))
        if asynchronous:
            out += [self.filter_chunk(i, sent + 1) for i in range(self.n)]
        if (self.body.get("stream_options") or {}).get("include_usage"):
            out.append(self.chunk([], usage=self.usage))
        return out

    def filter_chunk(self, choice, offset):
        return {
            "id": "",
            "object": "",
            "created": 0,
            "model": "",
            "choices": [
                {
                    "index": choice,
                    "finish_reason": None,
                    "content_filter_results": severity(),
                    "content_filter_offsets": {
                        "check_offset": offset,
                        "start_offset": offset,
                        "end_offset": offset + 40,
                    },
                }
            ],
        }


def embeddings(body, model):
    inputs = body.get("input")
    inputs = inputs if isinstance(inputs, list) else [inputs]
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": [round(random.Random(str(x) + str(k)).uniform(-1, 1), 8) for k in range(16)],
        }
        for i, x in enumerate(inputs)
    ]
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 8, "total_tokens": 8}}


def models():
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "system"}
            for name in ("gpt-4o", "gpt-4o-mini")
        ],
    }


ERRORS = {
    "error-401-azure": (
        401,
        {},
        {
            "statusCode": 401,
            "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
            "(https://cognitiveservices.azure.com), or have expired.",
        },
    ),
    "error-401-openai": (
        401,
        {"www-authenticate": "Bearer"},
        {
            "error": {
                "message": "Incorrect API key provided.",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        },
    ),
    "error-403": (
        403,
        {},
        {
            "error": {
                "code": "PermissionDenied",
                "message": "The principal `00000000-0000-0000-0000-000000000000` lacks the required "
                "data action "
                "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action`.",
            }
        },
    ),
    "error-404": (
        404,
        {},
        {
            "error": {
                "code": "DeploymentNotFound",
                "message": "The API deployment for this resource does not exist. If you created the deployment "
                "within the last 5 minutes, please wait a moment and try again.",
            }
        },
    ),
    "error-429": (
        429,
        {"retry-after": "1", "retry-after-ms": "20"},
        {
            "error": {
                "code": "429",
                "message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version "
                "2024-10-21 have exceeded token rate limit. Please retry after 1 second.",
            }
        },
    ),
    "error-400-filter": (
        400,
        {},
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
                "management policy.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {
                        **severity("violence"),
                        "jailbreak": {"filtered": False, "detected": False},
                    },
                },
            }
        },
    ),
    "error-400-inner": (
        400,
        {},
        {
            "error": {
                "code": "content_filter",
                "message": "The response was filtered.",
                "param": "prompt",
                "type": None,
                "inner_error": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_results": severity("hate"),
                },
            }
        },
    ),
    "error-400-responses-filter": (
        400,
        {},
        {
            "error": {
                "message": "The prompt was filtered.",
                "type": "invalid_request_error",
                "param": "input",
                "code": "content_filter",
                "content_filters": [
                    {
                        "blocked": True,
                        "source_type": "prompt",
                        "content_filter_results": severity("violence"),
                        "content_filter_offsets": {"start_offset": 0, "end_offset": 40, "check_offset": 0},
                    }
                ],
            }
        },
    ),
    "error-400-openai": (
        400,
        {},
        {
            "error": {
                "message": "Unsupported value: 'temperature' does not support 7 with this model. 😀",
                "type": "invalid_request_error",
                "param": "temperature",
                "code": None,
            }
        },
    ),
    "error-403-quota": (
        403,
        {"retry-after": "86400"},
        {"statusCode": 403, "message": "Token quota is exceeded. Try again in 1 day."},
    ),
    "error-429-gateway": (
        429,
        {"retry-after": "10"},
        {"statusCode": 429, "message": "Token limit is exceeded. Try again in 10 seconds."},
    ),
    "error-408": (
        408,
        {},
        {"error": {"code": "Timeout", "message": "The operation was timeout.", "type": None, "param": None}},
    ),
    "error-413": (
        413,
        {},
        {"error": {"message": "Maximum content size limit exceeded.", "type": "server_error", "code": None}},
    ),
    "error-503-html": (503, {}, "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>\n"),
    "error-504-html": (504, {}, "<html><body>upstream request timeout</body></html>"),
    "error-500": (
        500,
        {},
        {
            "error": {
                "message": "The server had an error while processing your request. Sorry about that!",
                "type": "server_error",
                "param": None,
                "code": None,
            }
        },
    ),
}

STREAM_ERROR = {
    "error": {
        "message": "The server had an error processing your request.",
        "type": "server_error",
        "param": None,
        "code": "stream_failed",
    }
}


def headers(seed, azure, options, request_headers):
    """The header set of an answer, without the framing."""
    rng = random.Random(f"headers {seed}")
    request_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    milliseconds = f"{rng.uniform(20, 900):.4f}" if rng.random() < 0.5 else str(rng.randrange(20, 900))
    limits = {
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-requests": str(rng.randrange(10000)),
        "x-ratelimit-remaining-tokens": str(rng.randrange(2000000)),
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "0s",
    }
    if azure:
        return {
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
            "apim-request-id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "x-content-type-options": "nosniff",
            "x-ms-region": "Sweden Central",
            "x-ms-deployment-name": options.get("deployment", "chat-prod"),
            "x-ms-rai-invoked": "true",
            "x-request-id": request_id,
            "x-ms-client-request-id": request_headers.get("x-ms-client-request-id", "Not-Set"),
            "azureml-model-session": "d092-20250101000000",
            "x-envoy-upstream-service-time": str(rng.randrange(20, 900)),
            "openai-processing-ms": milliseconds,
            **limits,
        }
    return {
        "Server": "cloudflare",
        "Set-Cookie": f"__cf_bm={rng.getrandbits(160):040x}; path=/; HttpOnly; Secure",
        "openai-organization": "org-contoso",
        "openai-project": "proj_contoso",
        "openai-processing-ms": milliseconds,
        "openai-version": "2020-10-01",
        "x-request-id": "req_" + request_id.replace("-", ""),
        "CF-RAY": f"{rng.getrandbits(64):016x}-AMS",
        "alt-svc": 'h3=":443"; ma=86400',
        **limits,
    }
