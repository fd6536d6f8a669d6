/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a pattern cannot say: check digits, lengths by issuer or country, dates. Each takes a match as
 * redact_match has it, may move its end to the left (or refuse by false), and reads nothing outside text[0,
 * len). */

#include "policy/redact_builtin.h"

/* redact_check.c */
bool redact_check_email(struct redact_match *m);
bool redact_check_phone_plus(struct redact_match *m); /* + or 00, country code */
bool redact_check_phone_nanp(struct redact_match *m);
bool redact_check_phone_national(struct redact_match *m);
bool redact_check_phone_named(struct redact_match *m); /* a context said that it is one */
bool redact_check_card(struct redact_match *m);
bool redact_check_iban(struct redact_match *m);
bool redact_check_ipv4(struct redact_match *m);
bool redact_check_ipv6(struct redact_match *m);

/* redact_check_secret.c */
bool redact_check_mixed(struct redact_match *m); /* a digit and a letter */
bool redact_check_azure84(struct redact_match *m);
bool redact_check_basic(struct redact_match *m);    /* base64 of user:password */
bool redact_check_password(struct redact_match *m); /* not a placeholder */

/* redact_check_id.c */
bool redact_check_us_ssn(struct redact_match *m);
bool redact_check_uk_nino(struct redact_match *m);
bool redact_check_uk_nhs(struct redact_match *m);
bool redact_check_de_steuer_id(struct redact_match *m);
bool redact_check_fr_nir(struct redact_match *m);
bool redact_check_es_dni(struct redact_match *m);
bool redact_check_it_codice_fiscale(struct redact_match *m);
bool redact_check_nl_bsn(struct redact_match *m);
bool redact_check_pl_pesel(struct redact_match *m);
bool redact_check_se_personnummer(struct redact_match *m);
bool redact_check_dk_cpr(struct redact_match *m);
bool redact_check_no_fnr(struct redact_match *m);
bool redact_check_fi_hetu(struct redact_match *m);
bool redact_check_ch_ahv(struct redact_match *m);
bool redact_check_at_svnr(struct redact_match *m);
bool redact_check_be_rrn(struct redact_match *m);
bool redact_check_br_cpf(struct redact_match *m);
bool redact_check_ca_sin(struct redact_match *m);
bool redact_check_au_tfn(struct redact_match *m);
bool redact_check_in_aadhaar(struct redact_match *m);
bool redact_check_cn_id(struct redact_match *m);
bool redact_check_kr_rrn(struct redact_match *m);

/* The digits among text[start, end), at most max. How many there are; max + 1: more. */
size_t redact_digits(const struct redact_match *m, uint8_t *ret_digits, size_t max);
/* Numbers in groups stand before or behind, so this is a piece of a table. */
bool redact_in_row(const struct redact_match *m);
bool redact_luhn(const uint8_t *digits, size_t n);
