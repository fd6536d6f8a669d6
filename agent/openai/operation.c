/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/operation.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "openai/target.h"
#include "openai/text.h"

#define SEGMENTS_MAX 16
#define DEPLOYMENT   "{deployment}"

static const struct openai_operation operations[] = {
	{"ChatCompletions_Create", OPENAI_CHAT, "POST", "/openai/deployments/{deployment}/chat/completions",
	 true, false},
	{"createChatCompletion", OPENAI_CHAT, "POST", "/openai/v1/chat/completions", true, true},
	{"createChatCompletion", OPENAI_CHAT, "POST", "/v1/chat/completions", false, false},
	{"getChatCompletions", OPENAI_CHAT, "POST", "/models/chat/completions", true, false},
};

static const struct openai_operation unknown = {"Unknown", OPENAI_UNKNOWN, NULL, NULL, false, false};

/* Decoded, NUL-terminated segments, empty ones left out. */
struct segments {
	char *text;
	char *at[SEGMENTS_MAX];
	size_t n;
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

static bool path_matches(const struct openai_operation *op, const struct segments *segs,
			 const char **ret_deployment)
{
	const char *p = op->path;
	const char *deployment = NULL;

	for (size_t i = 0; i < segs->n; i++) {
		if (*p != '/')
			return false;
		size_t len = strcspn(++p, "/");
		if (len == strlen(DEPLOYMENT) && !memcmp(p, DEPLOYMENT, len))
			deployment = segs->at[i];
		else if (!literal_matches(p, len, segs->at[i], op->any_case))
			return false;
		p += len;
	}
	if (*p)
		return false;
	*ret_deployment = deployment;
	return true;
}

int openai_operation_find(const char *method, const char *path, size_t path_len,
			  const struct openai_operation **ret_operation, char **ret_deployment)
{
	const struct openai_operation *found = &unknown;
	const char *deployment = NULL;
	struct segments segs = {0};

	int r = path ? segments_split(&segs, path, path_len) : -EBADMSG;
	if (r == -ENOMEM)
		return r;
	_cleanup_free_ char *text = segs.text;
	if (segs.n > 3 && !strcasecmp(segs.at[0], "openai") && !strcasecmp(segs.at[1], "deployments"))
		deployment = segs.at[2];
	for (size_t i = 0; i < ARRAY_SIZE(operations) && method; i++) {
		const struct openai_operation *op = &operations[i];
		if (strcmp(op->method, method) || !path_matches(op, &segs, &deployment))
			continue;
		found = op;
		break;
	}

	char *copy = NULL;
	if (deployment && !(copy = strdup(deployment)))
		return -ENOMEM;
	*ret_operation = found;
	*ret_deployment = copy;
	return 0;
}
