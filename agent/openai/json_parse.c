/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/json_parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/digit.h"
#include "base/lanes.h"
#include "base/macro.h"
#include "base/utf8.h"

#define DEPTH_MAX 2048 /* what json_decref() may recurse */

/* Digits of which any number fits 64 bits, and of which it is exact in a double. */
#define EXACT_DIGITS	  19
#define DOUBLE_EXACT_MAX  (1ULL << 53)
#define DOUBLE_EXACT_EXP  22
#define PLACES_MAX	  27 /* of 5^n, those that fit 64 bits */
#define NUMBER_STACK_SIZE 64

struct parser {
	const uint8_t *at, *end, *text;
	char *scratch; /* owned; a string that has escapes. Room for all the text after the first one; or NULL
			*/
	size_t scratch_len;
	unsigned flaws;
	size_t offset; /* of the first flaw */
	size_t weight;
	json_t *root;  /* owned */
	json_t **open; /* borrowed, up to DEPTH_MAX: each is a member of the one before it */
	size_t depth;
};

/* What a step says: negative errno, or whether to go on. */
enum { DONE, GO_ON };

/* The text is not read any further; what stands already stays if `flaw` allows for it. */
static int stop(struct parser *p, enum openai_json_flaw flaw, const uint8_t *where)
{
	if (!p->flaws || flaw >= JSON_BAD_UTF8)
		p->offset = (size_t)(where - p->text);
	p->flaws |= flaw;
	return DONE;
}

static int bad(struct parser *p, const uint8_t *where)
{
	return where == p->end ? stop(p, JSON_CUT, where) : stop(p, JSON_BAD_SYNTAX, where);
}

static void remark(struct parser *p, enum openai_json_flaw flaw, const uint8_t *where)
{
	if (!p->flaws)
		p->offset = (size_t)(where - p->text);
	p->flaws |= flaw;
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
		p->at++;
}

/* --- strings ----------------------------------------------------------------------------- */

/* Bytes that stand for themselves: neither quote, backslash nor control character. */
static size_t plain_len(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *p = at;
	for (; end - p >= LANES; p += LANES) {
		const lanes v = lanes_load(p);
		unsigned n = lanes_first((lanes)(v == '"') | (lanes)(v == '\\') | (lanes)(v < 0x20));
		if (n < LANES)
			return (size_t)(p + n - at);
	}
	while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
		p++;
	return (size_t)(p - at);
}

