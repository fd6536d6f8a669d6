/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/verifier.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/thread.h"
#include "identity/file.h"
#include "identity/jwks_fetch.h"

#define VERIFIER_NICE 5

/* So often keys that were held long enough are dropped, if nothing else happens. */
#define MERGE_NS (600 * NSEC_PER_SEC)

const char *const identity_default_audiences[] = {
	"https://cognitiveservices.azure.com",	"https://cognitiveservices.azure.us",
	"https://cognitiveservices.azure.cn",	"https://ai.azure.com",
	"7d312290-28c8-473c-a0ed-8e53749b6d6d", /* Microsoft Cognitive Services */
	"18a66f5f-dbdf-4c17-9dd7-1634712a9cbe", /* Azure Machine Learning Services: https://ai.azure.com */
};
const size_t identity_n_default_audiences = ARRAY_SIZE(identity_default_audiences);

/* The keys at one time; never changed once others can see it. */
struct key_set {
	atomic_uint refs;
	uint64_t generation;
	struct jwks *jwks;
};

/* Thread of the verifier only. */
struct source {
	const char *name;
	bool is_url;
	struct jwks *jwks;     /* as last read; or NULL */
	struct stat seen;      /* of the file when it was last read; st_ino 0: never */
	uint64_t next_ns;      /* of the URL: when it is fetched next */
	unsigned int failures; /* in a row */
};

struct identity_verifier {
	struct identity_verifier_options options;
	struct source sources[IDENTITY_SOURCES_MAX];
	pthread_t thread;
	bool running;
	atomic_bool stop, wanted;
	pthread_mutex_t lock; /* of set, and for the condition */
	pthread_cond_t wake;
	struct key_set *set;
	atomic_uint_least64_t generation, fetches, failures;
	/* thread only */
	uint64_t merged_ns;
	unsigned int burst; /* fetches left that unknown keys may ask for */
	uint64_t burst_ns;  /* when the last one was given back */
};

/* --- the set ------------------------------------------------------------------------- */

static void set_unref(struct key_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	jwks_free(&set->jwks);
	free(set);
}

static struct key_set *set_ref(struct identity_verifier *v)
{
	pthread_mutex_lock(&v->lock);
	struct key_set *set = v->set;
	atomic_fetch_add(&set->refs, 1);
	pthread_mutex_unlock(&v->lock);
	return set;
}

/* Takes jwks. 0; -ENOMEM: jwks is freed. */
static int set_publish(struct identity_verifier *v, struct jwks *jwks)
{
	struct key_set *set = calloc(1, sizeof(*set));
	if (!set) {
		jwks_free(&jwks);
		return -ENOMEM;
	}
	bool same = v->set && jwks_equal(v->set->jwks, jwks);
	atomic_init(&set->refs, 1);
	set->jwks = jwks;
	set->generation = atomic_load(&v->generation) + !same;
	pthread_mutex_lock(&v->lock);
	struct key_set *before = v->set;
	v->set = set;
	pthread_mutex_unlock(&v->lock);
	atomic_store(&v->generation, set->generation);
	set_unref(before);
	if (!same)
		log_debug("%zu keys to check tokens with, %zu left out", jwks->n, jwks->n_skipped);
	return 0;
}

/* Seconds that only go forward. */
static int64_t now_s(void)
{
	return (int64_t)(clock_mono_ns() / NSEC_PER_SEC);
}

/* What all sources hold now, and what they held not long ago. */
static int merge(struct identity_verifier *v)
{
	_cleanup_(jwks_free) struct jwks *all = NULL;
	struct jwks empty = {0}, *kept = NULL;
	int r = 0;

	for (size_t i = 0; i < v->options.n_sources && r == 0; i++) {
		struct jwks *more = NULL;
		if (!v->sources[i].jwks)
			continue;
		r = jwks_merge(all, v->sources[i].jwks, now_s(), INT64_MAX, &more);
		if (r == 0) {
			jwks_free(&all);
			all = more;
		}
	}
	if (r == 0)
		r = jwks_merge(v->set ? v->set->jwks : NULL, all ? all : &empty, now_s(), v->options.hold_s,
			       &kept);
	if (r == 0)
		r = set_publish(v, kept);
	v->merged_ns = clock_mono_ns();
	return r;
}

/* --- sources ------------------------------------------------------------------------- */

static void complain(struct identity_verifier *v, const struct source *s, const char *why)
{
	atomic_fetch_add(&v->failures, 1);
	log_warn("%s: no keys to check tokens with: %s%s", s->name, why,
		 s->jwks ? "; those known before stay" : "");
}

