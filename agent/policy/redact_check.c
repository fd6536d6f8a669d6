/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact_check.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/digit.h"
#include "base/macro.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

size_t redact_digits(const struct redact_match *m, uint8_t *ret_digits, size_t max)
{
	size_t n = 0;
	for (size_t i = m->start; i < m->end; i++) {
		if (!is_digit(m->text[i]))
			continue;
		if (n == max)
			return max + 1;
		ret_digits[n++] = (uint8_t)(m->text[i] - '0');
	}
	return n;
}

bool redact_luhn(const uint8_t *digits, size_t n)
{
	unsigned int sum = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned int d = digits[n - 1 - i];
		if (i % 2)
			d = d * 2 > 9 ? d * 2 - 9 : d * 2;
		sum += d;
	}
	return n > 0 && sum % 10 == 0;
}

/* Moves the end behind the n-th character that counts. */
static void cut_after(struct redact_match *m, size_t n, bool letters)
{
	size_t seen = 0, i = m->start;
	for (; i < m->end && seen < n; i++)
		seen += letters ? is_alnum(m->text[i]) : is_digit(m->text[i]);
	m->end = i;
}

/* A word of a table of numbers: four or five characters with a digit among them, and not a year. */
static bool is_cell(const char *p, size_t len)
{
	bool digit = false, year = len == 4 && ((p[0] == '1' && p[1] == '9') || (p[0] == '2' && p[1] == '0'));
	for (size_t i = 0; i < len; i++)
		digit |= is_digit(p[i]);
	return digit && !year && (len == 4 || len == 5);
}

bool redact_in_row(const struct redact_match *m)
{
	const char *t = m->text;
	if (!memchr(t + m->start, ' ', m->end - m->start))
		return false;
	size_t from = m->start, to = m->end;
	if (from >= 2 && t[from - 1] == ' ') {
		for (from--; from > 0 && m->start - from < 8 && is_alnum(t[from - 1]);)
			from--;
		if (is_cell(t + from, m->start - 1 - from))
			return true;
	}
	if (to + 1 >= m->len || t[to] != ' ')
		return false;
	for (to++; to < m->len && to - m->end < 8 && is_alnum(t[to]);)
		to++;
	return is_cell(t + m->end + 1, to - m->end - 1);
}

/* --- email --- */

static const char *const file_endings[] = {
	"png", "jpg",	"jpeg",	   "gif",  "svg",  "webp", "bmp",     "ico",	 "css",	 "scss",
	"js",  "jsx",	"ts",	   "tsx",  "mjs",  "html", "htm",     "json",	 "xml",	 "yaml",
	"yml", "txt",	"csv",	   "pdf",  "c",	   "h",	   "cpp",     "hpp",	 "java", "go",
	"rb",  "local", "prevent", "stop", "self", "once", "passive", "capture",
};

/* Of "https://user:password@host" the password's rule knows more. */
static bool in_userinfo(const struct redact_match *m)
{
	size_t i = m->start;
	while (i > 0 && m->start - i < 128 && !strchr(" \t\r\n/@\"'<>", m->text[i - 1]))
		i--;
	return i < m->start && i >= 3 && !memcmp(m->text + i - 3, "://", 3) &&
	       memchr(m->text + i, ':', m->start - i);
}

static bool is_one_of(const char *p, size_t len, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) == len && !strncasecmp(p, words[i], len))
			return true;
	return false;
}

/* Endings of domains; of those with two letters, which are many, all but languages that are no country's. */
static bool is_top_level(const char *p, size_t len)
{
	static const char *const generic[] = {
		"com", "net", "org",   "edu",	 "gov",	 "mil",	  "int",  "info",    "biz",	"name",
		"app", "dev", "cloud", "online", "shop", "email", "mail", "company", "example", "test"};
	static const char *const languages[] = {"da", "el", "en", "ja", "zh", "cs", "he", "hi"};
	if (len >= 2 && (uint8_t)p[0] >= 0xc3)
		return true;
	if (len > 4 && !strncasecmp(p, "xn--", 4))
		return true;
	if (len == 2)
		return is_alnum(p[0]) && !is_digit(p[0]) && is_alnum(p[1]) && !is_digit(p[1]) &&
		       !is_one_of(p, len, languages, ARRAY_SIZE(languages));
	return is_one_of(p, len, generic, ARRAY_SIZE(generic));
}

