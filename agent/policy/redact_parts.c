/* SPDX-License-Identifier: Apache-2.0 */
/* Matches across the borders of text parts. A chain is the text of neighbouring parts, of long ones only what
 * lies near a border; what is found in it within one part is not taken, since the part alone is searched too,
 * and there words end where the part does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/redact_walk.h"

#define NEAR REDACT_MATCH_MAX

/* A stretch of one part in the chain. */
struct piece {
	size_t part, offset; /* index in the array; bytes in its text */
	size_t joined, len;  /* where it lies in the chain */
};

struct chain {
	struct redact_walk *w;
	json_t *array;
	const struct redact_place *place;
	struct redact_bytes pieces; /* of struct piece */
	size_t n;
};

static json_t *part_text(const json_t *array, size_t i)
{
	json_t *text = json_object_get(json_array_get(array, i), "text");
	return json_is_string(text) ? text : NULL;
}

static struct piece *piece_at(struct chain *c, size_t i)
{
	return (struct piece *)(void *)c->pieces.data + i;
}

static size_t whole_character(const char *text, size_t i)
{
	while (i > 0 && ((uint8_t)text[i] & 0xc0) == 0x80)
		i--;
	return i;
}

static int add_piece(struct chain *c, size_t part, size_t offset, size_t len)
{
	struct redact_bytes *joined = &c->w->s->joined;
	c->w->s->used = true;
	const struct piece p = {part, offset, joined->len, len};
	int err = redact_bytes_add(joined, json_string_value(part_text(c->array, part)) + offset, len);
	if (err == 0)
		err = redact_bytes_add(&c->pieces, &p, sizeof(p));
	c->n += err == 0;
	return err;
}

/* The parts that a span of the chain lies in get a span each, on the list of that part. */
struct part_span {
	size_t part;
	struct redact_span span;
};

static int split_span(struct chain *c, struct redact_span span, struct redact_bytes *list)
{
	uint16_t rule = span.rule;
	size_t first = 0;
	while (span.start >= piece_at(c, first)->joined + piece_at(c, first)->len)
		first++;
	if (span.end <= piece_at(c, first)->joined + piece_at(c, first)->len)
		return 0;
	for (size_t i = first; i < c->n && piece_at(c, i)->joined < span.end; i++) {
		const struct piece *p = piece_at(c, i);
		size_t start = MAX(span.start, p->joined) - p->joined,
		       end = MIN(span.end, p->joined + p->len) - p->joined;
		const struct part_span s = {p->part, {p->offset + start, p->offset + end, rule}};
		int err = start < end ? redact_bytes_add(list, &s, sizeof(s)) : 0;
		if (err < 0)
			return err;
		rule = REDACT_RULE_NONE;
	}
	return 0;
}

static int withhold_all(struct chain *c)
{
	const char *why = c->w->s->withheld;
	int err = 0;
	for (size_t i = 0; err == 0 && i < c->n; i++) {
		const struct redact_place part = {.above = c->place, .index = piece_at(c, i)->part};
		const struct redact_place text = {.above = &part, .name = "text"};
		c->w->s->withheld = why;
		err = redact_walk_withhold(c->w, part_text(c->array, part.index), &text);
	}
	return err;
}

static int apply_part(struct chain *c, size_t part, const struct redact_spans *spans)
{
	const struct redact_place here = {.above = c->place, .index = part};
	const struct redact_place text = {.above = &here, .name = "text"};
	return redact_walk_string(c->w, part_text(c->array, part), &text, "text", spans);
}

/* The list is in the order of parts: spans of one chain are sorted, and none crosses another. */
static int apply_list(struct chain *c, const struct redact_bytes *list)
{
	const struct part_span *v = (const struct part_span *)(const void *)list->data;
	const size_t n = list->len / sizeof(*v);
	struct redact_spans *spans = &c->w->s->crossing;
	int err = 0;
	for (size_t i = 0; err == 0 && i < n;) {
		const size_t part = v[i].part;
		spans->n = 0;
		for (; err == 0 && i < n && v[i].part == part; i++)
			err = redact_span_push(c->w->s, spans, v[i].span);
		if (err == 0)
			err = apply_part(c, part, spans);
	}
	return err;
}

static int finish_chain(struct chain *c)
{
	struct redact_scratch *s = c->w->s;
	struct redact_spans *spans = &s->spans;
	_cleanup_(redact_bytes_done) struct redact_bytes list = {0};
	const struct redact_subject subject = {s->joined.data, s->joined.len, NULL};
	int err = 0;
	/* What is not UTF-8 will be withheld. */
	if (c->n >= 2 && utf8_valid(subject.text, subject.len, NULL)) {
		spans->n = 0;
		s->budget = (uint64_t)c->w->r->match_limit * 20;
		err = redact_find(c->w->r, s, &subject, spans);
		if (err == REDACT_WITHHELD && c->w->dry) {
			c->w->changed = true;
			err = 0;
		} else if (err == REDACT_WITHHELD) {
			err = withhold_all(c);
		} else if (err == 0) {
			redact_spans_merge(spans);
		}
		for (size_t i = 0; err == 0 && i < spans->n; i++)
			err = split_span(c, spans->v[i], &list);
		c->w->changed |= list.len > 0;
		if (err == 0 && list.len && !c->w->dry)
			err = apply_list(c, &list);
	}
	c->n = 0;
	redact_bytes_reset(&c->pieces);
	redact_bytes_reset(&s->joined);
	return err;
}

static int add_part(struct chain *c, size_t part)
{
	const json_t *text = part_text(c->array, part);
	const size_t len = json_string_length(text);
	if (len <= 2 * NEAR)
		return add_piece(c, part, 0, len);
	int err = add_piece(c, part, 0, whole_character(json_string_value(text), NEAR));
	if (err == 0)
		err = finish_chain(c);
	/* The part may have become another by that. */
	const size_t now = json_string_length(text);
	const size_t from = now > NEAR ? whole_character(json_string_value(text), now - NEAR) : 0;
	return err ? err : add_piece(c, part, from, now - from);
}

static bool has_neighbours(const json_t *array)
{
	bool before = false;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const bool now = part_text(array, i);
		if (before && now)
			return true;
		before = now;
	}
	return false;
}

int redact_walk_parts(struct redact_walk *w, json_t *array, const struct redact_place *place)
{
	struct chain c = {.w = w, .array = array, .place = place};
	int err = 0;
	if (!has_neighbours(array))
		return 0;
	redact_bytes_reset(&w->s->joined);
	for (size_t i = 0; err == 0 && i < json_array_size(array); i++) {
		if (part_text(array, i))
			err = add_part(&c, i);
		else
			err = finish_chain(&c);
	}
	if (err == 0)
		err = finish_chain(&c);
	redact_bytes_done(&c.pieces);
	redact_bytes_reset(&w->s->joined);
	return err;
}
