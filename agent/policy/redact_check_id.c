/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact_check.h"

#include <string.h>

#include "base/macro.h"

/* Sum of digits by weights. */
static unsigned int weighed(const uint8_t *d, const uint8_t *weights, size_t n)
{
	unsigned int sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (unsigned int)d[i] * weights[i];
	return sum;
}

static uint64_t number(const uint8_t *d, size_t n)
{
	uint64_t value = 0;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + d[i];
	return value;
}

static bool is_date(unsigned int month, unsigned int day)
{
	return month >= 1 && month <= 12 && day >= 1 &&
	       day <= (month == 2					       ? 29u
		       : month == 4 || month == 6 || month == 9 || month == 11 ? 30u
									       : 31u);
}

static unsigned int two(const uint8_t *d)
{
	return d[0] * 10u + d[1];
}

static bool all_alike(const uint8_t *d, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (d[i] != d[0])
			return false;
	return true;
}

/* Letters and digits of a match in upper case; at most max. */
static size_t letters_of(const struct redact_match *m, char *ret_chars, size_t max)
{
	size_t n = 0;
	for (size_t i = m->start; i < m->end; i++) {
		char c = m->text[i];
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 0x20);
		if ((c < '0' || c > '9') && (c < 'A' || c > 'Z'))
			continue;
		if (n == max)
			return max + 1;
		ret_chars[n++] = c;
	}
	return n;
}

bool redact_check_us_ssn(struct redact_match *m)
{
	uint8_t d[9];
	if (redact_digits(m, d, 9) != 9)
		return false;
	uint64_t area = number(d, 3);
	return area != 0 && area != 666 && area < 900 && two(d + 3) != 0 && number(d + 5, 4) != 0;
}

bool redact_check_uk_nino(struct redact_match *m)
{
	static const char never[] = "BGGBKNNKNTTNZZ";
	char c[9];
	if (letters_of(m, c, 9) != 9)
		return false;
	for (const char *p = never; *p; p += 2)
		if (c[0] == p[0] && c[1] == p[1])
			return false;
	return true;
}

bool redact_check_uk_nhs(struct redact_match *m)
{
	static const uint8_t weights[] = {10, 9, 8, 7, 6, 5, 4, 3, 2};
	uint8_t d[10];
	if (redact_digits(m, d, 10) != 10 || all_alike(d, 10))
		return false;
	return (11 - weighed(d, weights, 9) % 11) % 11 == d[9];
}

/* ISO 7064 MOD 11,10; of the first ten digits one comes two or three times, all others once at most. */
bool redact_check_de_steuer_id(struct redact_match *m)
{
	uint8_t d[11], count[10] = {0};
	if (redact_digits(m, d, 11) != 11 || d[0] == 0)
		return false;
	unsigned int product = 10, repeated = 0;
	for (size_t i = 0; i < 10; i++) {
		unsigned int sum = (d[i] + product) % 10;
		product = (sum ? sum : 10) * 2 % 11;
		count[d[i]]++;
	}
	for (size_t i = 0; i < 10; i++) {
		if (count[i] > 3)
			return false;
		repeated += count[i] > 1;
	}
	return repeated == 1 && (11 - product) % 10 == d[10];
}

bool redact_check_fr_nir(struct redact_match *m)
{
	char c[15];
	uint64_t value = 0;
	if (letters_of(m, c, 15) != 15)
		return false;
	/* Corsica: 2A counts as 19, 2B as 18. */
	if (c[6] == 'A' || c[6] == 'B') {
		c[5] = '1';
		c[6] = c[6] == 'A' ? '9' : '8';
	}
	for (size_t i = 0; i < 13; i++)
		value = value * 10 + (uint64_t)(c[i] - '0');
	unsigned int month = (unsigned int)(c[3] - '0') * 10 + (unsigned int)(c[4] - '0');
	if (month == 0 || (month > 12 && month < 20))
		return false;
	return 97 - value % 97 == (uint64_t)(c[13] - '0') * 10 + (uint64_t)(c[14] - '0');
}

bool redact_check_es_dni(struct redact_match *m)
{
	static const char letters[] = "TRWAGMYFPDXBNJZSQVHLCKE";
	char c[9];
	uint64_t value = 0;
	if (letters_of(m, c, 9) != 9)
		return false;
	if (c[0] >= 'X')
		c[0] = (char)(c[0] - 'X' + '0');
	for (size_t i = 0; i < 8; i++)
		value = value * 10 + (uint64_t)(c[i] - '0');
	return value > 0 && letters[value % 23] == c[8];
}

bool redact_check_it_codice_fiscale(struct redact_match *m)
{
	static const uint8_t odd[] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
				      20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
	char c[16];
	unsigned int sum = 0;
	if (letters_of(m, c, 16) != 16)
		return false;
	for (size_t i = 0; i < 15; i++) {
		unsigned int v = (unsigned int)(c[i] >= 'A' ? c[i] - 'A' : c[i] - '0');
		sum += i % 2 ? v : odd[v];
	}
	return (char)('A' + sum % 26) == c[15];
}

bool redact_check_nl_bsn(struct redact_match *m)
{
	uint8_t d[9] = {0};
	size_t n = redact_digits(m, d, 9);
	if (n == 8) {
		memmove(d + 1, d, 8);
		d[0] = 0;
	}
	if (n < 8 || n > 9 || all_alike(d, 9))
		return false;
	int sum = -(int)d[8];
	for (size_t i = 0; i < 8; i++)
		sum += (int)d[i] * (9 - (int)i);
	return sum % 11 == 0;
}