/* "icon@2x", "lodash@4.17" */
static bool is_version(const char *p, size_t len)
{
	size_t digits = 0;
	while (digits < len && is_digit(p[digits]))
		digits++;
	return digits == len || (digits > 0 && len == digits + 1 && p[digits] == 'x');
}

/* A file may be called by an address: of "jane@example.com.txt" the address goes, up to the last label that
 * ends a domain. False: none does. */
static bool cut_file_ending(struct redact_match *m)
{
	const char *begin = m->text + m->start, *end = m->text + m->end;
	const char *at = memchr(begin, '@', m->end - m->start);
	const char *escaped = at ? NULL : memmem(begin, m->end - m->start, "%40", 3);
	const char *label = at ? at + 1 : escaped ? escaped + 3 : end;
	size_t cut = 0;
	for (bool first = true; label < end; first = false) {
		const char *dot = memchr(label, '.', (size_t)(end - label));
		if (!dot)
			break;
		/* "example.com-2.txt" */
		const bool coded = dot - label > 4 && !strncasecmp(label, "xn--", 4);
		const char *dash = coded ? NULL : memchr(label, '-', (size_t)(dot - label));
		const size_t len = (size_t)((dash ? dash : dot) - label);
		if (!first && is_top_level(label, len))
			cut = (size_t)(label + len - m->text);
		if (first && is_version(label, (size_t)(dot - label)))
			return false;
		label = dot + 1;
	}
	if (cut)
		m->end = cut;
	return cut > 0;
}

bool redact_check_email(struct redact_match *m)
{
	const char *p = m->text + m->start;
	size_t len = m->end - m->start;
	const char *dot = memrchr(p, '.', len);
	if (len > 4 && !strncasecmp(p, "git@", 4))
		return false;
	if (!dot || in_userinfo(m))
		return false;
	size_t ending = len - (size_t)(dot + 1 - p);
	return !is_one_of(dot + 1, ending, file_endings, ARRAY_SIZE(file_endings)) || cut_file_ending(m);
}

/* --- telephone numbers --- */

/* ITU-T E.164 country codes; a code of two digits is not the beginning of one with three. */
static const char country_codes[] = " 1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 "
				    "55 56 57 58 60 61 62 63 64 65 66 81 82 84 "
				    "86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 "
				    "227 228 229 230 231 232 233 234 235 236 "
				    "237 238 239 240 241 242 243 244 245 246 248 249 250 251 252 253 254 255 "
				    "256 257 258 260 261 262 263 264 265 266 "
				    "267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 "
				    "370 371 372 373 374 375 376 377 378 380 "
				    "381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 "
				    "508 509 590 591 592 593 594 595 596 597 "
				    "598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 "
				    "688 689 690 691 692 800 850 852 853 855 "
				    "856 870 880 886 888 960 961 962 963 964 965 966 967 968 970 971 972 973 "
				    "974 975 976 977 979 992 993 994 995 996 "
				    "998 ";

static size_t country_code_len(const uint8_t *digits, size_t n)
{
	char code[6] = " ";
	for (size_t len = 1; len <= 3 && len <= n; len++) {
		code[len] = (char)('0' + digits[len - 1]);
		code[len + 1] = ' ';
		code[len + 2] = 0;
		if (strstr(country_codes, code))
			return len;
	}
	return 0;
}

/* North America: area and exchange begin with 2 to 9, neither is N11, no area has 9 in its middle. */
static bool is_nanp(const uint8_t *d)
{
	return d[0] >= 2 && d[1] != 9 && !(d[1] == 1 && d[2] == 1) && d[3] >= 2 && !(d[4] == 1 && d[5] == 1);
}

