/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which processes talk to AI hosts, as the running agent knows. */

#include <stdbool.h>
#include <sys/types.h>

struct buf;
struct ai_view;

/* Asks the agent. 0; -ENOENT, -ECONNREFUSED: none answers; -EBADMSG: it says nothing of this; other negative
 * errno. */
int ai_view_ask(struct ai_view **ret_view, const char *socket_path);
/* From an answer. 0; -EBADMSG; -ENOMEM. */
int ai_view_read(struct ai_view **ret_view, const struct buf *answer);
void ai_view_free(struct ai_view **view);

/* Whether this process, not an earlier one of the same pid, is among them. */
bool ai_view_has(const struct ai_view *view, pid_t pid);
