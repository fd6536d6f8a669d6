/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/operation.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "openai/target.h"
#include "openai/text.h"

#define SEGMENTS_MAX 16

/* Of an api-version: "2024-10-21" or "2024-10-01-preview". */
#define DATE_LEN 10

static const struct openai_operation unknown = {.id = "Unknown", .kind = OPENAI_UNKNOWN};

/* Decoded, NUL-terminated segments, empty ones left out. */
struct segments {
	char *text;
	char *at[SEGMENTS_MAX];
	size_t n;
};

/* What a row says about a path; slices of the segments. */
struct found {
	const struct openai_operation *operation;
	const char *deployment, *model;
	bool model_is_deployment;
};

static bool segment_is_plain(const char *s, size_t len)
{
	if (!strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] == '/' || s[i] == '\\')
			return false;
	return openai_text_is_printable(s, len);
}

/* -EBADMSG: names nothing that every server would read alike. */
static int segments_split(struct segments *ret_segs, const char *path, size_t len)
{
	struct segments segs = {.text = malloc(len + 1)};
	_cleanup_free_ char *text = segs.text;
	char *out = text;

	if (!text)
		return -ENOMEM;
	if (len == 0 || path[0] != '/')
		return -EBADMSG;
	for (size_t i = 0; i < len;) {
		const char *start = path + i + 1;
		const char *end = memchr(start, '/', len - i - 1);
		size_t raw_len = (size_t)((end ? end : path + len) - start);
		i += raw_len + 1;
		if (raw_len == 0)
			continue;

		ssize_t n = openai_percent_decode(start, raw_len, out);
		if (n < 0 || segs.n == SEGMENTS_MAX)
			return -EBADMSG;
		out[n] = 0;
		if (!segment_is_plain(out, (size_t)n))
			return -EBADMSG;
		segs.at[segs.n++] = out;
		out += n + 1;
	}
	(void)TAKE_PTR(text);
	*ret_segs = segs;
	return 0;
}

static bool literal_matches(const char *pattern, size_t pattern_len, const char *segment, bool any_case)
{
	if (strlen(segment) != pattern_len)
		return false;
	return any_case ? !strncasecmp(pattern, segment, pattern_len)
			: !strncmp(pattern, segment, pattern_len);
}

static bool path_matches(const struct openai_operation *op, char *const *at, size_t n, bool any_case,
			 struct found *found)
{
	const char *p = op->path;
	struct found f = {.operation = op};

	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(p, "/");
		if (len == 0)
			return false;
		if (*p != '{') {
			if (!literal_matches(p, len, at[i], any_case))
				return false;
		} else if (!strncmp(p, "{deployment}", len)) {
			f.deployment = at[i];
		} else if (!strncmp(p, "{model}", len)) {
			f.model = at[i];
		}
		p += len;
		p += *p == '/';
	}
	if (*p)
		return false;
	*found = f;
	return true;
}

static bool starts_with_date(const char *version)
{
	for (size_t i = 0; i < DATE_LEN; i++)
		if (i == 4 || i == 7 ? version[i] != '-' : version[i] < '0' || version[i] > '9')
			return false;
	return true;
}

static bool row_fits(const struct openai_operation *op, const struct openai_asked *asked, unsigned root)
{
	if (!(op->roots & root) || strcmp(op->method, asked->method) != 0)
		return false;
	if ((op->flags & OP_UPGRADE) && !asked->upgrade)
		return false;
	if (!op->until)
		return true;
	return asked->api_version && starts_with_date(asked->api_version) &&
	       strncmp(asked->api_version, op->until, DATE_LEN) <= 0;
}

static const struct openai_resource *find_resource(const char *name, bool any_case)
{
	size_t high, low = 0;
	const struct openai_resource *all = openai_resources(&high);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = any_case ? strcasecmp(name, all[mid].name) : strcmp(name, all[mid].name);
		if (order == 0)
			return &all[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* The segments from `from` on, as a path of that root. */
static bool try_root(const struct openai_asked *asked, const struct segments *segs, size_t from,
		     unsigned root, struct found *found)
{
	bool any_case = root & (ROOT_AZURE | ROOT_AZURE_V1 | ROOT_FOUNDRY);
	const struct openai_resource *resource =
		from < segs->n ? find_resource(segs->at[from], any_case) : NULL;

	for (size_t i = 0; resource && i < resource->n_rows; i++) {
		const struct openai_operation *op = &resource->rows[i];
		if (!row_fits(op, asked, root) ||
		    !path_matches(op, segs->at + from, segs->n - from, any_case, found))
			continue;
		found->model_is_deployment = root == ROOT_AZURE_V1;
		return true;
	}
	return false;
}

/* What begins at the segment `at`, with a root. */
static bool try_at(const struct openai_asked *asked, const struct segments *segs, size_t at,
		   struct found *found)
{
	const char *name = segs->at[at];

	if (!strcmp(name, "v1"))
		return try_root(asked, segs, at + 1, ROOT_OPENAI, found);
	if (!strcasecmp(name, "models"))
		return try_root(asked, segs, at + 1, ROOT_FOUNDRY, found);
	if (strcasecmp(name, "openai") != 0)
		return false;
	if (at + 1 < segs->n && !strcasecmp(segs->at[at + 1], "v1") &&
	    try_root(asked, segs, at + 2, ROOT_AZURE_V1, found))
		return true;
	return try_root(asked, segs, at + 1, ROOT_AZURE, found) ||
	       (at && try_root(asked, segs, at + 1, ROOT_BARE, found));
}

static const char *find_deployment(const struct segments *segs)
{
	for (size_t i = 0; i + 3 < segs->n; i++)
		if (!strcasecmp(segs->at[i], "openai") && !strcasecmp(segs->at[i + 1], "deployments"))
			return segs->at[i + 2];
	return NULL;
}

static struct found find(const struct openai_asked *asked, const struct segments *segs)
{
	struct found found = {.operation = &unknown};

	if (asked->method && segs->n &&
	    (try_at(asked, segs, 0, &found) || try_root(asked, segs, 0, ROOT_BARE, &found)))
		return found;
	for (size_t i = 1; asked->method && i < segs->n; i++)
		if (try_at(asked, segs, i, &found))
			return found;
	found.deployment = find_deployment(segs);
	return found;
}

int openai_operation_find(struct openai_match *ret_match, const struct openai_asked *asked)
{
	struct segments segs = {0};
	int r = asked->path ? segments_split(&segs, asked->path, asked->path_len) : -EBADMSG;
	if (r == -ENOMEM)
		return r;
	_cleanup_free_ char *text = segs.text;
	struct found found = find(asked, &segs);
	_cleanup_(openai_match_done) struct openai_match match = {
		.operation = found.operation,
		.deployment = found.deployment ? strdup(found.deployment) : NULL,
		.model = found.model ? strdup(found.model) : NULL,
		.model_is_deployment = found.model_is_deployment,
	};
	if ((found.deployment && !match.deployment) || (found.model && !match.model))
		return -ENOMEM;
	*ret_match = match;
	match = (struct openai_match){0};
	return 0;
}

void openai_match_done(struct openai_match *match)
{
	free(match->deployment);
	free(match->model);
	*match = (struct openai_match){0};
}
