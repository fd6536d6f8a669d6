/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The answer of one exchange of a session, from the `response` of its last event (response.done of the
 * realtime API; response.completed, .failed and .incomplete of the Responses API), or from what came before
 * it broke off. */

#include <stdbool.h>

#include "openai/exchange.h"
#include "openai/notes.h"

/* An answer that says nothing yet; status 101. 0; -ENOMEM. */
int session_answer_new(struct openai_response **ret_resp);

/* Takes what `answer` says. `output` is left to the caller if it is no array. answer is not changed.
 * 0; -ENOMEM. */
int session_answer_read(struct openai_response *resp, json_t *answer, struct openai_notes *notes);

/* error: an event of type `error`, or NULL. 0; -ENOMEM. */
int session_answer_fail(struct openai_response *resp, json_t *error);

/* Token counts and usage of `owner`. 0; -ENOMEM. */
int session_answer_usage(struct openai_response *resp, const json_t *owner, struct openai_notes *notes);

/* Sets a member of extra; takes the reference, which may be NULL for nothing to do. 0; -ENOMEM. */
int session_answer_extra(struct openai_response *resp, const char *key, json_t *value);

/* The outcome, once all else is said. */
void session_answer_judge(struct openai_response *resp);
