/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/kubelet.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/thread.h"
#include "identity/pods.h"

#define TOKEN_MAX	   16384
#define CONNECT_TIMEOUT_MS 3000L
#define TIMEOUT_MS	   10000L

struct kubelet {
	char *url, *token_path, *ca_path;
	uint64_t list_ns, early_ns, keep_ns;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct pods *pods;
	atomic_bool stop;
	bool wanted;   /* somebody met a pod that is not known */
	bool answered; /* at least once */
	bool failing;  /* the last list gave nothing */
	uint64_t lists, failed;
};

/* --- one list ------------------------------------------------------------------------ */

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	/* Less than was given ends the transfer: over the limit. */
	return buf_append(ctx, data, size * n) == 0 ? size * n : 0;
}

/* Non-zero ends the transfer: nobody waits for it at the end. */
static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct kubelet *k = ctx;
	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&k->stop);
}

/* "Authorization: Bearer TOKEN"; the file is read each time, since it is rotated. The caller clears it. */
static int read_token(const char *path, char ret_header[static TOKEN_MAX])
{
	static const char start[] = "Authorization: Bearer ";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	memcpy(ret_header, start, sizeof(start) - 1);
	ssize_t n = read(fd, ret_header + sizeof(start) - 1, TOKEN_MAX - sizeof(start));
	if (n <= 0)
		return n < 0 ? -errno : -ENODATA;
	size_t len = sizeof(start) - 1 + (size_t)n;
	while (len > sizeof(start) - 1 && (ret_header[len - 1] == '\n' || ret_header[len - 1] == '\r'))
		len--;
	ret_header[len] = 0;
	/* One line of a header: nothing that ends it. */
	return strpbrk(ret_header, "\r\n") ? -EBADMSG : 0;
}

static void set_options(struct kubelet *k, CURL *curl, struct buf *body)
{
	curl_easy_setopt(curl, CURLOPT_URL, k->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (k->ca_path)
		curl_easy_setopt(curl, CURLOPT_CAINFO, k->ca_path);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, k);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
}

/* Why there is no list, or NULL. */
static const char *perform(CURL *curl, const struct curl_slist *headers, char ret_why[static CURL_ERROR_SIZE])
{
	long status = 0;
	ret_why[0] = 0;
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, ret_why);
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_WRITE_ERROR)
		return "its answer is too large";
	if (code != CURLE_OK)
		return ret_why[0] ? ret_why : curl_easy_strerror(code);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return NULL;
	snprintf(ret_why, CURL_ERROR_SIZE, "it answered with status %ld", status);
	return ret_why;
}

/* Copies of the token: ours, and the one in curl's list. */
static void clear_headers(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(headers);
}

static const char *fetch(struct kubelet *k, struct buf *body, char ret_why[static CURL_ERROR_SIZE])
{
	char header[TOKEN_MAX];
	struct curl_slist *headers = NULL;
	CURL *curl = curl_easy_init();
	const char *why = curl ? NULL : "out of memory";
	int r = why || !k->token_path ? 0 : read_token(k->token_path, header);

	if (r < 0) {
		snprintf(ret_why, CURL_ERROR_SIZE, "the token in %s cannot be read: %s", k->token_path,
			 strerror(-r));
		why = ret_why;
	} else if (!why && k->token_path) {
		headers = curl_slist_append(NULL, header);
	}
	explicit_bzero(header, sizeof(header));
	if (!why) {
		set_options(k, curl, body);
		why = perform(curl, headers, ret_why);
	}
	clear_headers(headers);
	curl_easy_cleanup(curl);
	return why;
}

