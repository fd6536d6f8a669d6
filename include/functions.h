/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Functions that carry a probe; the low byte of an attachment's cookie says which one was called, the rest is
 * the file's id. Order: as they are attached. */
enum probe_function {
	PROBE_SSL_WRITE,
	PROBE_SSL_WRITE_EX,
	PROBE_SSL_WRITE_EX2, /* OpenSSL 3.3 */
	PROBE_SSL_WRITE_EARLY_DATA,
	PROBE_SSL_SENDFILE,		/* OpenSSL 3.0 */
	PROBE_SSL_CTRL,			/* sets the server name in OpenSSL */
	PROBE_SSL_SET_TLSEXT_HOST_NAME, /* the same in BoringSSL, where it is a function */
	PROBE_SSL_SET_ACCEPT_STATE,	/* the process is the server of this connection */
	PROBE_SSL_READ,
	PROBE_SSL_READ_EX,
	PROBE_SSL_READ_EARLY_DATA,
	PROBE_SSL_SET_FD,
	PROBE_SSL_FREE,
	PROBE_FUNCTIONS,
};

#define PROBE_COOKIE_FUNCTION(cookie)	((cookie)&0xff)
#define PROBE_COOKIE_FILE(cookie)	((__u32)((cookie) >> 8))
#define PROBE_COOKIE(file_id, function) ((__u64)(file_id) << 8 | (function))
