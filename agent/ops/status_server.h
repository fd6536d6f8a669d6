/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Answers `oaitap status`: a Unix socket, mode 0600, that sends one JSON text to whoever connects, and
 * closes. */

#include "base/buf.h"

struct status_server;

typedef int (*status_text_fn)(void *ctx, struct buf *out);

/* The folder is made if missing; a socket left by a dead agent is replaced, a living one's is not
 * (-EADDRINUSE). 0; -ENAMETOOLONG; other negative errno. */
int status_server_new(struct status_server **ret_server, const char *path, status_text_fn fn, void *ctx);
void status_server_free(struct status_server **server); /* removes the socket */

int status_server_fd(const struct status_server *server); /* polls readable when somebody asks */
void status_server_run(struct status_server *server);	  /* answers those who wait; does not block */