bool redact_check_phone_plus(struct redact_match *m)
{
	uint8_t d[20];
	size_t n = redact_digits(m, d, sizeof(d));
	if (n > sizeof(d))
		return false;
	const size_t zeros = is_digit(m->text[m->start]) ? 2 : 0;
	const size_t code = country_code_len(d + zeros, n - zeros);
	if (!code)
		return false;
	size_t rest = n - zeros - code;
	if (code == 1 && d[zeros] == 1) {
		if (rest > 10)
			cut_after(m, zeros + 11, false);
		/* Numbers that are only filled with zeros begin like this too. */
		return rest >= 10 && is_nanp(d + zeros + 1) && (!zeros || m->end - m->start > n);
	}
	if (code + rest > 15)
		cut_after(m, zeros + 15, false);
	if (zeros && m->end - m->start == n && rest < 8)
		return false;
	for (size_t i = zeros + code + 1; i < n; i++)
		if (d[i] != d[zeros + code])
			return rest >= (code == 3 ? 5 : 6);
	return false;
}

static bool has_neighbours(const struct redact_match *m)
{
	return (m->start >= 2 && m->text[m->start - 1] == ' ' && is_digit(m->text[m->start - 2])) ||
	       (m->end + 1 < m->len && m->text[m->end] == ' ' && is_digit(m->text[m->end + 1]));
}

bool redact_check_phone_nanp(struct redact_match *m)
{
	uint8_t d[11];
	size_t n = redact_digits(m, d, sizeof(d));
	return (n == 10 || (n == 11 && d[0] == 1)) && is_nanp(d + n - 10) && !has_neighbours(m);
}

bool redact_check_phone_national(struct redact_match *m)
{
	uint8_t d[13];
	size_t n = redact_digits(m, d, sizeof(d));
	/* "02110-1301" is where a letter goes. */
	const bool one_hyphen = m->end - m->start == n + 1 && memchr(m->text + m->start, '-', n);
	/* Three groups of four are no number's, but that of a table. */
	const char *p = m->text + m->start;
	const bool fours = m->end - m->start == 14 && p[4] == ' ' && p[9] == ' ';
	return n >= (one_hyphen ? 10 : 9) && n <= 12 && !fours;
}

bool redact_check_phone_named(struct redact_match *m)
{
	uint8_t d[16];
	size_t n = redact_digits(m, d, sizeof(d));
	if (n < 8 || n > 15)
		return false;
	/* A date: what follows "call me on". */
	const char *p = m->text + m->start;
	return !(n >= 8 && m->end - m->start >= 10 && (p[4] == '-' || p[4] == '/') &&
		 (p[7] == '-' || p[7] == '/'));
}

/* --- cards --- */

static unsigned long leading(const uint8_t *d, size_t n)
{
	unsigned long value = 0;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + d[i];
	return value;
}

static bool is_issued(const uint8_t *d, size_t n)
{
	const unsigned long two = leading(d, 2), three = leading(d, 3), four = leading(d, 4),
			    six = leading(d, 6);
	if (d[0] == 4) /* Visa */
		return n == 13 || n == 16 || n == 19;
	if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) /* Mastercard */
		return n == 16;
	if (two == 34 || two == 37) /* American Express */
		return n == 15;
	if ((three >= 300 && three <= 305) || two == 36 || two == 38 || three == 309) /* Diners Club */
		return n == 14 || n == 16;
	if (four >= 3528 && four <= 3589) /* JCB */
		return n == 16 || n == 19;
	if (four == 6011 || (three >= 644 && three <= 649) || two == 65 ||
	    (six >= 622126 && six <= 622925)) /* Discover */
		return n == 16 || n == 19;
	if (two == 62 || two == 81) /* UnionPay */
		return n >= 16 && n <= 19;
	if (four >= 2200 && four <= 2204) /* Mir */
		return n == 16;
	if (four == 5018 || four == 5020 || four == 5038 || four == 5893 || four == 6304 || four == 6759 ||
	    (four >= 6761 && four <= 6763)) /* Maestro */
		return n >= 13 && n <= 19;
	return (two == 60 || two == 65) && n == 16; /* RuPay and others */
}

bool redact_check_card(struct redact_match *m)
{
	uint8_t d[19];
	size_t n = redact_digits(m, d, sizeof(d));
	if (n > sizeof(d) || !redact_luhn(d, n) || !is_issued(d, n) || redact_in_row(m))
		return false;
	for (size_t i = 1; i < n; i++)
		if (d[i] != d[0])
			return true;
	return false;
}

/* --- bank accounts --- */

