/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a body: whole, byte by byte, at every split and every pair of splits; gaps; limits. */
#include "feed.h"

#include <errno.h>

#include "http/multipart.h"
#include "http/part.h"

#define FORM "multipart/form-data; boundary=b"

static char *render(struct multipart *mp)
{
	struct buf b;
	struct http_part *parts;
	size_t n;
	const char *problem = NULL;
	buf_init(&b, 1 << 20);
	multipart_end(mp, &parts, &n, &problem);
	for (size_t i = 0; i < n; i++) {
		struct sha256 *sha;
		uint8_t sum[SHA256_LEN];
		put_part(&b, &parts[i]);
		if (parts[i].data_len == parts[i].bytes) {
			assert_int_equal(sha256_new(&sha), 0);
			sha256_update(sha, parts[i].data, parts[i].data_len);
			sha256_final(sha, sum);
			assert_memory_equal(sum, parts[i].sha256, SHA256_LEN);
			sha256_free(&sha);
		}
		free(parts[i].name);
		free(parts[i].filename);
		free(parts[i].content_type);
		free(parts[i].data);
	}
	free(parts);
	if (problem)
		put(&b, "%s\n", problem);
	assert_int_equal(buf_append_str(&b, ""), 0);
	return buf_take_str(&b);
}

static void feed_part(struct multipart *mp, const char *data, size_t len)
{
	if (!len)
		return;
	uint8_t *copy = guard_copy(data, len);
	assert_int_equal(multipart_feed(mp, copy, len), 0);
	guard_free(copy, len);
}

/* Cut at these places; 0: byte by byte. */
static char *read_cut(const char *type, const char *body, size_t len, size_t first, size_t second,
		      const struct http_limits *limits)
{
	struct multipart *mp;
	assert_int_equal(multipart_new(&mp, type, limits ? limits : &http_limits_default), 0);
	if (!first) {
		for (size_t i = 0; i < len; i++)
			feed_part(mp, body + i, 1);
	} else {
		feed_part(mp, body, first);
		feed_part(mp, body + first, second - first);
		feed_part(mp, body + second, len - second);
	}
	char *text = render(mp);
	multipart_free(&mp);
	return text;
}

static void check_limits(const char *type, const char *body, size_t len, const struct http_limits *limits,
			 const char *want)
{
	for (size_t i = 0; i <= len; i++)
		for (size_t j = i; j <= len; j++) {
			if (i && len > 200 && j != i)
				break;
			char *got = read_cut(type, body, len, i, j, limits);
			if (strcmp(got, want) != 0)
				fail_msg("cut at %zu and %zu:\n%s\nbut expected:\n%s", i, j, got, want);
			free(got);
			if (!i)
				break;
		}
}

#define check(body, want) check_limits(FORM, body, sizeof(body) - 1, NULL, want)

static void test_form(void **state)
{
	(void)state;
	static const char body[] =
		"--b o:x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
		"--b o:x\r\ncontent-disposition:form-data; name=\"file\"; filename=\"a.wav\"\r\n"
		"Content-Type: audio/wav\r\n\r\nRIFF\r\n--b o:y\r\n\0\xff\r\n--b o:x--\r\n";
	check_limits("Multipart/Form-Data; charset=utf-8; Boundary=\"b o:x\"", body, sizeof(body) - 1, NULL,
		     "  part model - - 9 [whisper-1]\n  part file a.wav audio/wav 17 []\n");
}

