/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The error of an answer, in any of the shapes that OpenAI, Azure OpenAI and gateways before them give it. */

#include <stdbool.h>

#include <jansson.h>

struct openai_error {
	json_t *error;		/* {code, type, message}: strings, each if present; or NULL: no error found */
	json_t *details;	/* object: the other members of the error, or NULL */
	json_t *filter_results; /* the content filter's verdicts about the prompt, or NULL */
	json_t *filters;	/* array: the same in the Responses API's form (filter.h), or NULL */
	bool filtered;		/* it names the content filter */
	bool timeout;		/* it names a timeout */
	const char *used[4];	/* static: the members of the answer that went into it; NULL-terminated unless
				   full */
};

/* status: of the response; only from 400 on do members other than `error` count as one. The answer is not
 * changed. 0; -ENOMEM. */
int openai_error_read(struct openai_error *ret_error, const json_t *answer, int status);
void openai_error_done(struct openai_error *error);
