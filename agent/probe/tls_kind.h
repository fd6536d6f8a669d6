/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Guesses which TLS implementation a mapped file is or holds. Files are hostile input, as in elf_symbols.h.
 */

/* In rising order of what is said of a process that has several. */
enum tls_kind {
	TLS_NONE,
	TLS_WOLFSSL,
	TLS_MBEDTLS,
	TLS_BORINGSSL, /* linked in without symbols */
	TLS_RUSTLS,
	TLS_NSS,
	TLS_GNUTLS,
	TLS_JAVA,  /* a Java virtual machine: TLS is in Java code (JSSE) unless it loads a native library */
	TLS_GO,	   /* a Go program with crypto/tls */
	TLS_32BIT, /* OpenSSL of a 32-bit program */
	TLS_STRIPPED, /* named libssl, but without the functions' symbols */
	TLS_READABLE, /* has the functions */
	TLS_KINDS,
};

/* By its name, symbols and sections. fd: the file, borrowed, its position changes; path: as the process sees
 * it. */
enum tls_kind tls_kind_find(int fd, const char *path);

/* By texts that implementations leave in programs they are linked into, stripped or not. Reads up to
 * TLS_KIND_SEARCH_MAX bytes: only for what tls_kind_find() does not know. */
#define TLS_KIND_SEARCH_MAX (64U << 20)
enum tls_kind tls_kind_search(int fd);

/* "GnuTLS"; "unknown". Static, as the event schema lists them. */
const char *tls_kind_library(enum tls_kind kind);

/* Why a connection of such a process was not read, in plain words. Static. */
const char *tls_kind_reason(enum tls_kind kind);

/* "readable", "blind: ..." with the reason, or "none". Static. */
const char *tls_kind_verdict(enum tls_kind kind);
