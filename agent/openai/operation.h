/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The operation table: which API operation a method and a path are. Operation ids are those of the published
 * API descriptions. The host is not looked at: gateways and self-hosted servers use the same paths. */

#include <stdbool.h>
#include <stddef.h>

#include "openai/exchange.h"

struct openai_operation {
	const char *id;
	enum openai_kind kind;
	const char *method;
	const char *path;	  /* literal segments and at most one {deployment} */
	bool any_case;		  /* the service compares the literal segments without regard to case */
	bool model_is_deployment; /* the body's model names a deployment */
};

/* Never NULL: the "Unknown" operation if no row matches. *ret_deployment is the decoded {deployment}, also of
 * a path below /openai/deployments/ that is not in the table, or NULL; the caller frees it.
 *
 * Segments are percent-decoded before they are compared. Empty segments (a doubled or a final slash) count
 * for nothing: servers of this API accept them. A path that different servers read differently names no
 * operation: one with dot segments, encoded slashes or backslashes, control characters, invalid UTF-8 or
 * invalid percent-encoding.
 *
 * path: without query, not NUL-terminated. method or path may be NULL. 0; -ENOMEM. */
int openai_operation_find(const char *method, const char *path, size_t path_len,
			  const struct openai_operation **ret_operation, char **ret_deployment);
