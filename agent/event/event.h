/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Builds the JSON text of audit events (docs/event.schema.json). Everything but the event's id comes in by
 * argument; any thread. What is not known is left out. Text that is not UTF-8 is given with U+FFFD in its
 * place and the event's `problem` says so. No header that carries a credential is given; where a request
 * repeats its credential elsewhere (path, other headers, body), the event holds "[credential]" instead. */

#include <stddef.h>
#include <stdint.h>

#include "identity/identity.h"
#include "openai/exchange.h"
#include "policy/report.h"

/* Facts about the connection, as far as known. Borrowed. */
struct event_connection {
	uint64_t id;
	const char *sni;	 /* or NULL */
	const char *role;	 /* "client" or "server" */
	const char *protocol;	 /* "http/1.1", "h2", "websocket" */
	uint32_t stream_id;	 /* h2; 0: none */
	const char *tls_library; /* path of the probed file, or NULL */
	const char *local;	 /* "10.0.0.1:1234", "[::1]:443", or NULL when not known for certain */
	const char *remote;
};

struct event_secrets;

/* Copies the credentials of a request's headers (16 bytes and more; shorter ones are placeholders). 0;
 * -ENOMEM. */
int event_secrets_new(struct event_secrets **ret_secrets, const struct http_message *request);
void event_secrets_free(struct event_secrets **secrets); /* clears them */

/* What both events of an exchange share. Borrowed for the call. */
struct event_context {
	const char *message_id;			   /* UUIDv7 */
	const struct event_connection *connection; /* or NULL */
	const struct identity_process *process;	   /* or NULL */
	const struct identity_place *place;	   /* the process's, or NULL */
	const struct identity_caller *caller;	   /* or NULL: kind none */
	const json_t *claimed;			   /* on whose behalf, as the request claims; or NULL */
	const char *host_name;			   /* or NULL */
	const char *machine_id;			   /* hashed, or NULL */
	const struct event_secrets
		*secrets; /* of the request: hidden wherever a response repeats them; or NULL */
	const struct policy_report *policy; /* what was done to the exchange before it came here; or NULL */
};

/* One event: the text is JSON (RFC 8259), one line, no newline at its end, no deeper than
 * JSON_TEXT_DEPTH_MAX. Its size is bounded by what came in: a small multiple of the strings, plus a few KiB.
 */
struct event {
	char *text;
	size_t len;
	char event_id[37];
	char message_id[37];
	const char *type; /* static: "Request", "Response", "Blind", "Policy" */
	uint64_t time_ns; /* event-time, wall clock, nanoseconds since 1970 */
};

/* time_ns: wall-clock event time. All pointers are borrowed for the call. 0; -ENOMEM; negative errno of
 * getrandom. */
int event_build_request(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
			const struct http_message *msg, const struct openai_request *req);
/* req is NULL for an orphan response. request_first_ts_ns: monotonic, 0 if not known. */
int event_build_response(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
			 const struct http_message *msg, const struct openai_request *req,
			 const struct openai_response *resp, uint64_t request_first_ts_ns);

/* AI traffic that could not be read. Borrowed. The host is the connection's sni. */
struct event_blind {
	const char *library;		    /* a guess */
	const char *reason;		    /* in plain words */
	uint64_t bytes_written, bytes_read; /* TCP payload, as far as it went by now */
	uint64_t connections; /* since the last such event about this process and host, this one included */
};

/* Errors as above. ctx without caller and secrets. */
int event_build_blind(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
		      const struct event_blind *blind);

/* A call that is not as the policy wants it. req or resp may be NULL; their texts are what may be given.
 * Errors as above. */
int event_build_policy(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
		       const struct policy_verdict *verdict, const struct openai_request *req,
		       const struct openai_response *resp);

/* Somebody's connections to AI hosts are refused for a time, or no longer (docs/blocking.md). Borrowed. */
struct event_block {
	bool over, lifted;	     /* its end; and before its time */
	bool process_only;	     /* the context's process with its descendants, not a cgroup */
	const char *rule;	     /* whose violation began it */
	const char *cgroup;	     /* or NULL */
	uint64_t begun_ns, until_ns; /* wall clock */
	uint64_t violations;
	uint64_t ended;	       /* connections */
	const char *not_ended; /* why the connection of the violation was not; or NULL */
	uint64_t refused_connects, refused_datagrams; /* at its end */
};

/* Errors as above. ctx with the message id of the exchange that began it, without connection. */
int event_build_block(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
		      const struct event_block *block);

void event_free(struct event **event);