bool redact_check_pl_pesel(struct redact_match *m)
{
	static const uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3};
	uint8_t d[11];
	if (redact_digits(m, d, 11) != 11)
		return false;
	unsigned int month = two(d + 2);
	if (month > 32) /* 1800 and after 2099 */
		return false;
	return is_date(month % 20, two(d + 4)) && (10 - weighed(d, weights, 10) % 10) % 10 == d[10];
}

/* Of a coordination number the day is 60 more. */
bool redact_check_se_personnummer(struct redact_match *m)
{
	uint8_t d[12];
	size_t n = redact_digits(m, d, 12);
	if (n != 10 && n != 12)
		return false;
	const uint8_t *p = d + n - 10;
	return is_date(two(p + 2), two(p + 4) % 60) && redact_luhn(p, 10);
}

bool redact_check_dk_cpr(struct redact_match *m)
{
	uint8_t d[10];
	return redact_digits(m, d, 10) == 10 && is_date(two(d + 2), two(d));
}

/* Of a D number the day is 40 more. */
bool redact_check_no_fnr(struct redact_match *m)
{
	static const uint8_t first[] = {3, 7, 6, 1, 8, 9, 4, 5, 2, 1},
			     second[] = {5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1};
	uint8_t d[11];
	return redact_digits(m, d, 11) == 11 && is_date(two(d + 2), two(d) % 40) &&
	       weighed(d, first, 10) % 11 == 0 && weighed(d, second, 11) % 11 == 0;
}

bool redact_check_fi_hetu(struct redact_match *m)
{
	static const char marks[] = "0123456789ABCDEFHJKLMNPRSTUVWXY";
	const char *p = m->text + m->start;
	uint8_t d[10];
	if (m->end - m->start != 11)
		return false;
	for (size_t i = 0; i < 10; i++)
		d[i] = (uint8_t)(p[i] - '0');
	if (!is_date(two(d + 2), two(d)))
		return false;
	return marks[(number(d, 6) * 1000 + number(d + 7, 3)) % 31] == p[10];
}

bool redact_check_ch_ahv(struct redact_match *m)
{
	static const uint8_t weights[] = {1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3};
	uint8_t d[13];
	return redact_digits(m, d, 13) == 13 && (10 - weighed(d, weights, 12) % 10) % 10 == d[12];
}

bool redact_check_at_svnr(struct redact_match *m)
{
	static const uint8_t weights[] = {3, 7, 9, 0, 5, 8, 4, 2, 1, 6};
	uint8_t d[10];
	return redact_digits(m, d, 10) == 10 && d[0] != 0 && weighed(d, weights, 10) % 11 == d[3];
}

/* Who is born after 1999 has a 2 before the number when it is divided. */
bool redact_check_be_rrn(struct redact_match *m)
{
	uint8_t d[11];
	if (redact_digits(m, d, 11) != 11 || two(d + 2) > 12 || two(d + 4) > 31)
		return false;
	uint64_t value = number(d, 9), check = number(d + 9, 2);
	return 97 - value % 97 == check || 97 - (value + 2000000000u) % 97 == check;
}

bool redact_check_br_cpf(struct redact_match *m)
{
	uint8_t d[11];
	if (redact_digits(m, d, 11) != 11 || all_alike(d, 11))
		return false;
	for (size_t n = 9; n <= 10; n++) {
		unsigned int sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += d[i] * (unsigned int)(n + 1 - i);
		if (sum * 10 % 11 % 10 != d[n])
			return false;
	}
	return true;
}

bool redact_check_ca_sin(struct redact_match *m)
{
	uint8_t d[9];
	return redact_digits(m, d, 9) == 9 && d[0] != 0 && d[0] != 8 && redact_luhn(d, 9);
}

bool redact_check_au_tfn(struct redact_match *m)
{
	static const uint8_t weights[] = {1, 4, 3, 7, 5, 8, 6, 9, 10};
	uint8_t d[9];
	return redact_digits(m, d, 9) == 9 && !all_alike(d, 9) && weighed(d, weights, 9) % 11 == 0;
}

static bool is_year(const uint8_t *d)
{
	return number(d, 4) >= 1900 && number(d, 4) < 2100;
}

/* Verhoeff's scheme: the dihedral group of order 10, and powers of a permutation. */
bool redact_check_in_aadhaar(struct redact_match *m)
{
	static const uint8_t permutation[] = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
	uint8_t d[12];
	unsigned int c = 0;
	if (redact_in_row(m) || redact_digits(m, d, 12) != 12 ||
	    (is_year(d) && is_year(d + 4) && is_year(d + 8)))
		return false;
	for (size_t i = 0; i < 12; i++) {
		unsigned int v = d[11 - i];
		for (size_t k = 0; k < i % 8; k++)
			v = permutation[v];
		if (c < 5)
			c = v < 5 ? (c + v) % 5 : 5 + (c + v) % 5;
		else
			c = v < 5 ? 5 + (c - v) % 5 : (c - v + 5) % 5;
	}
	return c == 0;
}

bool redact_check_cn_id(struct redact_match *m)
{
	static const uint8_t weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	static const char marks[] = "10X98765432";
	char c[18];
	uint8_t d[17];
	if (letters_of(m, c, 18) != 18)
		return false;
	for (size_t i = 0; i < 17; i++)
		d[i] = (uint8_t)(c[i] - '0');
	uint64_t year = number(d + 6, 4);
	return year >= 1850 && year <= 2100 && is_date(two(d + 10), two(d + 12)) &&
	       marks[weighed(d, weights, 17) % 11] == c[17];
}

/* Numbers since October 2020 have no check digit. */
bool redact_check_kr_rrn(struct redact_match *m)
{
	uint8_t d[13];
	return redact_digits(m, d, 13) == 13 && is_date(two(d + 2), two(d + 4));
}
