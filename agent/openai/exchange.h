/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the openai stage gives: the meaning of one request and of its response.
 *
 * Values are owned by the structs; jansson values hold one reference each. Every char * is valid UTF-8
 * without control characters. No I/O, no clock, no globals: calls on different messages may run in different
 * threads. Memory is bounded by the size of the kept body (limits in json.h and join.h). Facts: the OpenAI
 * API reference and the Azure OpenAI data-plane reference (chat completions).
 *
 * `problem` (both structs) is NULL when everything was read and is recorded as it was sent. Otherwise it is
 * one line of plain words, its sentences joined by "; ": made of our own fixed text, names of the API's own
 * fields and numbers (bytes, offsets, counts). It never quotes a byte of the message.
 *
 * `body` (both structs) is the whole body
 * - of an operation that is not in the table;
 * - if it could not be read as the operation's;
 * - next to the other values, if it was read but they cannot hold exactly what it says (integers beyond 64
 *   bits, lone surrogates, duplicate keys, a stream event that is not JSON). Numbers with a fraction or an
 *   exponent are doubles; digits beyond a double's are not counted as a loss.
 *
 * A body that gives out a credential (answers_key) is never kept; in the other values "[credential]" stands
 * in the credential's place.
 *
 * It is a JSON object or array if the body is one and can be held exactly; a string with the body's text if
 * that is UTF-8 without control characters other than TAB, LF and CR; otherwise a string of base64, and
 * body_base64 is set. A JSON body that merely ends early (cut by a limit, or by the end of the connection) is
 * read up to there and recorded in the other values only. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "http/message.h"

enum openai_kind {
	OPENAI_UNKNOWN,	   /* not in the operation table: the body is kept as it is */
	OPENAI_CHAT,	   /* chat completions */
	OPENAI_COMPLETION, /* completions */
	OPENAI_EMBEDDING,
	OPENAI_RESPONSE,   /* the Responses API */
	OPENAI_IMAGE,	   /* generation, edit, variation */
	OPENAI_SPEECH,	   /* text to audio */
	OPENAI_TRANSCRIPT, /* transcription, translation */
	OPENAI_RUN,	   /* what answers with a run of an assistant, or streams one */
	OPENAI_REALTIME,   /* WebSocket sessions */
	OPENAI_OBJECT,	   /* every other operation of the table: JSON, or a file */
};

/* In this order: FILTERED for an error that names the content filter, whatever its status; TIMEOUT;
 * HTTP_ERROR; STREAM_ERROR; FILTERED for a choice or an output that the filter ended; INTERRUPTED; OK. An
 * answer that is known to be filtered or failed is not "interrupted": `whole` still says that its end was not
 * seen. */
enum openai_outcome {
	OPENAI_OK,
	OPENAI_HTTP_ERROR,   /* status 400 or above */
	OPENAI_STREAM_ERROR, /* an error object inside an answer that began well (status below 400), streamed
			      * or not: also the error of a response or of a run that failed */
	OPENAI_FILTERED,     /* refused or cut short by the content filter */
	OPENAI_INTERRUPTED,  /* ended before it was whole, or not seen at all */
	OPENAI_TIMEOUT,	     /* status 408, 504 or 524, or an error whose code or type names a timeout */
};

/* The name used in events: "ok", "http-error", "stream-error", "filtered", "interrupted", "timeout". */
const char *openai_outcome_name(enum openai_outcome outcome);

enum openai_usage_source { OPENAI_USAGE_NONE, OPENAI_USAGE_REPORTED };

struct openai_request {
	enum openai_kind kind;
	const char *operation; /* static: an operation id, or "Unknown" */
	/* Host asked: lower case, without port and final dot, IPv6 in brackets. NULL if the request does not
	 * say, or not in a readable way. */
	char *backend;
	/* As sent, without the query (credentials in the query never get here); bytes that are not printable
	 * ASCII are percent-encoded. NULL if not captured, or for CONNECT. */
	char *path;
	char *api_version;   /* or NULL */
	char *deployment_id; /* from the path, of realtime sessions from the query, or on Azure v1 the model;
			      * or NULL */
	char *model; /* as asked, or NULL; it may stand in the path, of realtime sessions in the query */
	bool stream; /* the body says `"stream": true`, or its form field `true` */
	bool answers_file; /* what is answered is a file, whatever its type */
	bool answers_key;  /* what is answered gives out a credential */
	int attempt;	   /* x-stainless-retry-count, 0 if absent or not a number */