/* The unit of "\uXXXX" at p; -1: none; -2: the text ends inside of it. */
static int escaped_unit(const uint8_t *p, const uint8_t *end)
{
	int unit = 0;
	if (p == end)
		return -2;
	if (*p != '\\')
		return -1;
	if (end - p < 2)
		return -2;
	if (p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		if (p + i == end)
			return -2;
		int digit = hex_digit(p[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static size_t utf8_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00U >> n & 0xff & ~(0xffU >> n)) | c);
	return n;
}

/* \uXXXX, with its second half if it is the first of a pair. */
static int unicode_escape(struct parser *p)
{
	const uint8_t *start = p->at;
	int unit = escaped_unit(p->at, p->end);
	if (unit < 0)
		return unit == -2 ? stop(p, JSON_CUT, p->end) : stop(p, JSON_BAD_SYNTAX, start);
	uint32_t c = (uint32_t)unit;
	p->at += 6;
	if (c >= 0xd800 && c <= 0xdfff) {
		int low = c <= 0xdbff ? escaped_unit(p->at, p->end) : -1;
		if (low == -2) {
			p->at = start;
			return stop(p, JSON_CUT, p->end);
		}
		if (low >= 0xdc00 && low <= 0xdfff) {
			c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
			p->at += 6;
		} else {
			c = 0xfffd;
			remark(p, JSON_SURROGATE, start);
		}
	}
	p->scratch_len += utf8_encode(c, p->scratch + p->scratch_len);
	return GO_ON;
}

static int escape(struct parser *p)
{
	static const char meant[256] = {
		['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
	};
	if (p->end - p->at < 2)
		return stop(p, JSON_CUT, p->end);
	if (p->at[1] == 'u')
		return unicode_escape(p);
	if (!meant[p->at[1]])
		return stop(p, JSON_BAD_SYNTAX, p->at);
	p->scratch[p->scratch_len++] = meant[p->at[1]];
	p->at += 2;
	return GO_ON;
}

struct string {
	const char *text; /* in the text, or in scratch */
	size_t len;
	size_t raw_len; /* as it stands in the text */
};

static bool check_utf8(struct parser *p, const uint8_t *data, size_t len)
{
	size_t place;
	if (utf8_valid((const char *)data, len, &place))
		return true;
	stop(p, JSON_BAD_UTF8, data + place);
	return false;
}

/* The rest of a string of which some stands in the text as it is meant, and an escape follows. */
static int string_with_escapes(struct parser *p)
{
	int r = GO_ON;
	while (r == GO_ON && p->at < p->end && *p->at != '"') {
		if (*p->at == '\\') {
			r = escape(p);
			continue;
		}
		size_t n = plain_len(p->at, p->end);
		if (n == 0)
			return stop(p, JSON_BAD_SYNTAX, p->at);
		if (!check_utf8(p, p->at, n))
			return DONE;
		memcpy(p->scratch + p->scratch_len, p->at, n);
		p->scratch_len += n;
		p->at += n;
	}
	return r;
}

/* `at` is after the opening quote; afterwards after the closing one, if the answer is GO_ON. With JSON_CUT
 * *ret_string is what there is. */
static int string_read(struct parser *p, struct string *ret_string)
{
	const uint8_t *start = p->at;
	size_t n = plain_len(p->at, p->end);
	int r = GO_ON;

	if (!check_utf8(p, start, n))
		return DONE;
	p->at += n;
	*ret_string = (struct string){.text = (const char *)start, .len = n, .raw_len = n};
	if (p->at < p->end && *p->at == '\\') {
		/* No escape means more bytes than it takes. */
		if (!p->scratch && !(p->scratch = malloc((size_t)(p->end - start))))
			return -ENOMEM;
		memcpy(p->scratch, start, n);
		p->scratch_len = n;
		r = string_with_escapes(p);
		ret_string->text = p->scratch;
		ret_string->len = p->scratch_len;
		ret_string->raw_len = (size_t)(p->at - start);
	}
	if (r != GO_ON)
		return r;
	if (p->at == p->end)
		return stop(p, JSON_CUT, p->end);
	if (*p->at != '"')
		return stop(p, JSON_BAD_SYNTAX, p->at);
	p->at++;
	return GO_ON;
}

/* --- numbers ----------------------------------------------------------------------------- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

struct number {
	const uint8_t *end;
	uint64_t mantissa; /* of all digits, if `exact` */
	int exponent;	   /* the value is mantissa * 10^exponent */
	bool negative, real, exact;
};

static int64_t exponent_read(const uint8_t *p, const uint8_t *end)
{
	int64_t value = 0;
	for (; p < end && value < 100000; p++)
		value = value * 10 + (*p - '0');
	return value;
}

/* Digits from p on, added to the mantissa. Where they end. */
static inline const uint8_t *digits_read(const uint8_t *p, const uint8_t *end, uint64_t *mantissa)
{
	uint64_t m = *mantissa;
	for (; p < end && is_digit(*p); p++)
		m = m * 10 + (uint64_t)(*p - '0');
	*mantissa = m;
	return p;
}

/* The grammar of RFC 8259 section 6. False: the text does not follow it at n->end. */
static bool number_scan(const uint8_t *at, const uint8_t *end, struct number *n)
{
	const uint8_t *p = at, *from;
	size_t digits;
	n->negative = p < end && *p == '-';
	from = p += n->negative;
	n->end = p = digits_read(p, end, &n->mantissa);
	if (p == from || (p > from + 1 && *from == '0'))
		return false;
	digits = *from == '0' ? 0 : (size_t)(p - from);
	if (p < end && *p == '.') {
		const uint8_t *first = from = ++p;
		while (!digits && first < end && *first == '0')
			first++;
		n->end = p = digits_read(first, end, &n->mantissa);
		if (p == from)
			return false;
		digits += (size_t)(p - first);
		n->exponent -= p - from > 1000 ? 1000 : (int)(p - from);
		n->real = true;
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		bool down = p < end && *p == '-';
		from = p += p < end && (*p == '-' || *p == '+');
		while (p < end && is_digit(*p))
			p++;
		n->end = p;
		if (p == from)
			return false;
		int64_t exponent = exponent_read(from, p);
		n->exponent += (int)(down ? -exponent : exponent);
		n->real = true;
	}
	n->exact = digits <= EXACT_DIGITS;
	return true;
}

/* The double that is nearest, for numbers that are not as most are. No locale is ever set in this program, so
 * the point is a point. */
static int real_of_text(const uint8_t *text, size_t len, double *ret_value)
{
	char small[NUMBER_STACK_SIZE];
	_cleanup_free_ char *large = len < sizeof(small) ? NULL : malloc(len + 1);
	char *copy = large ? large : small;
	if (len >= sizeof(small) && !large)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = 0;
	*ret_value = strtod(copy, NULL);
	return 0;
}

/* mantissa / 10^places, rounded once: the mantissa is not 0. */
static double decimal_value(uint64_t mantissa, unsigned places)
{
	static const uint64_t fives[] = {1,	  5,	    25,	       125,	   625,
					 3125,	  15625,    78125,     390625,	   1953125,
					 9765625, 48828125, 244140625, 1220703125, 6103515625};
	const uint64_t five = fives[places / 2] * fives[places - places / 2];
	const int up = __builtin_clzll(mantissa), down = __builtin_clzll(five);
	const unsigned __int128 dividend = (unsigned __int128)(mantissa << up) << 63;
	const uint64_t divisor = five << down;
	/* Both have their top bit set, so that the quotient has 63 bits or 64: more than a double. The lowest
	 * one stands for all that follow, which is enough to round by. */
	uint64_t quotient = (uint64_t)(dividend / divisor);
	quotient |= (uint64_t)dividend != quotient * divisor;
	return ldexp((double)quotient, down - up - 63 - (int)places);
}

static int real_value(const struct number *n, const uint8_t *text, double *ret_value)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,
					1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
					1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	static const double signs[] = {1, -1};
	int exponent = n->exponent;
	double value = (double)n->mantissa;
	if (n->exact && n->mantissa <= DOUBLE_EXACT_MAX && abs(exponent) <= DOUBLE_EXACT_EXP)
		/* Both operands are exact, so one rounding is the right one. */
		value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
	else if (n->exact && n->mantissa && exponent <= 0 && exponent >= -PLACES_MAX)
		value = decimal_value(n->mantissa, (unsigned)-exponent);
	else
		return real_of_text(text, (size_t)(n->end - text), ret_value);
	*ret_value = value * signs[n->negative];
	return 0;
}