static void test_small(void **state)
{
	(void)state;
	check("--b\r\n\r\nx\r\n--b--", "  part - - - 1 [x]\n");
	check("--b--", "");
	check("--b--\r\nepilogue --b\r\n--b\r\n", "");
	check("pre\r\n--b \t\r\n\r\n\r\n--b--\t \r\nepi", "  part - - - 0 []\n");
	/* No empty line, or the delimiter's own: no content (RFC 2046 section 5.1.1). */
	check("--b\r\nContent-Type: x/y\r\n--b\r\n--b\r\n\r\n--b--",
	      "  part - - x/y 0 []\n  part - - - 0 []\n"
	      "  part - - - 0 []\n");
	/* Line ends in the content belong to it, but for the last. */
	check("--b\r\n\r\n\r\n\r\r\n\n\r\n--b--", "  part - - - 6 [\r\n\r\r\n\n]\n");
	/* What almost is a delimiter. */
	check("--b\r\n\r\n--c\r\n--bb\r\n--b-\r\n--b-x\r\n--b--x\r\n --b\r\n-\r\n--b x\r\n--b--",
	      "  part - - - 46 [--c\r\n--bb\r\n--b-\r\n--b-x\r\n--b--x\r\n --b\r\n-\r\n--b x]\n");
	check("--b\r\n\r\n\r\n--b\r\r\n--b\r\n\r\n\r\n--b--",
	      "  part - - - 6 [\r\n--b\r]\n  part - - - 0 []\n");
}

static void test_bare_lf(void **state)
{
	(void)state;
	check("--b\nContent-Disposition: form-data; name=a\n\none\n\n--b\n\ntwo\r\n--b--\n",
	      "  part a - - 4 [one\n]\n  part - - - 3 [two]\n");
	/* Where the delimiters have CRLF, a bare LF before one is content's. */
	check("--b\r\nA: b\n\nx\n--b\r\ny\n--b--\n\r\n--b--",
	      "  part - - - 15 [x\n--b\r\ny\n--b--\n]\n"
	      "a part holds what looks like a delimiter but follows a bare LF\n");
	check("--b\r\n\r\nx\n--b\r\n--b\r\n\r\ny\r\n--b--",
	      "  part - - - 5 [x\n--b]\n  part - - - 1 [y]\n"
	      "a part holds what looks like a delimiter but follows a bare LF\n");
}

static void test_names(void **state)
{
	(void)state;
	check("--b\r\nContent-Disposition: form-data; name=\"a\\\"b\\\\c\"; "
	      "filename=\"C:\\tmp\\x;y.txt\"\r\n\r\n\r\n--b--",
	      "  part a\"b\\c C:\\tmp\\x;y.txt - 0 []\n");
	check("--b\r\nContent-Disposition: form-data; filename=old; filename*=UTF-8''na%C3%AFve%20x; name = "
	      "n \r\n\r\nz\r\n--b--",
	      "  part n na\xc3\xafve x - 1 []\n");
	check("--b\r\nContent-Disposition: "
	      "form-data;\r\n\tname=\"folded\";filename*=iso-8859-1'en'%e4\r\n\r\nz\r\n--b--",
	      "  part folded \xc3\xa4 - 1 []\n");
	check("--b\r\nContent-Disposition: form-data; filename*=UTF-8''%zz\r\n\r\nz\r\n--b--",
	      "  part - UTF-8''%zz - 1 []\nthe extended file name of a part is malformed\n");
	check("--b\r\nContent-Disposition: form-data; name=a; name=b\r\nnonsense\r\n\r\nz\r\n--b--",
	      "  part a - - 1 [z]\na header line of a part has no proper name\n");
	check("--b\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: x; "
	      "name=b\r\n\r\nz\r\n--b--",
	      "  part a - - 1 [z]\na part of the body is named twice\n");
	check("--b\r\nContent-Disposition: form-data; name=\"a\0b\x01\"\r\n\r\nz\r\n--b--",
	      "  part a?b? - - 1 [z]\nthe header of a part holds a NUL byte\n");
	check("--b\r\nContent-Disposition: form-data; name=\"open\r\n\r\nz\r\n--b--",
	      "  part open - - 1 [z]\n");
}