static const char iban_lengths[] = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27D"
				   "K18DO28EE20EG29ES24FI18FK18FO18FR27GB22"
				   "GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32L"
				   "I21LT20LU20LV21LY25MC27MD24ME22MK19MN20"
				   "MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18S"
				   "E24SI19SK24SM27SO23ST25SV28TL23TN24TR26"
				   "UA29VA22VG24XK20YE30";

static size_t iban_len(const char *country)
{
	for (const char *p = iban_lengths; *p; p += 4)
		if ((country[0] & ~0x20) == p[0] && (country[1] & ~0x20) == p[1])
			return (size_t)(p[2] - '0') * 10 + (size_t)(p[3] - '0');
	return 0;
}

static bool iban_sum(const char *chars, size_t n)
{
	unsigned int rest = 0;
	for (size_t i = 0; i < n; i++) {
		char c = chars[(i + 4) % n];
		if (is_digit(c))
			rest = (rest * 10 + (unsigned int)(c - '0')) % 97;
		else
			rest = (rest * 100 + (unsigned int)((c & ~0x20) - 'A') + 10) % 97;
	}
	return rest == 1;
}

bool redact_check_iban(struct redact_match *m)
{
	char chars[40];
	const size_t want = iban_len(m->text + m->start);
	size_t n = 0;
	if (!want)
		return false;
	cut_after(m, want, true);
	for (size_t i = m->start; i < m->end; i++)
		if (is_alnum(m->text[i]))
			chars[n++] = m->text[i];
	if (n != want || (m->end < m->len && is_alnum(m->text[m->end])))
		return false;
	return iban_sum(chars, n);
}

/* --- addresses --- */

/* Words before what is numbered like this: versions and paragraphs. */
static const char *const version_words[] = {
	"version",     "versions",	  "ver",	 "v",
	"release",     "releases",	  "build",	 "revision",
	"rev",	       "firmware",	  "driver",	 "section",
	"chapter",     "clause",	  "paragraph",	 "upgrade to",
	"upgraded to", "update to",	  "updated to",	 "downgrade to",
	"oid",	       "assemblyversion", "fileversion", "objectidentifier",
	"sdk",	       "patch",
};

static bool ends_with_word(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);
	return len >= n && !strncasecmp(text + len - n, word, n) &&
	       (len == n || !is_alnum(text[len - n - 1]));
}

static bool after_version_word(const struct redact_match *m)
{
	size_t len = m->start;
	while (len > 0 && strchr(" \t:=\"'(>", m->text[len - 1]))
		len--;
	for (size_t i = 0; i < ARRAY_SIZE(version_words); i++)
		if (ends_with_word(m->text, len, version_words[i]))
			return true;
	return false;
}

/* "Chrome/120.0.0.0" */
static bool is_product_version(const struct redact_match *m, const uint8_t *octets)
{
	return m->start >= 2 && m->text[m->start - 1] == '/' && is_alnum(m->text[m->start - 2]) &&
	       octets[1] == 0 && octets[2] == 0;
}

bool redact_check_ipv4(struct redact_match *m)
{
	char text[16] = "";
	uint8_t octets[4];
	if (m->end - m->start >= sizeof(text))
		return false;
	memcpy(text, m->text + m->start, m->end - m->start);
	if (inet_pton(AF_INET, text, octets) != 1)
		return false;
	if (octets[0] == 127 || octets[0] == 0 || octets[0] == 255) /* nobody's */
		return false;
	if (m->end - m->start == 7) /* a section, a version, a name server that everybody knows */
		return false;
	return !after_version_word(m) && !is_product_version(m, octets);
}

bool redact_check_ipv6(struct redact_match *m)
{
	char text[48] = "";
	uint8_t bytes[16], none[16] = {0};
	size_t groups = 0, longest = 0, run = 0, digits = 0;
	if (m->end - m->start >= sizeof(text))
		return false;
	memcpy(text, m->text + m->start, m->end - m->start);
	if (inet_pton(AF_INET6, text, bytes) != 1)
		return false;
	if (!memcmp(bytes, none, 15) && bytes[15] <= 1)
		return false;
	for (const char *p = text; *p; p++) {
		digits += is_digit(*p);
		run = *p == ':' ? 0 : run + 1;
		groups += run == 1;
		longest = MAX(longest, run);
	}
	/* "a::b" and "1::2" are code. */
	return digits > 0 && (groups >= 3 || longest >= 3);
}