static json_t *number_as_text(struct parser *p, const struct number *n, const uint8_t *text)
{
	remark(p, JSON_BIG_NUMBER, text);
	return json_stringn_nocheck((const char *)text, (size_t)(n->end - text));
}

static int number_value(struct parser *p, const struct number *n, const uint8_t *text, json_t **ret_value)
{
	const uint64_t most = (uint64_t)INT64_MAX + n->negative;
	double real;
	if (n->real) {
		int r = real_value(n, text, &real);
		if (r < 0)
			return r;
		*ret_value = isinf(real) ? number_as_text(p, n, text) : json_real(real);
	} else if (!n->exact || n->mantissa > most) {
		*ret_value = number_as_text(p, n, text);
	} else {
		*ret_value = json_integer(n->negative ? (json_int_t)-n->mantissa : (json_int_t)n->mantissa);
	}
	return *ret_value ? 0 : -ENOMEM;
}

/* --- values ------------------------------------------------------------------------------ */

/* Takes the value, also on failure. key: of an object's member. */
static int attach(struct parser *p, const char *key, const uint8_t *where, json_t *value)
{
	if (!value)
		return -ENOMEM;
	if (!p->depth) {
		p->root = value;
		return GO_ON;
	}
	json_t *parent = p->open[p->depth - 1];
	if (!key)
		return json_array_append_new(parent, value) < 0 ? -ENOMEM : GO_ON;
	size_t n = json_object_size(parent);
	if (json_object_set_new_nocheck(parent, key, value) < 0)
		return -ENOMEM;
	if (json_object_size(parent) == n)
		remark(p, JSON_DUPLICATE, where);
	return GO_ON;
}

