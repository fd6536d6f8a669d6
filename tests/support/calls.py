# SPDX-License-Identifier: Apache-2.0
"""Every operation as a call of the SDKs: (operation id and variant, method, what stands in the path, keywords, hosts).
Hosts: o api.openai.com, a Azure OpenAI's older paths, v Azure's v1."""

import base64
import random


def file(name, size=2000, kind="application/octet-stream"):
    data = random.Random(name).randbytes(size)
    return {"$file": {"name": name, "type": kind, "base64": base64.b64encode(data).decode()}}


SAY = [{"role": "system", "content": "Kurz."}, {"role": "user", "content": 'Grüße 😀 "x"\n'}]
TOOL = {"name": "weather", "description": "größe", "parameters": {"type": "object", "properties": {}}}
CHAT_TOOLS = [{"type": "function", "function": TOOL}]
TOOLS = [{"type": "function", **TOOL, "strict": False}]
USAGE = {"include_usage": True}
STREAM = {"stream": True}
SOUND = file("größe.wav", 30_000, "audio/wav")
PICTURE, MASK = file("eins.png", 4000, "image/png"), file("maske.png", 900, "image/png")
LINES = file("zeilen.jsonl", 3000, "application/jsonl")
GPT, WHISPER, HEAR = {"model": "gpt-4o"}, {"model": "whisper-1"}, {"model": "gpt-4o-transcribe"}
CHAT = {**GPT, "messages": SAY}
OLD = {"model": "gpt-35-turbo-instruct"}
ASK = {**GPT, "input": "Grüße 😀"}
ITEMS = [{"role": "user", "content": [{"type": "input_text", "text": "Grüße 😀"}]}]
TEXT3 = {"model": "text-embedding-3-small"}
DRAW, DRAW_OLD = {"model": "gpt-image-1", "prompt": "ein Bär 🐻"}, {"model": "dall-e-3", "prompt": "ein Bär"}
SPEAK = {"model": "tts-1", "voice": "alloy", "input": "Grüße 😀"}
T, VS, CN, EV = (
    {"thread_id": "thread_1"},
    {"vector_store_id": "vs_1"},
    {"container_id": "cntr_1"},
    {"eval_id": "eval_1"},
)
ASSISTANT = {"assistant_id": "asst_1"}
OUTPUTS = {"tool_outputs": [{"tool_call_id": "call_1", "output": "12 °C"}]}
META = {"metadata": {"größe": "klein"}}
BATCH = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
CRITERION = {"type": "string_check", "name": "n", "input": "{{item.a}}", "reference": "b", "operation": "eq"}
EVAL = {
    "name": "Probe",
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
    "testing_criteria": [CRITERION],
}
SOURCE = {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}}}
ITEM = {"type": "message", "role": "user", "content": "Grüße 😀"}