static const char *take_list(struct kubelet *k, const struct buf *body)
{
	struct pod_list list;
	int r = pod_list_read(body->data ? (const char *)body->data : "", body->len, &list);
	if (r < 0)
		return r == -ENOMEM ? "out of memory" : "its answer is not a list of pods";
	pthread_mutex_lock(&k->lock);
	(void)pods_update(k->pods, &list, clock_mono_ns(), k->keep_ns);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* Told when it begins to fail, and when it works again. */
static void list_pods(struct kubelet *k)
{
	char text[CURL_ERROR_SIZE];
	struct buf body;
	buf_init(&body, PODS_TEXT_MAX);
	const char *why = fetch(k, &body, text);
	if (!why)
		why = take_list(k, &body);
	buf_done(&body);

	pthread_mutex_lock(&k->lock);
	bool was_failing = k->failing;
	k->lists++;
	k->failed += why != NULL;
	k->failing = why != NULL;
	k->answered |= !why;
	pthread_mutex_unlock(&k->lock);
	if (why && !was_failing && !atomic_load(&k->stop))
		log_warn("%s: the kubelet gives no list of pods, so events lack their pods' names: %s",
			 k->url, why);
	else if (!why && was_failing)
		log_info("%s: the kubelet lists its pods again", k->url);
}

/* --- thread -------------------------------------------------------------------------- */

/* Waits until the next list is due: after list_ns or, when one is wanted, early_ns after the last. False: to
 * end. */
static bool wait_for_turn(struct kubelet *k, uint64_t last_ns)
{
	pthread_mutex_lock(&k->lock);
	while (!atomic_load(&k->stop)) {
		uint64_t due_ns = last_ns + (k->wanted ? k->early_ns : k->list_ns);
		if (clock_mono_ns() >= due_ns)
			break;
		const struct timespec due = {.tv_sec = (time_t)(due_ns / NSEC_PER_SEC),
					     .tv_nsec = (long)(due_ns % NSEC_PER_SEC)};
		(void)pthread_cond_timedwait(&k->wake, &k->lock, &due);
	}
	bool go_on = !atomic_load(&k->stop);
	k->wanted = false;
	pthread_mutex_unlock(&k->lock);
	return go_on;
}

static void *kubelet_main(void *arg)
{
	struct kubelet *k = arg;
	uint64_t last_ns;

	thread_begin("kubelet", 5);
	do {
		last_ns = clock_mono_ns();
		list_pods(k);
	} while (wait_for_turn(k, last_ns));
	return NULL;
}

static int copy_options(struct kubelet *k, const struct identity_options *o)
{
	if (asprintf(&k->url, "%s/pods", o->kubelet) < 0) {
		k->url = NULL;
		return -ENOMEM;
	}
	k->token_path = o->token_path ? strdup(o->token_path) : NULL;
	k->ca_path = o->ca_path ? strdup(o->ca_path) : NULL;
	k->list_ns = o->list_ms * NSEC_PER_MSEC;
	k->early_ns = o->early_ms * NSEC_PER_MSEC;
	k->keep_ns = o->keep_ms * NSEC_PER_MSEC;
	return (o->token_path && !k->token_path) || (o->ca_path && !k->ca_path) ? -ENOMEM : 0;
}

int kubelet_start(struct kubelet **ret_kubelet, const struct identity_options *options)
{
	_cleanup_(kubelet_stop) struct kubelet *k = calloc(1, sizeof(*k));
	pthread_condattr_t attr;
	if (!k)
		return -ENOMEM;
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &attr);
	pthread_condattr_destroy(&attr);
	int r = copy_options(k, options);
	if (r == 0)
		r = pods_new(&k->pods);
	if (r == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		r = -ENOTSUP;
	if (r == 0)
		r = -pthread_create(&k->thread, NULL, kubelet_main, k);
	if (r < 0)
		return r;
	k->running = true;
	*ret_kubelet = TAKE_PTR(k);
	return 0;
}

void kubelet_stop(struct kubelet **kubelet)
{
	struct kubelet *k = *kubelet;
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	atomic_store(&k->stop, true);
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	if (k->running)
		pthread_join(k->thread, NULL);
	pods_free(&k->pods);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	free(k->url);
	free(k->token_path);
	free(k->ca_path);
	free(k);
	*kubelet = NULL;
}

static void want_list(struct kubelet *k)
{
	if (k->wanted)
		return;
	k->wanted = true;
	pthread_cond_signal(&k->wake);
}

void kubelet_want(struct kubelet *k)
{
	pthread_mutex_lock(&k->lock);
	want_list(k);
	pthread_mutex_unlock(&k->lock);
}

struct identity_pod *kubelet_pod(struct kubelet *k, const char *uid, const char **ret_problem)
{
	pthread_mutex_lock(&k->lock);
	struct identity_pod *pod = pods_get(k->pods, uid);
	if (!pod)
		want_list(k);
	*ret_problem = pod	      ? NULL
		       : k->failing   ? "metadata is missing: the kubelet gives no list of pods"
		       : !k->answered ? "metadata is missing: the kubelet has not answered yet"
				      : "metadata is missing: the kubelet has not listed this pod (yet)";
	pthread_mutex_unlock(&k->lock);
	return pod;
}

void kubelet_stats(struct kubelet *k, struct identity_whois_stats *ret_stats)
{
	pthread_mutex_lock(&k->lock);
	ret_stats->lists = k->lists;
	ret_stats->failed = k->failed;
	ret_stats->pods = pods_len(k->pods);
	pthread_mutex_unlock(&k->lock);
}