static int read_string(struct parser *p, const char *key, const uint8_t *where)
{
	struct string s = {0};
	p->at++;
	int r = string_read(p, &s);
	if (r == GO_ON)
		return attach(p, key, where, json_stringn_nocheck(s.text, s.len));
	/* Half a name is a wrong name; half of a long text is half of it. */
	bool cut = r == DONE && (p->flaws & JSON_CUT) && p->flaws < JSON_BAD_UTF8;
	if (!cut || p->depth < 2 || s.raw_len < JSON_CUT_STRING_MIN)
		return r;
	r = attach(p, key, where, json_stringn_nocheck(s.text, s.len));
	return r < 0 ? r : DONE;
}

/* A number or literal; one that the end of the text may have cut is left out. */
static bool may_be_cut(const struct parser *p, const uint8_t *end)
{
	return end == p->end && p->depth;
}

static int read_number(struct parser *p, const char *key, const uint8_t *where)
{
	struct number n = {0};
	json_t *value;
	bool right = number_scan(p->at, p->end, &n);
	if (may_be_cut(p, n.end) || (!right && n.end == p->end))
		return stop(p, JSON_CUT, p->end);
	if (!right)
		return stop(p, JSON_BAD_SYNTAX, n.end);
	int r = number_value(p, &n, p->at, &value);
	if (r < 0)
		return r;
	p->at = n.end;
	return attach(p, key, where, value);
}

static int read_literal(struct parser *p, const char *key, const uint8_t *where)
{
	static const char *const words[] = {"true", "false", "null"};
	json_t *const values[] = {json_true(), json_false(), json_null()};
	size_t left = (size_t)(p->end - p->at);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i]);
		if (memcmp(p->at, words[i], MIN(len, left)) != 0)
			continue;
		if (left < len || may_be_cut(p, p->at + len))
			return stop(p, JSON_CUT, p->end);
		p->at += len;
		return attach(p, key, where, values[i]);
	}
	return stop(p, JSON_BAD_SYNTAX, p->at);
}

static bool weigh(struct parser *p, size_t weight)
{
	p->weight += weight;
	if (p->weight <= JSON_MAX_WEIGHT)
		return true;
	stop(p, JSON_TOO_MANY, p->at);
	return false;
}

static int open_container(struct parser *p, const char *key, const uint8_t *where)
{
	if (p->depth == DEPTH_MAX)
		return stop(p, JSON_TOO_DEEP, p->at);
	if (!weigh(p, 8))
		return DONE;
	json_t *value = *p->at == '{' ? json_object() : json_array();
	int r = attach(p, key, where, value);
	if (r != GO_ON)
		return r;
	p->open[p->depth++] = value;
	p->at++;
	return GO_ON;
}

