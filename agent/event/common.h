/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What both events share; used inside this stage only. */

#include <stdbool.h>
#include <stddef.h>

#include "event/event.h"
#include "event/json_text.h"

/* An event in the making: event_start(), any number of event_put_*(), event_finish(). event_abandon() is for
 * cleanup and does nothing after event_finish(). */
struct event_maker {
	struct event *event;
	struct json_text json;
};

/* type is static. 0; -ENOMEM; negative errno of getrandom. */
int event_start(struct event_maker *m, const struct event_context *ctx, uint64_t time_ns, const char *type);
int event_finish(struct event_maker *m, struct event **ret_event);
void event_abandon(struct event_maker *m);

/* backend, operation, api-version, deployment-id; req may be NULL. */
void event_put_operation(struct json_text *w, const struct event_context *ctx,
			 const struct openai_request *req);

/* identity, what event_put_place() gives, connection. */
void event_put_who(struct json_text *w, const struct event_context *ctx);

/* process, container, k8s, host, app. */
void event_put_place(struct json_text *w, const struct event_context *ctx);

/* real_ns: nanoseconds since 1970. */
void event_put_time(struct json_text *w, const char *key, uint64_t real_ns);

/* An absolute path: no query, fragment, scheme, user or host, whatever the request target was. */
void event_put_path(struct json_text *w, const char *path);

/* "headers": those whose names are in the list (lower case; "x-stainless-*" stands for all that begin so), a
 * repeated name's values joined by ", " (RFC 9110 section 5.3). */
void event_put_headers(struct json_text *w, const struct http_message *msg, const char *const *names,
		       size_t n_names);

/* body-bytes, coded-bytes, body-sha256, content-type. */
void event_put_body(struct json_text *w, const struct http_message *msg);

/* "body" or "body-base64". */
void event_put_raw_body(struct json_text *w, const json_t *body, bool base64);

/* whole: the message said all it had to say although its connection ended before its framing did.
 * as_files: of the body only names, sizes and hashes are given, so what was not kept of it is not missed. */
void event_put_capture(struct json_text *w, const struct event_context *ctx, const struct http_message *msg,
		       bool whole, bool as_files);

/* What was wrong with the message, its body, or its text; written last, for it tells of the writing too. */
void event_put_problem(struct json_text *w, const struct http_message *msg, bool whole,
		       const char *body_problem);
