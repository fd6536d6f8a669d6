/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATRIX_HTTP_H
#define MATRIX_HTTP_H

#include "tls.h"

/* One request to make. All strings borrowed. */
struct job {
	const char *id, *method, *host, *target;
	const char *framing; /* of the request's body: "none", "length", "chunked" */
	const char *path;    /* of the file with its body, or empty */
	const char *header;  /* one more header line, or empty */
};

struct result {
	int status;
	char sent_sha256[65], body_sha256[65];
};

/* Makes one exchange over an open connection. 0, -EPIPE: the connection ended early, -EBADMSG: not an answer.
 */
int http_exchange(struct tls *tls, const struct job *job, const struct tls_options *options,
		  struct result *ret);

#endif
