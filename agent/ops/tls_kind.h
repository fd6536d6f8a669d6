/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Guesses which TLS implementation a mapped file is, when it does not offer OpenSSL's functions. */

/* In rising order of what is said of a process that has several. */
enum tls_kind {
	TLS_NONE,
	TLS_NSS,
	TLS_GNUTLS,
	TLS_JAVA, /* a Java virtual machine: TLS is in Java code (JSSE) unless it loads a native library */
	TLS_GO,	  /* a Go program with crypto/tls */
	TLS_STRIPPED, /* named libssl, but without the functions' symbols */
	TLS_READABLE, /* has the functions */
};

/* "readable", or "blind: ..." with the reason. Static. */
const char *tls_kind_text(enum tls_kind kind);

/* fd: the file, borrowed; path: as the process sees it. */
enum tls_kind tls_kind_of_file(int fd, const char *path);