static int read_value(struct parser *p, const char *key, const uint8_t *where)
{
	if (p->at == p->end)
		return stop(p, JSON_CUT, p->end);
	switch (*p->at) {
	case '{':
	case '[':
		return open_container(p, key, where);
	case '"':
		return read_string(p, key, where);
	case '-':
	case '0' ... '9':
		return read_number(p, key, where);
	default:
		return read_literal(p, key, where);
	}
}

/* "key": up to where the value begins. The key stays in `key` until the value is attached. */
static int read_key(struct parser *p, struct buf *key)
{
	struct string s = {0};
	if (p->at == p->end || *p->at != '"')
		return bad(p, p->at);
	const uint8_t *start = p->at++;
	int r = string_read(p, &s);
	if (r != GO_ON)
		return r;
	if (memchr(s.text, 0, s.len))
		return stop(p, JSON_NUL_KEY, start);
	buf_reset(key);
	/* A key of no bytes is one, too: NUL-terminated as any other. */
	r = buf_append(key, s.len ? s.text : "", s.len ? s.len : 1);
	if (r < 0)
		return r;
	skip_blanks(p);
	if (p->at == p->end || *p->at != ':')
		return bad(p, p->at);
	p->at++;
	skip_blanks(p);
	return GO_ON;
}

static int read_member(struct parser *p, struct buf *key)
{
	if (json_is_array(p->open[p->depth - 1]))
		return read_value(p, NULL, p->at);
	const uint8_t *where = p->at;
	int r = read_key(p, key);
	return r == GO_ON ? read_value(p, (const char *)key->data, where) : r;
}

/* What stands after a value: ends of containers, and a comma if the innermost open one goes on. */
static int after_value(struct parser *p)
{
	for (;;) {
		skip_blanks(p);
		if (!p->depth)
			return p->at == p->end ? DONE : stop(p, JSON_BAD_SYNTAX, p->at);
		if (p->at == p->end)
			return stop(p, JSON_CUT, p->end);
		char close = json_is_array(p->open[p->depth - 1]) ? ']' : '}';
		if (*p->at == ',') {
			p->at++;
			skip_blanks(p);
			return weigh(p, 1) ? GO_ON : DONE;
		}
		if (*p->at != close)
			return stop(p, JSON_BAD_SYNTAX, p->at);
		p->at++;
		p->depth--;
	}
}

/* True: the container that was just opened is empty, and closed. */
static bool closes_at_once(struct parser *p)
{
	skip_blanks(p);
	char close = json_is_array(p->open[p->depth - 1]) ? ']' : '}';
	if (p->at == p->end || *p->at != close)
		return false;
	p->at++;
	p->depth--;
	return true;
}

static int parse(struct parser *p, struct buf *key)
{
	skip_blanks(p);
	int r = read_value(p, NULL, p->at);
	size_t depth = 0;
	while (r == GO_ON) {
		bool opened = p->depth > depth;
		if (!opened || closes_at_once(p))
			r = after_value(p);
		depth = p->depth;
		if (r == GO_ON)
			r = read_member(p, key);
	}
	return r;
}

int openai_json_parse(const uint8_t *text, size_t len, struct openai_json *ret_json)
{
	/* Nothing may come without a place. */
	if (len == 0) {
		*ret_json = (struct openai_json){.flaws = JSON_CUT};
		return 0;
	}
	json_t *open[DEPTH_MAX];
	struct parser p = {.text = text, .at = text, .end = text + len, .open = open};
	struct buf key;
	buf_init(&key, SIZE_MAX / 4);
	int r = parse(&p, &key);
	free(p.scratch);
	buf_done(&key);
	if (r < 0 || p.flaws >= JSON_BAD_UTF8)
		json_decref(TAKE_PTR(p.root));
	if (r < 0)
		return r;
	/* What was noticed of a text that is none is not worth a word. */
	if (p.flaws >= JSON_BAD_UTF8)
		p.flaws &= ~(unsigned)(JSON_BAD_UTF8 - 1);
	*ret_json = (struct openai_json){.value = p.root, .flaws = p.flaws, .offset = p.offset};
	return 0;
}
