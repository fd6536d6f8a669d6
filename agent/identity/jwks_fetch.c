/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/jwks_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

struct fetch {
	struct buf *out;
	const atomic_bool *stop;
	bool too_large;
};

int jwks_fetch_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

static void cleanup_easy(CURL **easy)
{
	curl_easy_cleanup(*easy);
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	int r = buf_append(f->out, data, size * n);
	f->too_large |= r == -E2BIG;
	return r < 0 ? 0 : size * n;
}

static int on_progress(void *ctx, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total,
		       curl_off_t ul_now)
{
	const struct fetch *f = ctx;
	(void)dl_total, (void)dl_now, (void)ul_total, (void)ul_now;
	return atomic_load(f->stop);
}

static void only_https(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTPS);
#endif
}

static void set_up(CURL *easy, const char *url, const char *ca_file, long timeout_ms, struct fetch *f)
{
	curl_easy_setopt(easy, CURLOPT_URL, url);
	only_https(easy);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms / 2 + 1);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_file) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)f->out->max);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "oaitap/" OAITAP_VERSION);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, f);
}

int jwks_fetch(const char *url, const char *ca_file, long timeout_ms, const atomic_bool *stop,
	       struct buf *out, char ret_why[static JWKS_FETCH_WHY])
{
	_cleanup_(cleanup_easy) CURL *easy = curl_easy_init();
	struct fetch f = {.out = out, .stop = stop};
	long status = 0;

	if (!easy) {
		snprintf(ret_why, JWKS_FETCH_WHY, "out of memory");
		return -EIO;
	}
	set_up(easy, url, ca_file, timeout_ms, &f);
	CURLcode code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status == 200)
		return 0;
	if (f.too_large || code == CURLE_FILESIZE_EXCEEDED)
		snprintf(ret_why, JWKS_FETCH_WHY, "the answer is longer than %zu bytes", out->max);
	else if (code != CURLE_OK)
		snprintf(ret_why, JWKS_FETCH_WHY, "%s", curl_easy_strerror(code));
	else
		snprintf(ret_why, JWKS_FETCH_WHY, "the answer's status is %ld, not 200", status);
	buf_reset(out);
	return -EIO;
}
