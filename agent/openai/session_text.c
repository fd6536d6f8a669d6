/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session_text.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"
#include "openai/json.h"
#include "openai/session_audio.h"

/* Levels at which audio is looked for; the deepest that the API has is 5. */
#define LEVELS	 16
#define TYPE_MAX 64

/* A string as on the wire, between its quotes. */
struct slice {
	const uint8_t *p;
	size_t len;
	bool cut;
};

/* While one text is looked through. */
struct scan {
	const uint8_t *text;
	size_t len, at;
	struct buf out; /* the text up to `copied`, with replacements; empty: none so far */
	size_t copied;

	size_t depth; /* of open brackets */
	struct {
		bool list;  /* an array of content parts */
		bool parts; /* an object that is a content part */
	} levels[LEVELS];
	struct slice key; /* of the value that comes next; p is NULL: none */

	char type[TYPE_MAX];	   /* of the event; "": not seen, or longer than any that is of interest */
	struct slice audio, delta; /* outermost ones */
	const struct slice *hole;  /* which of them was left out of the copy, or NULL */
	size_t hole_at;		   /* its place in out */
};

const char *session_text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

size_t session_cost(const json_t *value, size_t limit)
{
	size_t cost = 64;
	const char *key;
	json_t *item;

	if (json_is_string(value))
		cost += json_string_length(value);
	json_object_foreach ((json_t *)value, key, item) {
		cost += 64 + strlen(key) + session_cost(item, limit);
		if (cost >= limit)
			return limit;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		cost += session_cost(json_array_get(value, i), limit);
		if (cost >= limit)
			return limit;
	}
	return MIN(cost, limit);
}

uint64_t session_name_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
	return hash ? hash : 1;
}

static bool slice_is(const struct slice *slice, const char *text)
{
	size_t len = strlen(text);
	return slice->p && slice->len == len && memcmp(slice->p, text, len) == 0;
}

/* The string whose opening quote is at `at`; moves past its end. Each backslash is looked at once: the run
 * before a quote ends at the quote before it, or earlier. */
static struct slice read_string(struct scan *s)
{
	size_t start = s->at + 1, from = start;
	const uint8_t *quote;

	while (from < s->len && (quote = memchr(s->text + from, '"', s->len - from))) {
		const uint8_t *p = quote;
		while (p > s->text + from && p[-1] == '\\')
			p--;
		size_t end = (size_t)(quote - s->text);
		if ((quote - p) % 2 == 0) {
			s->at = end + 1;
			return (struct slice){.p = s->text + start, .len = end - start};
		}
		from = end + 1;
	}
	s->at = s->len;
	start = MIN(start, s->len);
	return (struct slice){.p = s->text + start, .len = s->len - start, .cut = true};
}

/* The text before `end` goes as it is, then the replacement, and the text goes on at s->at. */
static int replace(struct scan *s, size_t end, const char *text)
{
	int r = buf_append(&s->out, s->text + s->copied, end - s->copied);
	if (r == 0)
		r = buf_append_str(&s->out, text);
	s->copied = s->at;
	return r;
}

/* With the quotes. */
static size_t begin_of(const struct scan *s, const struct slice *value)
{
	return (size_t)(value->p - s->text) - 1;
}

static int take_part_audio(struct scan *s, const struct slice *value)
{
	struct session_audio audio = {0};
	json_auto_t *sum = NULL;

	int r = session_audio_add(&audio, value->p, value->len);
	if (r == -EBADMSG && value->cut)
		r = 0; /* half of it is audio all the same */
	if (r == 0) {
		audio.inexact |= value->cut;
		r = session_audio_take(&audio, &sum);
	}
	session_audio_done(&audio);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	_cleanup_free_ char *text = json_dumps(sum, JSON_COMPACT);
	return text ? replace(s, begin_of(s, value), text) : -ENOMEM;
}

static int take_outermost(struct scan *s, const struct slice *value)
{
	if (slice_is(&s->key, "type") && value->len < TYPE_MAX && !value->cut) {
		memcpy(s->type, value->p, value->len);
		s->type[value->len] = 0;
	}
	bool delta = slice_is(&s->key, "delta");
	if (!delta && !slice_is(&s->key, "audio"))
		return 0;
	struct slice *kept = delta ? &s->delta : &s->audio;
	if (kept->p) /* a key that comes twice is left as it is */
		return 0;
	*kept = *value;
	if (value->len <= SESSION_SHORT || s->hole)
		return 0;
	int r = replace(s, begin_of(s, value), "\"\"");
	s->hole = kept;
	s->hole_at = s->out.len - 2;
	return r;
}