CALLS = [
    ("createChatCompletion", "chat.completions.create", [], CHAT, "oav"),
    (
        "createChatCompletion streamed",
        "chat.completions.create",
        [],
        {**CHAT, **STREAM, "stream_options": USAGE},
        "oav",
    ),
    (
        "createChatCompletion tools",
        "chat.completions.create",
        [],
        {**CHAT, "tools": CHAT_TOOLS, "n": 2},
        "oav",
    ),
    (
        "createChatCompletion tools streamed",
        "chat.completions.create",
        [],
        {**CHAT, "tools": CHAT_TOOLS, **STREAM, "stream_options": USAGE},
        "oav",
    ),
    ("listChatCompletions", "chat.completions.list", [], {}, "ov"),
    ("getChatCompletion", "chat.completions.retrieve", ["chatcmpl-1"], {}, "ov"),
    ("updateChatCompletion", "chat.completions.update", ["chatcmpl-1"], META, "ov"),
    ("deleteChatCompletion", "chat.completions.delete", ["chatcmpl-1"], {}, "ov"),
    ("getChatCompletionMessages", "chat.completions.messages.list", ["chatcmpl-1"], {}, "ov"),
    ("createCompletion", "completions.create", [], {**OLD, "prompt": "Grüße 😀", "max_tokens": 50}, "oav"),
    (
        "createCompletion several",
        "completions.create",
        [],
        {**OLD, "prompt": ["eins", "zwei"], "n": 2},
        "oav",
    ),
    ("createCompletion tokens", "completions.create", [], {**OLD, "prompt": [1, 2, 3]}, "oav"),
    (
        "createCompletion streamed",
        "completions.create",
        [],
        {**OLD, "prompt": ["a", "b"], **STREAM, "stream_options": USAGE},
        "oav",
    ),
    (
        "createEmbedding",
        "embeddings.create",
        [],
        {**TEXT3, "input": "Grüße 😀", "encoding_format": "float"},
        "oav",
    ),
    ("createEmbedding base64", "embeddings.create", [], {**TEXT3, "input": ["a", "ü"]}, "oav"),
    (
        "createEmbedding tokens",
        "embeddings.create",
        [],
        {**TEXT3, "input": [[1, 2], [3]], "encoding_format": "float"},
        "oav",
    ),
    ("createResponse", "responses.create", [], {**ASK, "instructions": "Kurz.", **META}, "oav"),
    ("createResponse items", "responses.create", [], {**GPT, "input": ITEMS, "tools": TOOLS}, "oav"),
    ("createResponse streamed", "responses.create", [], {**ASK, **STREAM}, "oav"),
    (
        "createResponse reasoning streamed",
        "responses.create",
        [],
        {**GPT, "input": ITEMS, "reasoning": {"effort": "low", "summary": "auto"}, "tools": TOOLS, **STREAM},
        "oav",
    ),
    ("createResponse background", "responses.create", [], {**ASK, "background": True}, "oav"),
    ("getResponse", "responses.retrieve", ["resp_1"], {}, "oav"),
    ("cancelResponse", "responses.cancel", ["resp_1"], {}, "oav"),
    ("deleteResponse", "responses.delete", ["resp_1"], {}, "oav"),
    ("listInputItems", "responses.input_items.list", ["resp_1"], {}, "oav"),
    ("Getinputtokencounts", "responses.input_tokens.count", [], ASK, "ov"),
    ("Compactconversation", "responses.compact", [], ASK, "ov"),
    ("createConversation", "conversations.create", [], {"items": [ITEM], **META}, "ov"),
    ("getConversation", "conversations.retrieve", ["conv_1"], {}, "ov"),
    ("updateConversation", "conversations.update", ["conv_1"], META, "ov"),
    ("deleteConversation", "conversations.delete", ["conv_1"], {}, "ov"),
    ("createConversationItems", "conversations.items.create", ["conv_1"], {"items": [ITEM]}, "ov"),
    ("listConversationItems", "conversations.items.list", ["conv_1"], {}, "ov"),
    ("getConversationItem", "conversations.items.retrieve", ["msg_1"], {"conversation_id": "conv_1"}, "ov"),
    ("deleteConversationItem", "conversations.items.delete", ["msg_1"], {"conversation_id": "conv_1"}, "ov"),
    ("createImage", "images.generate", [], {**DRAW, "n": 2}, "oav"),
    ("createImage by address", "images.generate", [], DRAW_OLD, "oav"),
    ("createImage streamed", "images.generate", [], {**DRAW, **STREAM, "partial_images": 2}, "oav"),
    ("createImageEdit", "images.edit", [], {**DRAW, "image": [PICTURE, MASK], "mask": MASK}, "oav"),
    (
        "createImageEdit streamed",
        "images.edit",
        [],
        {**DRAW, "image": PICTURE, **STREAM, "partial_images": 1},
        "oav",
    ),
    (
        "createImageVariation",
        "images.create_variation",
        [],
        {"image": PICTURE, "model": "dall-e-2", "n": 2},
        "ov",
    ),
    ("createSpeech", "audio.speech.create", [], SPEAK, "oav"),
    ("createSpeech wav", "audio.speech.create", [], {**SPEAK, "response_format": "wav", "speed": 1.5}, "oav"),
    ("createSpeech streamed", "audio.speech.create", [], {**SPEAK, "stream_format": "sse"}, "oav"),
    (
        "createTranscription",
        "audio.transcriptions.create",
        [],
        {**HEAR, "file": SOUND, "prompt": "Grüße"},
        "oav",
    ),
    (
        "createTranscription verbose",
        "audio.transcriptions.create",
        [],
        {
            **WHISPER,
            "file": SOUND,
            "response_format": "verbose_json",
            "timestamp_granularities": ["word", "segment"],
        },
        "oav",
    ),
    (
        "createTranscription text",
        "audio.transcriptions.create",
        [],
        {**HEAR, "file": SOUND, "response_format": "text"},
        "oav",
    ),
    (
        "createTranscription srt",
        "audio.transcriptions.create",
        [],
        {**WHISPER, "file": SOUND, "response_format": "srt"},
        "oav",
    ),
    (
        "createTranscription streamed",
        "audio.transcriptions.create",
        [],
        {**HEAR, "file": SOUND, **STREAM},
        "oav",
    ),
    ("createTranslation", "audio.translations.create", [], {**WHISPER, "file": SOUND}, "oav"),
    (
        "createTranslation text",
        "audio.translations.create",
        [],
        {**WHISPER, "file": SOUND, "response_format": "text"},
        "oav",
    ),
    ("createModeration", "moderations.create", [], {"input": ["Grüße", "😀"]}, "ov"),
    ("createFile", "files.create", [], {"file": LINES, "purpose": "batch"}, "oav"),
    ("listFiles", "files.list", [], {"purpose": "batch"}, "oav"),
    ("retrieveFile", "files.retrieve", ["file-1"], {}, "oav"),
    ("deleteFile", "files.delete", ["file-1"], {}, "oav"),
    ("downloadFile", "files.content", ["file-1"], {}, "oav"),
    (
        "createUpload",
        "uploads.create",
        [],
        {"bytes": 3000, "filename": "größe.jsonl", "mime_type": "text/jsonl", "purpose": "batch"},
        "ov",
    ),
    ("addUploadPart", "uploads.parts.create", ["upload_1"], {"data": LINES}, "ov"),
    ("completeUpload", "uploads.complete", ["upload_1"], {"part_ids": ["part_1"]}, "ov"),
    ("cancelUpload", "uploads.cancel", ["upload_1"], {}, "ov"),
    ("createBatch", "batches.create", [], {**BATCH, **META}, "oav"),
    ("listBatches", "batches.list", [], {"limit": 3}, "oav"),
    ("retrieveBatch", "batches.retrieve", ["batch_1"], {}, "oav"),
    ("cancelBatch", "batches.cancel", ["batch_1"], {}, "oav"),
    ("createFineTuningJob", "fine_tuning.jobs.create", [], {**GPT, "training_file": "file-1"}, "oav"),
    ("listPaginatedFineTuningJobs", "fine_tuning.jobs.list", [], {}, "oav"),
    ("retrieveFineTuningJob", "fine_tuning.jobs.retrieve", ["ftjob-1"], {}, "oav"),
    ("cancelFineTuningJob", "fine_tuning.jobs.cancel", ["ftjob-1"], {}, "oav"),
    ("pauseFineTuningJob", "fine_tuning.jobs.pause", ["ftjob-1"], {}, "oav"),
    ("resumeFineTuningJob", "fine_tuning.jobs.resume", ["ftjob-1"], {}, "oav"),
    ("listFineTuningEvents", "fine_tuning.jobs.list_events", ["ftjob-1"], {}, "oav"),
    ("listFineTuningJobCheckpoints", "fine_tuning.jobs.checkpoints.list", ["ftjob-1"], {}, "oav"),
    ("listModels", "models.list", [], {}, "oav"),
    ("retrieveModel", "models.retrieve", ["gpt-4o"], {}, "oav"),
    ("deleteModel", "models.delete", ["ft:gpt-4o:x"], {}, "ov"),
    ("createVectorStore", "vector_stores.create", [], {"name": "Lager", "file_ids": ["file-1"]}, "oav"),
    ("listVectorStores", "vector_stores.list", [], {}, "oav"),
    ("getVectorStore", "vector_stores.retrieve", ["vs_1"], {}, "oav"),
    ("modifyVectorStore", "vector_stores.update", ["vs_1"], {"name": "Größe"}, "oav"),
    ("deleteVectorStore", "vector_stores.delete", ["vs_1"], {}, "oav"),
    ("searchVectorStore", "vector_stores.search", ["vs_1"], {"query": "Grüße 😀"}, "ov"),
    ("createVectorStoreFile", "vector_stores.files.create", ["vs_1"], {"file_id": "file-1"}, "oav"),
    ("listVectorStoreFiles", "vector_stores.files.list", ["vs_1"], {}, "oav"),
    ("getVectorStoreFile", "vector_stores.files.retrieve", ["file-1"], VS, "oav"),
    (
        "updateVectorStoreFileAttributes",
        "vector_stores.files.update",
        ["file-1"],
        {**VS, "attributes": {"a": 1}},
        "ov",
    ),
    ("deleteVectorStoreFile", "vector_stores.files.delete", ["file-1"], VS, "oav"),
    ("retrieveVectorStoreFileContent", "vector_stores.files.content", ["file-1"], VS, "ov"),
    (
        "createVectorStoreFileBatch",
        "vector_stores.file_batches.create",
        ["vs_1"],
        {"file_ids": ["file-1"]},
        "oav",
    ),
    ("getVectorStoreFileBatch", "vector_stores.file_batches.retrieve", ["vsfb_1"], VS, "oav"),
    ("cancelVectorStoreFileBatch", "vector_stores.file_batches.cancel", ["vsfb_1"], VS, "oav"),
    ("listFilesInVectorStoreBatch", "vector_stores.file_batches.list_files", ["vsfb_1"], VS, "oav"),
    (
        "createAssistant",
        "beta.assistants.create",
        [],
        {**GPT, "instructions": "Sei kurz.", "tools": CHAT_TOOLS},
        "oav",
    ),
    ("listAssistants", "beta.assistants.list", [], {}, "oav"),
    ("getAssistant", "beta.assistants.retrieve", ["asst_1"], {}, "oav"),
    ("modifyAssistant", "beta.assistants.update", ["asst_1"], {"instructions": "Grüße"}, "oav"),
    ("deleteAssistant", "beta.assistants.delete", ["asst_1"], {}, "oav"),
    ("createThread", "beta.threads.create", [], {"messages": SAY[1:]}, "oav"),
    ("getThread", "beta.threads.retrieve", ["thread_1"], {}, "oav"),
    ("modifyThread", "beta.threads.update", ["thread_1"], META, "oav"),
    ("deleteThread", "beta.threads.delete", ["thread_1"], {}, "oav"),
    (
        "createThreadAndRun",
        "beta.threads.create_and_run",
        [],
        {**ASSISTANT, "thread": {"messages": SAY[1:]}},
        "oav",
    ),
    ("createThreadAndRun streamed", "beta.threads.create_and_run", [], {**ASSISTANT, **STREAM}, "oav"),
    ("createMessage", "beta.threads.messages.create", ["thread_1"], SAY[1], "oav"),
    ("listMessages", "beta.threads.messages.list", ["thread_1"], {}, "oav"),
    ("getMessage", "beta.threads.messages.retrieve", ["msg_1"], T, "oav"),
    ("modifyMessage", "beta.threads.messages.update", ["msg_1"], {**T, **META}, "oav"),
    ("deleteMessage", "beta.threads.messages.delete", ["msg_1"], T, "oav"),
    ("createRun", "beta.threads.runs.create", ["thread_1"], {**ASSISTANT, "instructions": "Kurz."}, "oav"),
    ("createRun streamed", "beta.threads.runs.create", ["thread_1"], {**ASSISTANT, **STREAM}, "oav"),
    ("listRuns", "beta.threads.runs.list", ["thread_1"], {}, "oav"),
    ("getRun", "beta.threads.runs.retrieve", ["run_1"], T, "oav"),
    ("modifyRun", "beta.threads.runs.update", ["run_1"], {**T, **META}, "oav"),
    ("cancelRun", "beta.threads.runs.cancel", ["run_1"], T, "oav"),
    ("submitToolOuputsToRun", "beta.threads.runs.submit_tool_outputs", ["run_1"], {**T, **OUTPUTS}, "oav"),
    (
        "submitToolOuputsToRun streamed",
        "beta.threads.runs.submit_tool_outputs",
        ["run_1"],
        {**T, **OUTPUTS, **STREAM},
        "oav",
    ),
    ("listRunSteps", "beta.threads.runs.steps.list", ["run_1"], T, "oav"),
    ("getRunStep", "beta.threads.runs.steps.retrieve", ["step_1"], {**T, "run_id": "run_1"}, "oav"),
    (
        "create-realtime-client-secret",
        "realtime.client_secrets.create",
        [],
        {"session": {"type": "realtime", "model": "gpt-realtime"}},
        "ov",
    ),
    ("create-realtime-session", "beta.realtime.sessions.create", [], {"model": "gpt-realtime"}, "oav"),
    (
        "create-realtime-transcription-session",
        "beta.realtime.transcription_sessions.create",
        [],
        {"include": ["a"]},
        "oav",
    ),
    ("createVideo", "videos.create", [], {"prompt": "ein Bär", "model": "sora-2", "seconds": "4"}, "ov"),
    ("ListVideos", "videos.list", [], {}, "ov"),
    ("GetVideo", "videos.retrieve", ["video_1"], {}, "ov"),
    ("DeleteVideo", "videos.delete", ["video_1"], {}, "ov"),
    ("CreateVideoRemix", "videos.remix", ["video_1"], {"prompt": "zwei Bären"}, "ov"),
    ("RetrieveVideoContent", "videos.download_content", ["video_1"], {}, "ov"),
    ("CreateContainer", "containers.create", [], {"name": "Kiste"}, "ov"),
    ("ListContainers", "containers.list", [], {}, "ov"),
    ("RetrieveContainer", "containers.retrieve", ["cntr_1"], {}, "ov"),
    ("DeleteContainer", "containers.delete", ["cntr_1"], {}, "ov"),
    ("CreateContainerFile", "containers.files.create", ["cntr_1"], {"file": LINES}, "ov"),
    ("ListContainerFiles", "containers.files.list", ["cntr_1"], {}, "ov"),
    ("RetrieveContainerFile", "containers.files.retrieve", ["cfile_1"], CN, "ov"),
    ("DeleteContainerFile", "containers.files.delete", ["cfile_1"], CN, "ov"),
    ("RetrieveContainerFileContent", "containers.files.content.retrieve", ["cfile_1"], CN, "ov"),
    ("createEval", "evals.create", [], EVAL, "ov"),
    ("listEvals", "evals.list", [], {}, "ov"),
    ("getEval", "evals.retrieve", ["eval_1"], {}, "ov"),
    ("updateEval", "evals.update", ["eval_1"], {"name": "Größe"}, "ov"),
    ("deleteEval", "evals.delete", ["eval_1"], {}, "ov"),
    ("createEvalRun", "evals.runs.create", ["eval_1"], {"name": "Lauf", **SOURCE}, "ov"),
    ("getEvalRuns", "evals.runs.list", ["eval_1"], {}, "ov"),
    ("getEvalRun", "evals.runs.retrieve", ["run_1"], EV, "ov"),
    ("cancelEvalRun", "evals.runs.cancel", ["run_1"], EV, "ov"),
    ("deleteEvalRun", "evals.runs.delete", ["run_1"], EV, "ov"),
    ("getEvalRunOutputItems", "evals.runs.output_items.list", ["run_1"], EV, "ov"),
    ("getEvalRunOutputItem", "evals.runs.output_items.retrieve", ["item_1"], {**EV, "run_id": "run_1"}, "ov"),
]
HOSTS = {"openai": "o", "azure": "a", "azure-v1": "v"}


def calls(flavour, without=()):
    """[(name, call)] of one host, as drive.Client.run_calls takes the calls."""
    out = []
    for name, method, ids, args, hosts in CALLS:
        if HOSTS[flavour] in hosts and method not in without:
            call = {"call": method, "ids": ids, "args": args, "stream": args.get("stream", False)}
            out.append((name, call))
    return out
