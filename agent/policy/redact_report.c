/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/redact_internal.h"

/* A token of a JSON Pointer (RFC 6901 section 3) to out, if that is given. Its length. */
static size_t token(const struct redact_place *place, char *out)
{
	char digits[24];
	const char *name = place->name;
	size_t n = 0;
	if (!place->above)
		name = place->base;
	else if (!name) {
		snprintf(digits, sizeof(digits), "%zu", place->index);
		name = digits;
	}
	if (place->above) {
		if (out)
			out[n] = '/';
		n++;
	}
	for (const char *p = name; *p; p++) {
		const bool mark = place->above && (*p == '~' || *p == '/');
		if (out) {
			out[n] = mark ? '~' : *p;
			if (mark)
				out[n + 1] = *p == '~' ? '0' : '1';
		}
		n += mark ? 2 : 1;
	}
	return n;
}

static size_t path_len(const struct redact_place *place)
{
	size_t len = 0;
	for (; place; place = place->above)
		len += token(place, NULL);
	return len;
}

/* NULL: out of memory. */
static char *path_of(const struct redact_place *place)
{
	size_t len = path_len(place);
	while (len > REDACT_PATH_MAX && place->above) {
		len -= token(place, NULL);
		place = place->above;
	}
	if (len > REDACT_PATH_MAX)
		return strdup("");
	char *path = malloc(len + 1);
	if (!path)
		return NULL;
	path[len] = 0;
	for (; place; place = place->above) {
		len -= token(place, NULL);
		token(place, path + len);
	}
	return path;
}

static struct redact_hit *hit_find(struct redact_report *report, const char *path, const char *rule,
				   bool withheld)
{
	for (size_t i = 0; i < report->n_hits; i++) {
		struct redact_hit *h = &report->hits[i];
		if (h->withheld == withheld && !strcmp(h->rule, rule) && !strcmp(h->path, path))
			return h;
	}
	return NULL;
}

static int hit_add(struct redact_report *report, const char *path, const char *rule, uint64_t count,
		   bool withheld)
{
	report->total += count;
	report->withheld += withheld ? count : 0;
	struct redact_hit *h = hit_find(report, path, rule, withheld);
	if (h) {
		h->count += count;
		return 0;
	}
	if (report->n_hits == REDACT_HITS_MAX) {
		report->overflow += count;
		return 0;
	}
	if (!report->hits && !(report->hits = calloc(REDACT_HITS_MAX, sizeof(*report->hits))))
		return -ENOMEM;
	h = &report->hits[report->n_hits];
	h->path = strdup(path);
	if (!h->path)
		return -ENOMEM;
	snprintf(h->rule, sizeof(h->rule), "%s", rule);
	h->count = count;
	h->withheld = withheld;
	report->n_hits++;
	return 0;
}

int redact_report_add(const struct redactor *r, struct redact_scratch *s, bool withheld,
		      const struct redact_place *place, struct redact_report *report)
{
	if (!report)
		return 0;
	_cleanup_free_ char *path = path_of(place);
	if (!path)
		return -ENOMEM;
	if (withheld)
		return hit_add(report, path, s->withheld, 1, true);
	int err = 0;
	for (size_t i = 0; err == 0 && i < r->n_rules; i++)
		if (s->counts[i])
			err = hit_add(report, path, r->rules[i].name, s->counts[i], false);
	return err;
}

void redact_report_done(struct redact_report *report)
{
	for (size_t i = 0; i < report->n_hits; i++)
		free(report->hits[i].path);
	free(report->hits);
	memset(report, 0, sizeof(*report));
}