static bool is_key(const struct scan *s)
{
	size_t i = s->at;
	while (i < s->len && strchr(" \t\r\n", s->text[i]) && s->text[i])
		i++;
	return i < s->len && s->text[i] == ':';
}

static int on_string(struct scan *s)
{
	struct slice value = read_string(s);
	int r = 0;

	if (is_key(s)) {
		s->key = value;
		return 0;
	}
	if (s->depth == 1)
		r = take_outermost(s, &value);
	else if (s->depth && s->depth <= LEVELS && s->levels[s->depth - 1].parts &&
		 slice_is(&s->key, "audio") && value.len)
		r = take_part_audio(s, &value);
	s->key.p = NULL;
	return r;
}

static void on_open(struct scan *s, bool array)
{
	bool in_list = s->depth && s->depth <= LEVELS && s->levels[s->depth - 1].list;
	if (s->depth < LEVELS) {
		s->levels[s->depth].list = array && slice_is(&s->key, "content");
		s->levels[s->depth].parts = !array && (in_list || slice_is(&s->key, "part"));
	}
	s->depth++;
	s->key.p = NULL;
}

static int scan_text(struct scan *s)
{
	int r = 0;
	while (s->at < s->len && r == 0) {
		uint8_t c = s->text[s->at];
		if (c == '"') {
			r = on_string(s);
			continue;
		}
		s->at++;
		if (c == '{' || c == '[')
			on_open(s, c == '[');
		else if (c == '}' || c == ']')
			s->depth -= s->depth > 0;
		else if (c == ',')
			s->key.p = NULL;
	}
	return r;
}

static bool is_audio_append(const char *type)
{
	return !strcmp(type, "input_audio_buffer.append") ||
	       !strcmp(type, "session.input_audio_buffer.append");
}

static bool is_audio_delta(const char *type)
{
	return !strcmp(type, "response.output_audio.delta") || !strcmp(type, "response.audio.delta") ||
	       !strcmp(type, "session.output_audio.delta");
}

/* A long text that is no audio after all goes back to its place. */
static int fill_hole(struct scan *s)
{
	const struct slice *value = s->hole;
	struct buf whole;
	buf_init(&whole, SIZE_MAX / 4);
	int r = buf_append(&whole, s->out.data, s->hole_at);
	if (r == 0)
		r = buf_append(&whole, value->p - 1, value->len + (value->cut ? 1 : 2));
	if (r == 0)
		r = buf_append(&whole, s->out.data + s->hole_at + 2, s->out.len - s->hole_at - 2);
	buf_done(&s->out);
	s->out = whole;
	return r;
}

static int parse(struct session_text *t, const uint8_t *text, size_t len)
{
	struct openai_json json;
	int r = openai_json_read(text, len, &json);
	if (r < 0)
		return r;
	t->flaws = json.flaws;
	if (!json_is_object(json.value)) {
		json_decref(json.value);
		return 0;
	}
	t->value = json.value;
	t->type = session_text_of(json.value, "type");
	if (!t->type)
		t->type = "";
	return 0;
}

static int read_all(struct session_text *t, struct scan *s)
{
	int r = scan_text(s);
	const struct slice *audio = is_audio_append(s->type)  ? &s->audio
				    : is_audio_delta(s->type) ? &s->delta
							      : NULL;

	if (r == 0 && s->out.len)
		r = buf_append(&s->out, s->text + s->copied, s->len - s->copied);
	if (r == 0 && s->hole && audio != s->hole)
		r = fill_hole(s);
	if (r < 0)
		return r;
	if (audio && audio->p) {
		t->audio = audio->p;
		t->audio_len = audio->len;
		t->audio_cut = audio->cut;
	}
	r = s->out.len ? parse(t, s->out.data, s->out.len) : parse(t, s->text, s->len);
	/* The cut string was left out, so that the text lacks nothing any more. */
	if (t->audio_cut)
		t->flaws |= JSON_CUT;
	return r;
}

int session_text_read(struct session_text *ret_text, const uint8_t *text, size_t len)
{
	struct session_text t = {.type = ""};
	struct scan s = {.text = text, .len = len};

	buf_init(&s.out, SIZE_MAX / 4);
	int r = len ? read_all(&t, &s) : 0;
	buf_done(&s.out);
	if (r < 0) {
		session_text_done(&t);
		return r;
	}
	*ret_text = t;
	return 0;
}

void session_text_done(struct session_text *text)
{
	json_decref(text->value);
	*text = (struct session_text){.type = ""};
}