/* Only what is no file keeps its content. */
static void test_files(void **state)
{
	(void)state;
	check("--b\r\nContent-Type: text/plain; charset=x\r\n\r\n1\r\n--b\r\nContent-Type: "
	      "APPLICATION/JSON\r\n\r\n2\r\n"
	      "--b\r\nContent-Type: application/jsonl\r\n\r\n3\r\n"
	      "--b\r\nContent-Disposition: form-data; filename=\"\"\r\n\r\n4\r\n--b--",
	      "  part - - text/plain; charset=x 1 [1]\n  part - - APPLICATION/JSON 1 [2]\n"
	      "  part - - application/jsonl 1 []\n  part -  - 1 []\n");
}

static void test_cut(void **state)
{
	(void)state;
	check("", "the multipart body has no delimiter\n");
	check("no delimiter\r\n--", "the multipart body has no delimiter\n");
	check("--b\r\nContent-Disposition: form-data; name=\"cu",
	      "  part - - - 0 not whole []\nthe multipart body has no closing delimiter\n");
	check("--b\r\n\r\nx\r\n",
	      "  part - - - 3 not whole [x\r\n]\nthe multipart body has no closing delimiter\n");
	check("--b\r\n\r\nx\r\n--b",
	      "  part - - - 6 not whole [x\r\n--b]\nthe multipart body has no closing delimiter\n");
	check("--b\r\n\r\nx\r\n--b\r", "  part - - - 7 not whole [x\r\n--b\r]\n"
				       "the multipart body has no closing delimiter\n");
	check("--b\r\n\r\nx\r\n--b\r\n", "  part - - - 1 [x]\n  part - - - 0 not whole []\nthe multipart "
					 "body has no closing delimiter\n");
	check("--b\r\n\r\nx\r\n--b--\r", "  part - - - 1 [x]\n");
}

static void test_limits(void **state)
{
	struct http_limits limits = http_limits_default;
	struct http_budget budget = {.max = 1000};
	(void)state;
	limits.max_parts = 2;
	limits.max_part_value = 4;
	limits.max_part_head = 45;
	limits.max_part_text = 7;
	limits.budget = &budget;
	static const char many[] = "--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b\r\n\r\n3\r\n--b--";
	check_limits(FORM, many, sizeof(many) - 1, &limits,
		     "  part - - - 1 [1]\n  part - - - 1 [2]\nthe body has more parts than the limit\n");
	static const char values[] = "--b\r\n\r\n12345\r\n--b\r\n\r\nabcd\r\n--b--";
	check_limits(FORM, values, sizeof(values) - 1, &limits,
		     "  part - - - 5 [1234]\n  part - - - 4 [abc]\n");
	static const char heads[] = "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Type: "
				    "text/plain\r\n\r\nx\r\n--b--";
	check_limits(FORM, heads, sizeof(heads) - 1, &limits,
		     "  part a - - 1 [x]\nthe header of a part is longer than the limit\n");
	static const char name[] = "--b\r\nContent-Disposition: x;name=abcdefg\r\n\r\nx\r\n--b--";
	check_limits(
		FORM, name, sizeof(name) - 1, &limits,
		"  part - - - 1 [x]\nnames and contents of the body's parts are longer than the limit\n");
	budget.max = 3;
	check_limits(FORM, values, sizeof(values) - 1, &limits, "  part - - - 5 [123]\n  part - - - 4 []\n");
	assert_int_equal(budget.used, 0);
}

static void test_boundaries(void **state)
{
	static const char *const bad[] = {
		"multipart/form-data",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=\"a \"",
		"multipart/form-data; boundary=\xc3\xa4",
		"multipart/form-data; boundary=a; boundary=b",
		"multipart/form-data; xboundary=a",
		"multipart/form-data; "
		"boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
	};
	struct multipart *mp;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(multipart_new(&mp, bad[i], &http_limits_default), -EBADMSG);
	check_limits("multipart/"
		     "mixed;boundary=1234567890123456789012345678901234567890123456789012345678901234567890",
		     "--1234567890123456789012345678901234567890123456789012345678901234567890\r\n\r\n1\r\n"
		     "--1234567890123456789012345678901234567890123456789012345678901234567890--",
		     153, NULL, "  part - - - 1 [1]\n");
	assert_true(multipart_is("multipart/mixed"));
	assert_true(multipart_is("MULTIPART/FORM-DATA;x"));
	assert_false(multipart_is("multipart/form-data2"));
	assert_false(multipart_is("multipart/related; boundary=b"));
	assert_false(multipart_is(NULL));
}

