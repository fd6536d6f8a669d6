/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/tls_kind.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/elf32.h"
#include "probe/functions.h"

#define WINDOW	 65536U
#define TEXT_MAX 32U

static const struct {
	const char *library, *reason, *verdict;
} kinds[TLS_KINDS] = {
#define NOT_OPENSSL(name)                                                                                    \
	{                                                                                                    \
		name, name " is not OpenSSL", "blind: " name " is not OpenSSL"                               \
	}
	[TLS_WOLFSSL] = NOT_OPENSSL("wolfSSL"),
	[TLS_MBEDTLS] = NOT_OPENSSL("mbedTLS"),
	[TLS_RUSTLS] = NOT_OPENSSL("rustls"),
	[TLS_NSS] = NOT_OPENSSL("NSS"),
	[TLS_GNUTLS] = NOT_OPENSSL("GnuTLS"),
	[TLS_NONE] = {"unknown",
		      "no TLS library that is known (a stripped OpenSSL linked in?), or the process was gone",
		      "none"},
	[TLS_BORINGSSL] = {"BoringSSL", "BoringSSL is linked in without symbols",
			   "blind: BoringSSL is linked in without symbols"},
	[TLS_JAVA] = {"Java", "Java's own TLS is not OpenSSL", "blind: Java's own TLS is not OpenSSL"},
	[TLS_GO] = {"Go", "Go's own TLS is not OpenSSL", "blind: Go's own TLS is not OpenSSL"},
	[TLS_32BIT] = {"OpenSSL", "32-bit programs are not read", "blind: 32-bit programs are not read"},
	[TLS_STRIPPED] = {"OpenSSL without symbols", "the library has no symbols for SSL_read and SSL_write",
			  "blind: the library has no symbols for SSL_read and SSL_write"},
	[TLS_READABLE] = {"OpenSSL", "the probes came too late, or another TLS library is linked in",
			  "readable"},
#undef NOT_OPENSSL
};

const char *tls_kind_library(enum tls_kind kind)
{
	return kinds[kind].library;
}

const char *tls_kind_reason(enum tls_kind kind)
{
	return kinds[kind].reason;
}

const char *tls_kind_verdict(enum tls_kind kind)
{
	return kinds[kind].verdict;
}

static const struct {
	const char *begins;
	enum tls_kind kind;
} file_names[] = {
	{"libssl.", TLS_STRIPPED},    {"libssl-", TLS_STRIPPED},    {"libgnutls.", TLS_GNUTLS},
	{"libgnutls-", TLS_GNUTLS},   {"libssl3.so", TLS_NSS},	    {"libjvm.so", TLS_JAVA},
	{"libmbedtls.", TLS_MBEDTLS}, {"libmbedtls-", TLS_MBEDTLS}, {"libwolfssl.", TLS_WOLFSSL},
	{"libwolfssl-", TLS_WOLFSSL}, {"librustls.", TLS_RUSTLS},   {"librustls-", TLS_RUSTLS},
};

/* Go's linker puts build information into a section of this name. */
#define GO_SECTION ".go.buildinfo"

static enum tls_kind kind_of_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	for (size_t i = 0; i < ARRAY_SIZE(file_names); i++)
		if (strncmp(name, file_names[i].begins, strlen(file_names[i].begins)) == 0)
			return file_names[i].kind;
	return TLS_NONE;
}

enum tls_kind tls_kind_find(int fd, const char *path)
{
	struct elf_symbol symbols[PROBE_FUNCTIONS];
	bool is_32bit = elf32_is(fd);

	if (!is_32bit && probe_functions_find(fd, symbols) > 0)
		return TLS_READABLE;
	enum tls_kind kind = kind_of_name(path);
	if (kind != TLS_NONE)
		return kind == TLS_STRIPPED && is_32bit ? TLS_32BIT : kind;
	bool is_go =
		is_32bit ? elf32_has_section(fd, GO_SECTION) : elf_symbols_has_section(fd, GO_SECTION) == 1;
	return is_go ? TLS_GO : TLS_NONE;
}

/* Shorter than TEXT_MAX together. Source file names in assertions and panics, which stripping leaves. In two
 * parts, so that this program is not taken for one of them. */
static const struct {
	const char *begin, *end;
	enum tls_kind kind;
} left_texts[] = {
	{"/rustls", "-0.", TLS_RUSTLS},
	{"/rustls", "/src/", TLS_RUSTLS},
	{"/boringssl", "/src/ssl/", TLS_BORINGSSL},
	{"/boringssl", "/ssl/", TLS_BORINGSSL},
	{"mbedtls_ssl", "_handshake", TLS_MBEDTLS},
	{"library/", "ssl_tls.c", TLS_MBEDTLS},
	{"wolfSSL", " Entering", TLS_WOLFSSL},
	{"wolfSSL", "_connect", TLS_WOLFSSL},
};

static enum tls_kind search_window(const char *window, size_t len)
{
	enum tls_kind found = TLS_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(left_texts); i++) {
		char text[TEXT_MAX];
		int n = snprintf(text, sizeof(text), "%s%s", left_texts[i].begin, left_texts[i].end);
		if (left_texts[i].kind > found && memmem(window, len, text, (size_t)n))
			found = left_texts[i].kind;
	}
	return found;
}

/* The first place from offset on that has data; -1: none. */
static off_t skip_hole(int fd, off_t offset)
{
	off_t data = lseek(fd, offset, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? -1 : offset;
	return MAX(data, offset);
}

enum tls_kind tls_kind_search(int fd)
{
	_cleanup_free_ char *window = malloc(TEXT_MAX + WINDOW);
	enum tls_kind found = TLS_NONE;
	size_t kept = 0;
	off_t at = 0;

	if (!window)
		return TLS_NONE;
	for (uint64_t total = 0; total < TLS_KIND_SEARCH_MAX;) {
		off_t data = skip_hole(fd, at);
		if (data < 0)
			break;
		if (data > at)
			kept = 0;
		ssize_t n = pread(fd, window + kept, WINDOW, data);
		if (n <= 0)
			break;
		found = MAX(found, search_window(window, kept + (size_t)n));
		if (found == TLS_RUSTLS)
			break; /* nothing ranks higher here */
		/* A text may lie across two windows. */
		size_t filled = kept + (size_t)n;
		kept = MIN(filled, (size_t)TEXT_MAX - 1);
		memmove(window, window + filled - kept, kept);
		total += (size_t)n;
		at = data + n;
	}
	return found;
}
