/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The members of a JSON answer, or of a stream that was joined into one. */

#include <stdbool.h>

#include <jansson.h>

#include "openai/exchange.h"
#include "openai/notes.h"

/* What the error says, beyond resp->error. */
struct openai_verdict {
	bool filtered; /* it names the content filter */
	bool timeout;  /* it names a timeout */
};

/* Moves the members of `answer`, an object, to those of resp, and what is left to resp->extra, with a
 * reference to it. resp->status is set, the usage was initialised (usage.h). joined: it is a stream's. 0;
 * -ENOMEM. */
int openai_answer_read(struct openai_response *resp, enum openai_kind kind, json_t *answer, bool joined,
		       struct openai_verdict *verdict, struct openai_notes *notes);

/* Of an answer that is kept as it is: only its error, its usage and what they mean. Nothing is taken out.
 * `answer` may be NULL or of any type. 0; -ENOMEM. */
int openai_answer_look(struct openai_response *resp, json_t *answer, struct openai_verdict *verdict);

/* Puts "[credential]" in the place of credentials that the answer gives out: client_secret, api_key and their
 * value, and a value that looks like one, or any value if `known`. 1: there were some; 0: there were none;
 * -ENOMEM. */
int openai_answer_hide_keys(json_t *answer, bool known);
