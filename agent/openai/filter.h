/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What Azure's content filter said of a prompt and of its answer, put together as the response's
 * `content_filter`. Every call: 0; -ENOMEM. */

#include <jansson.h>

#include "openai/exchange.h"

/* Of the answer, whose members that hold nothing else are taken out of it: prompt_filter_results (older:
 * prompt_annotations), and the Responses API's content_filters. */
int openai_filter_take(struct openai_response *resp, json_t *answer);

/* Of each choice, or of each image in `data`: they stay where they are, too. */
int openai_filter_items(struct openai_response *resp, const json_t *items);

/* A list of the form of content_filters: each of its items is about the prompt or about the answer. */
int openai_filter_list(struct openai_response *resp, const json_t *filters);

/* What an error says of the prompt that was refused, unless the prompt's results are known already. */
int openai_filter_refusal(struct openai_response *resp, json_t *results);
