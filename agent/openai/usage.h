/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The tokens of an answer, in any of the spellings that the APIs have for them: prompt and completion or
 * input and output, their details in the plural or, in realtime sessions, in the singular. */

#include <jansson.h>

#include "openai/exchange.h"
#include "openai/notes.h"

/* Nothing is said: all counts are -1. To be called once, before the first read. */
void openai_usage_init(struct openai_response *resp);

/* Sets resp->usage (a new reference; an older one is dropped), the counts and usage_source. The total is the
 * sum of the two parts if both are said and it is not. usage may be NULL or null (runs that are not at their
 * end): nothing happens; what is not an object, and counts that are none, go to notes. 0; -ENOMEM. */
int openai_usage_read(struct openai_response *resp, json_t *usage, struct openai_notes *notes);
