/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/tls_kind.h"

static int file_with(size_t at, const char *text)
{
	int fd = memfd_create("tls-kind", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), (off_t)at), (ssize_t)strlen(text));
	return fd;
}

static enum tls_kind search(size_t at, const char *text)
{
	_cleanup_close_ int fd = file_with(at, text);
	return tls_kind_search(fd);
}

static void test_names(void **state)
{
	static const struct {
		const char *path;
		enum tls_kind kind;
	} cases[] = {
		{"/usr/lib/x86_64-linux-gnu/libgnutls.so.30.34.3", TLS_GNUTLS},
		{"/opt/wheel.libs/libgnutls-1a2b3c.so.30", TLS_GNUTLS},
		{"/usr/lib/libssl3.so", TLS_NSS},
		{"/usr/lib/libssl3.so (deleted)", TLS_NSS},
		{"/usr/lib/libssl.so.3", TLS_STRIPPED},
		{"/x/libssl-3-1a2b3c.so.3", TLS_STRIPPED},
		{"/usr/lib/jvm/17/lib/server/libjvm.so", TLS_JAVA},
		{"/usr/lib/libmbedtls.so.14", TLS_MBEDTLS},
		{"/usr/lib/libwolfssl.so.35", TLS_WOLFSSL},
		{"libgnutls.so", TLS_GNUTLS},
		{"/usr/lib/libgnutlsxx.so.30", TLS_NONE},
		{"/usr/lib/libgnutls.so.30/other", TLS_NONE},
		{"/usr/lib/libc.so.6", TLS_NONE},
		{"", TLS_NONE},
		{"/", TLS_NONE},
	};
	(void)state;
	_cleanup_close_ int fd = file_with(0, "not ELF");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (tls_kind_find(fd, cases[i].path) != cases[i].kind)
			fail_msg("%s", cases[i].path);
}

/* Whatever a file is called, the functions in it count. */
static void test_readable(void **state)
{
	Dl_info info;
	void *lib = dlopen("libssl.so.3", RTLD_NOW);
	(void)state;
	if (!lib) {
		print_message("skipped: no libssl.so.3 on this machine\n");
		return;
	}
	assert_true(dladdr(dlsym(lib, "SSL_write"), &info) != 0);
	_cleanup_close_ int fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	assert_int_equal(tls_kind_find(fd, "/usr/lib/libgnutls.so.30"), TLS_READABLE);
	assert_int_equal(tls_kind_find(fd, "x"), TLS_READABLE);
	dlclose(lib);
}

static void test_texts(void **state)
{
	static const struct {
		const char *text;
		enum tls_kind kind;
	} cases[] = {
		{"/index-1/rustls-0.23.35/src/conn.rs", TLS_RUSTLS},
		{"vendor/rustls/src/conn.rs", TLS_RUSTLS},
		/* Types that a Rust program with OpenSSL has as well. */
		{"/index-1/rustls-pki-types-1.16.0/src/lib.rs", TLS_NONE},
		{"../../third_party/boringssl/src/ssl/ssl_lib.cc", TLS_BORINGSSL},
		{"mbedtls_ssl_handshake", TLS_MBEDTLS},
		{"wolfSSL_connect", TLS_WOLFSSL},
		{"wolfSSL_connect mbedtls_ssl_handshake x/rustls-0.2", TLS_RUSTLS},
		{"SSL_CTX_new", TLS_NONE},
		{"/rustls-", TLS_NONE},
		{"x", TLS_NONE},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (search(0, cases[i].text) != cases[i].kind)
			fail_msg("%s", cases[i].text);
}

/* Also where a text lies across two reads, or behind a hole, a huge one too. */
static void test_places(void **state)
{
	char text[256];
	(void)state;
	for (size_t before = 0; before < 64; before++) {
		memset(text, 'x', before);
		snprintf(text + before, sizeof(text) - before, "/rustls-0.23/");
		assert_int_equal(search(65536 - 32, text), TLS_RUSTLS);
		assert_int_equal(search(((size_t)40 << 30) + 4096 - 20, text), TLS_RUSTLS);
	}
	assert_int_equal(search(((size_t)40 << 30), "nothing"), TLS_NONE);
	/* A hole is no data: text before and after it does not join. */
	_cleanup_close_ int fd = file_with(0, "/rust");
	assert_int_equal(pwrite(fd, "ls-0.1", 6, 1 << 20), 6);
	assert_int_equal(tls_kind_search(fd), TLS_NONE);
}

static void test_limit(void **state)
{
	_cleanup_free_ char *block = malloc(1 << 20);
	_cleanup_close_ int fd = memfd_create("tls-kind", MFD_CLOEXEC);
	(void)state;
	assert_non_null(block);
	memset(block, 'x', 1 << 20);
	for (size_t i = 0; i < TLS_KIND_SEARCH_MAX >> 20; i++)
		assert_int_equal(write(fd, block, 1 << 20), 1 << 20);
	assert_int_equal(write(fd, "/rustls-0.23/", 13), 13);
	assert_int_equal(tls_kind_search(fd), TLS_NONE);
	assert_int_equal(pwrite(fd, "/rustls-0.23/", 13, 1 << 20), 13);
	assert_int_equal(tls_kind_search(fd), TLS_RUSTLS);
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	assert_int_equal(tls_kind_search(ends[0]), TLS_NONE);
	close(ends[0]);
	assert_int_equal(tls_kind_search(-1), TLS_NONE);
}

static void test_words(void **state)
{
	(void)state;
	for (int kind = TLS_NONE; kind < TLS_KINDS; kind++) {
		const char *verdict = tls_kind_verdict((enum tls_kind)kind);
		assert_true(strlen(tls_kind_library((enum tls_kind)kind)) > 0);
		assert_true(strlen(tls_kind_reason((enum tls_kind)kind)) > 0);
		if (kind == TLS_NONE)
			assert_string_equal(verdict, "none");
		else if (kind == TLS_READABLE)
			assert_string_equal(verdict, "readable");
		else
			assert_string_equal(strstr(verdict, ": ") + 2, tls_kind_reason((enum tls_kind)kind));
	}
	assert_string_equal(tls_kind_reason(TLS_GNUTLS), "GnuTLS is not OpenSSL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),  cmocka_unit_test(test_readable), cmocka_unit_test(test_texts),
		cmocka_unit_test(test_places), cmocka_unit_test(test_limit),	cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