static bool take(struct identity_verifier *v, struct source *s, const char *text, size_t len)
{
	struct jwks *jwks = NULL;
	const char *why = "out of memory";
	if (jwks_parse(text, len, &jwks, &why) < 0) {
		complain(v, s, why);
		return false;
	}
	if (jwks->n == 0) {
		complain(v, s, "it holds no key that can be used");
		jwks_free(&jwks);
		return false;
	}
	jwks_free(&s->jwks);
	s->jwks = jwks;
	return true;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static const char *read_file(struct identity_verifier *v, struct source *s, int fd, bool *ret_read)
{
	_cleanup_free_ char *text = malloc(JWKS_TEXT_MAX + 1);
	size_t len = 0;
	if (!text)
		return "out of memory";
	int r = file_read(fd, text, JWKS_TEXT_MAX + 1, &len);
	if (r < 0)
		return strerror(-r);
	*ret_read = take(v, s, text, len);
	return NULL;
}

/* True if there are new keys. O_NONBLOCK: a FIFO in the file's place must not hang the thread. */
static bool check_file(struct identity_verifier *v, struct source *s)
{
	_cleanup_close_ int fd = open(s->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st = {0};
	const char *why = NULL;
	bool done = false;

	if (fd < 0 || fstat(fd, &st) < 0)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "it is not a regular file";
	else if (same_file(&st, &s->seen))
		return false;
	else
		why = read_file(v, s, fd, &done);
	/* Said once, not at every look. */
	if (why && s->failures++ == 0)
		complain(v, s, why);
	else if (!why)
		s->failures = 0;
	s->seen = st;
	return done;
}

static bool fetch(struct identity_verifier *v, struct source *s)
{
	struct buf text;
	char why[JWKS_FETCH_WHY];
	bool done = false;

	buf_init(&text, JWKS_TEXT_MAX);
	atomic_fetch_add(&v->fetches, 1);
	if (jwks_fetch(s->name, v->options.ca_file, v->options.timeout_ms, &v->stop, &text, why) == 0)
		done = take(v, s, text.data ? (const char *)text.data : "", text.len);
	else if (!atomic_load(&v->stop))
		complain(v, s, why);
	buf_done(&text);

	uint64_t wait_s = v->options.refresh_s;
	if (!done) {
		wait_s = (uint64_t)v->options.retry_s << MIN(s->failures, 16U);
		wait_s = MIN(wait_s, (uint64_t)v->options.retry_max_s);
		s->failures++;
	} else {
		s->failures = 0;
	}
	s->next_ns = clock_mono_ns() + wait_s * NSEC_PER_SEC;
	return done;
}

/* --- thread -------------------------------------------------------------------------- */

/* True if unknown keys may have the URLs fetched now. */
static bool may_fetch(struct identity_verifier *v, uint64_t now_ns)
{
	uint64_t interval_ns = v->options.fetch_interval_s * NSEC_PER_SEC;
	while (v->burst < v->options.fetch_burst && now_ns - v->burst_ns >= interval_ns) {
		v->burst++;
		v->burst_ns += interval_ns;
	}
	if (v->burst == v->options.fetch_burst)
		v->burst_ns = now_ns;
	if (!atomic_load(&v->wanted) || v->burst == 0)
		return false;
	v->burst--;
	return true;
}

static bool is_due(const struct identity_verifier *v, uint64_t now_ns)
{
	for (size_t i = 0; i < v->options.n_sources; i++)
		if (v->sources[i].is_url && now_ns >= v->sources[i].next_ns)
			return true;
	return false;
}

static void look(struct identity_verifier *v)
{
	uint64_t now_ns = clock_mono_ns();
	bool due = is_due(v, now_ns), wanted = !due && may_fetch(v, now_ns);
	bool changed = now_ns - v->merged_ns >= MERGE_NS;

	/* Before the fetch: what is asked for while it runs may be newer than its answer. */
	if (wanted || due)
		atomic_store(&v->wanted, false);
	for (size_t i = 0; i < v->options.n_sources && !atomic_load(&v->stop); i++) {
		struct source *s = &v->sources[i];
		if (!s->is_url)
			changed |= check_file(v, s);
		else if (wanted || now_ns >= s->next_ns)
			changed |= fetch(v, s);
	}
	if (changed && merge(v) < 0)
		log_warn("no memory for new keys to check tokens with; those known before stay");
}

static void rest(struct identity_verifier *v)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	uint64_t ns = (uint64_t)until.tv_sec * NSEC_PER_SEC + (uint64_t)until.tv_nsec +
		      v->options.file_check_ms * NSEC_PER_MSEC;
	until.tv_sec = (time_t)(ns / NSEC_PER_SEC);
	until.tv_nsec = (long)(ns % NSEC_PER_SEC);
	pthread_mutex_lock(&v->lock);
	if (!atomic_load(&v->stop) && !(atomic_load(&v->wanted) && v->burst))
		pthread_cond_timedwait(&v->wake, &v->lock, &until);
	pthread_mutex_unlock(&v->lock);
}

static void *verifier_main(void *arg)
{
	struct identity_verifier *v = arg;
	thread_begin("jwks", VERIFIER_NICE);
	while (!atomic_load(&v->stop)) {
		look(v);
		rest(v);
	}
	return NULL;
}

/* --- public -------------------------------------------------------------------------- */

static unsigned int or_default(unsigned int value, unsigned int fallback)
{
	return value ? value : fallback;
}

static void set_options(struct identity_verifier *v, const struct identity_verifier_options *options)
{
	struct identity_verifier_options *o = &v->options;
	*o = *options;
	o->refresh_s = or_default(o->refresh_s, 3600);
	o->retry_s = or_default(o->retry_s, 5);
	o->retry_max_s = or_default(o->retry_max_s, 900);
	o->fetch_burst = or_default(o->fetch_burst, 5);
	o->fetch_interval_s = or_default(o->fetch_interval_s, 60);
	o->file_check_ms = or_default(o->file_check_ms, 2000);
	o->timeout_ms = or_default(o->timeout_ms, 20000);
	o->hold_s = or_default(o->hold_s, 28 * 3600);
	if (!o->audiences) {
		o->audiences = identity_default_audiences;
		o->n_audiences = identity_n_default_audiences;
	}
	v->burst = o->fetch_burst;
	for (size_t i = 0; i < o->n_sources; i++) {
		v->sources[i].name = o->sources[i];
		v->sources[i].is_url = o->sources[i][0] != '/';
	}
}

int identity_verifier_new(struct identity_verifier **ret_verifier,
			  const struct identity_verifier_options *options)
{
	if (options->n_sources > IDENTITY_SOURCES_MAX)
		return -EINVAL;
	_cleanup_(identity_verifier_free) struct identity_verifier *v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&v->lock, NULL);
	set_options(v, options);
	for (size_t i = 0; i < v->options.n_sources; i++)
		if (!v->sources[i].is_url)
			(void)check_file(v, &v->sources[i]);
	int r = merge(v);
	if (r == 0)
		r = jwks_fetch_init();
	if (r == 0)
		r = -pthread_create(&v->thread, NULL, verifier_main, v);
	if (r < 0)
		return r;
	v->running = true;
	*ret_verifier = TAKE_PTR(v);
	return 0;
}