	/* Members of the body under the API's own names, as asked; each or NULL. */
	json_t *messages;     /* array */
	json_t *prompt;	      /* string or array */
	json_t *input;	      /* string or array */
	json_t *instructions; /* string or array */
	json_t *tools;	      /* array */
	json_t *files; /* array of {name, file-name?, content-type?, bytes, sha256?}: parts of a multipart
			* body that are files, or the body itself if it is one */
	json_t *parameters; /* object, not empty: everything else of the body; also a member above, a model or
			     * a stream that has not the type it must have; of a form the fields as text,
			     * those of one name, or with a name that ends in [], as an array; or NULL */
	json_t *body;	    /* see above; or NULL */
	bool body_base64;   /* body is a string that holds base64 */
	char *problem;	    /* see above; or NULL */
};

struct openai_response {
	int status;
	char *model;	       /* the one that answered, or NULL */
	char *response_id;     /* or NULL */
	json_t *choices;       /* array in the shape of the non-streaming answer; or NULL */
	json_t *output;	       /* the Responses API's, in that shape; or NULL */
	json_t *data;	       /* of embeddings, images and lists; or NULL */
	json_t *text;	       /* of transcriptions: string; or NULL */
	json_t *files;	       /* as in the request, of an answer that is a file: audio, content; or NULL */
	json_t *finish_reason; /* array of strings, by choice, without those that have none; of a response or
				* a run one: its status, or why it is incomplete; or NULL */
	json_t *usage;	       /* the API's whole usage object; or NULL */
	enum openai_usage_source usage_source; /* REPORTED: at least one of the next three is said */
	/* 0 .. 2^53-1; -1: not said, or not such a number */
	int64_t prompt_tokens, completion_tokens, total_tokens;
	/* Shares of them: of the prompt that were cached or audio, of the completion that were reasoning or
	 * audio. As above. */
	int64_t cached_tokens, reasoning_tokens, prompt_audio_tokens, completion_audio_tokens;
	double model_ms;	/* openai-processing-ms; negative: not said */
	json_t *content_filter; /* object {prompt: [{prompt_index?, content_filter_results}], choices:
				 * [{index, content_filter_results}]} as far as present; or NULL */
	json_t *error;		/* {code, type, message}: strings, each if present; or NULL. An `error` of an
				 * object that is merely looked up (a job, a video) is in `extra`: the exchange
				 * went well. */
	json_t *extra; /* object: other top-level keys (created, system_fingerprint, ...); `error_details`
			* holds the error's members that `error` does not; or NULL */
	json_t *body;  /* as in the request */
	bool body_base64;
	char *problem;
	enum openai_outcome outcome;
	/* Nothing is owed: the stream said [DONE], or the framing is complete and neither the JSON ended
	 * early nor a stream without [DONE] left a choice without finish_reason. */
	bool whole;
	uint64_t chunks; /* stream: data events, without [DONE]; otherwise captured pieces of the body */
	uint64_t first_token_ts_ns; /* stream: first chunk with content, tool call or refusal; 0: none */
};

/* Reads a request. msg is borrowed for the call. 0; -ENOMEM. A body that is not what the operation expects is
 * not an error of the call: problem says what is wrong and body holds it. */
int openai_request_new(struct openai_request **ret_req, const struct http_message *msg);
void openai_request_free(struct openai_request **req);
/* Drops what only the request's own event needs (the body's members), so that a request that
 * waits long for its response costs little. */
void openai_request_shed(struct openai_request *req);

/* req is NULL for a response whose request was not captured: it is read as a chat completion if it says it is
 * one. 0; -ENOMEM. */
int openai_response_new(struct openai_response **ret_resp, const struct openai_request *req,
			const struct http_message *msg);
void openai_response_free(struct openai_response **resp);