/* A gap of any length at any place: nothing crashes, the parts that it touches are not whole, those behind
 * the next delimiter are right. */
static void test_gaps(void **state)
{
	static const char body[] = "--b\r\nContent-Disposition: form-data; name=one\r\n\r\n11\r\n"
				   "--b\r\nContent-Disposition: form-data; name=two\r\n\r\n22\r\n"
				   "--b\r\nContent-Disposition: form-data; name=three\r\n\r\n33\r\n--b--\r\n";
	const size_t len = sizeof(body) - 1, first_end = (size_t)(strstr(body, "11") - body) + 2,
		     third = (size_t)(strstr(body, "22") - body) + 2;
	(void)state;
	for (size_t from = 0; from < len; from++)
		for (size_t to = from + 1; to <= len; to++) {
			struct multipart *mp;
			assert_int_equal(multipart_new(&mp, FORM, &http_limits_default), 0);
			feed_part(mp, body, from);
			multipart_missing(mp);
			feed_part(mp, body + to, len - to);
			char *text = render(mp);
			bool one = strstr(text, "  part one - - 2 [11]\n"),
			     three = strstr(text, "  part three - - 2 [33]\n");
			assert_true(one == (from > first_end + 6));
			if (to <= third)
				assert_true(three);
			/* It is never taken for whole with less or more than it had. */
			for (char *line = text; *line; line = strchr(line, '\n') + 1)
				if (strncmp(line, "  part", 6) == 0 && !strstr(line, "whole"))
					assert_true(!strncmp(line, "  part one - - 2 [11]\n", 22) ||
						    !strncmp(line, "  part two - - 2 [22]\n", 22) ||
						    !strncmp(line, "  part three - - 2 [33]\n", 24));
			free(text);
			multipart_free(&mp);
		}
}

/* Time grows with the length, whatever the bytes. */
static void test_large(void **state)
{
	static const char *const fills[] = {"\r",	"\n",	    "\r\n", "\r\n-", "\r\n--",
					    "\r\n--b-", "\r\n--bx", "-",    "x"};
	const size_t len = 4 << 20;
	char *body = malloc(len);
	(void)state;
	for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
		struct multipart *mp;
		struct http_part *parts;
		size_t n;
		const char *problem;
		for (size_t at = 0; at < len; at++)
			body[at] = fills[i][at % strlen(fills[i])];
		assert_int_equal(multipart_new(&mp, FORM, &http_limits_default), 0);
		feed_part(mp, "--b\r\n\r\n", 7);
		feed_part(mp, body, len);
		feed_part(mp, "\r\n--b--", 7);
		multipart_end(mp, &parts, &n, &problem);
		assert_int_equal(n, 1);
		assert_int_equal(parts[0].bytes, len);
		assert_true(parts[0].whole);
		assert_int_equal(parts[0].data_len, http_limits_default.max_part_value);
		assert_memory_equal(parts[0].data, body, parts[0].data_len);
		struct http_message as_body;
		memcpy(as_body.body_sha256, parts[0].sha256, SHA256_LEN);
		check_hash(&as_body, body, len);
		free(parts[0].data);
		free(parts);
		multipart_free(&mp);
	}
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),	cmocka_unit_test(test_small),
		cmocka_unit_test(test_bare_lf), cmocka_unit_test(test_names),
		cmocka_unit_test(test_files),	cmocka_unit_test(test_cut),
		cmocka_unit_test(test_limits),	cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_gaps),	cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