void identity_verifier_free(struct identity_verifier **verifier)
{
	struct identity_verifier *v = *verifier;
	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	atomic_store(&v->stop, true);
	pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->lock);
	if (v->running)
		pthread_join(v->thread, NULL);
	for (size_t i = 0; i < v->options.n_sources; i++)
		jwks_free(&v->sources[i].jwks);
	set_unref(v->set);
	pthread_cond_destroy(&v->wake);
	pthread_mutex_destroy(&v->lock);
	free(v);
	*verifier = NULL;
}

uint64_t identity_verifier_generation(const struct identity_verifier *verifier)
{
	return atomic_load_explicit(&verifier->generation, memory_order_acquire);
}

void identity_verifier_check(struct identity_verifier *verifier, const struct identity_caller *token,
			     const struct token_proof *proof, struct verify_verdict *ret_verdict,
			     uint64_t *ret_generation)
{
	struct key_set *set = set_ref(verifier);
	verify_token(set->jwks, verifier->options.audiences, verifier->options.n_audiences, token, proof,
		     ret_verdict);
	*ret_generation = set->generation;
	set_unref(set);
}

void identity_verifier_want(struct identity_verifier *verifier)
{
	if (atomic_exchange(&verifier->wanted, true))
		return;
	pthread_mutex_lock(&verifier->lock);
	pthread_cond_signal(&verifier->wake);
	pthread_mutex_unlock(&verifier->lock);
}

struct identity_verifier_stats identity_verifier_stats(struct identity_verifier *verifier)
{
	struct key_set *set = set_ref(verifier);
	struct identity_verifier_stats stats = {
		.keys = set->jwks->n,
		.fetches = atomic_load(&verifier->fetches),
		.failures = atomic_load(&verifier->failures),
	};
	set_unref(set);
	return stats;
}
