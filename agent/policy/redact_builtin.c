/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact_builtin.h"

#include "base/macro.h"
#include "policy/redact_check.h"

const char *const redact_group_names[REDACT_GROUPS] = {
	[REDACT_GROUP_NATIONAL] = "national-id",
	[REDACT_GROUP_SECRETS] = "secrets",
};

#define NATIONAL(name, what)                                                                                 \
	{                                                                                                    \
		name, what, REDACT_GROUP_NATIONAL, REDACT_NORM_ALNUM                                         \
	}
#define SECRET(name, what)                                                                                   \
	{                                                                                                    \
		name, what, REDACT_GROUP_SECRETS, REDACT_NORM_NONE                                           \
	}

const struct redact_builtin redact_builtins[] = {
	{"email", "email addresses", REDACT_GROUP_NONE, REDACT_NORM_LOWER},
	{"phone", "telephone numbers, international and in common national forms", REDACT_GROUP_NONE,
	 REDACT_NORM_ALNUM},
	{"card", "payment card numbers (issuer, length, Luhn)", REDACT_GROUP_NONE, REDACT_NORM_ALNUM},
	{"iban", "bank account numbers (country, length, mod 97)", REDACT_GROUP_NONE, REDACT_NORM_ALNUM},
	{"ip", "IPv4 and IPv6 addresses other than loopback", REDACT_GROUP_NONE, REDACT_NORM_LOWER},

	NATIONAL("us-ssn", "US social security numbers"),
	NATIONAL("uk-nino", "UK national insurance numbers"),
	NATIONAL("uk-nhs", "UK NHS numbers, where named"),
	NATIONAL("de-steuer-id", "German tax identification numbers"),
	NATIONAL("fr-nir", "French social security numbers"),
	NATIONAL("es-dni", "Spanish DNI and NIE"),
	NATIONAL("it-codice-fiscale", "Italian tax codes"),
	NATIONAL("nl-bsn", "Dutch citizen service numbers, where named"),
	NATIONAL("pl-pesel", "Polish PESEL"),
	NATIONAL("se-personnummer", "Swedish personal identity numbers"),
	NATIONAL("dk-cpr", "Danish CPR numbers, where named"),
	NATIONAL("no-fnr", "Norwegian birth numbers"),
	NATIONAL("fi-hetu", "Finnish personal identity codes"),
	NATIONAL("ch-ahv", "Swiss AHV numbers"),
	NATIONAL("at-svnr", "Austrian social insurance numbers, where named"),
	NATIONAL("be-rrn", "Belgian national register numbers"),
	NATIONAL("br-cpf", "Brazilian CPF"),
	NATIONAL("ca-sin", "Canadian social insurance numbers, where named"),
	NATIONAL("au-tfn", "Australian tax file numbers, where named"),
	NATIONAL("in-aadhaar", "Indian Aadhaar numbers"),
	NATIONAL("in-pan", "Indian permanent account numbers"),
	NATIONAL("cn-resident-id", "Chinese resident identity numbers"),
	NATIONAL("kr-rrn", "Korean resident registration numbers"),

	SECRET("openai-key", "OpenAI API keys"),
	SECRET("anthropic-key", "Anthropic API keys"),
	SECRET("azure-key", "keys of Azure AI services and API Management"),
	SECRET("azure-storage-key", "AccountKey and SharedAccessKey of connection strings"),
	SECRET("azure-sas", "signatures of shared access signatures"),
	SECRET("azure-client-secret", "client secrets of Entra applications"),
	SECRET("aws-key", "AWS access key ids, and secret access keys where named"),
	SECRET("github-token", "GitHub tokens"),
	SECRET("gitlab-token", "GitLab tokens"),
	SECRET("slack-token", "Slack tokens and webhooks"),
	SECRET("stripe-key", "Stripe keys"),
	SECRET("google-key", "Google API keys and OAuth tokens"),
	SECRET("npm-token", "npm tokens"),
	SECRET("pypi-token", "PyPI tokens"),
	SECRET("sendgrid-key", "SendGrid keys"),
	SECRET("twilio-key", "Twilio API keys, and auth tokens where named"),
	SECRET("vendor-token", "tokens of other vendors that have a mark of their own"),
	SECRET("jwt", "JSON Web Tokens"),
	SECRET("bearer-token", "what follows \"Bearer\""),
	SECRET("basic-auth", "what follows \"Basic\" in an authorization"),
	SECRET("private-key", "private keys in PEM"),
	SECRET("password", "passwords in URLs, connection strings, variables and members of that name"),
};
const size_t redact_n_builtins = ARRAY_SIZE(redact_builtins);

/* No letter or digit beside; no number of which this is a part of. */
#define BEGIN "(?<![0-9A-Za-z])(?<![0-9][.-])"
#define END   "(?![0-9A-Za-z]|[.-][0-9])"
/* Not one of several numbers in a row. */
#define ALONE_BEGIN BEGIN "(?<![0-9] )"
#define ALONE_END   "(?![0-9A-Za-z]|[ .-][0-9])"
/* How many digits a number may begin with before anything else. */
#define N(n)	(1ULL << (8 + (n)))
#define FROM(n) (0xffffffffULL << (8 + (n)))
/* A space (no-break, narrow no-break), hyphen (no-break) or dash, or a dot. */
#define NBSP "\\xC2\\xA0|\\xE2\\x80[\\x91\\x93\\xAF]"
#define SEP  "(?:[ .-]|" NBSP ")"

/* A letter of two bytes: Latin with marks, Greek, Cyrillic, Armenian. The scripts beyond are written without
 * spaces, so they would be taken for a part of what stands beside them. */
#define WIDE "[\\xC3-\\xD4][\\x80-\\xBF]"

#define PHONE_WORDS                                                                                          \
	"(?i)(?<![a-z])(?:tele?fon|telephon|t\\xC3\\xA9l|telef|tel|phone|mobile|mobil|cell|fax|whatsapp|"    \
	"sms|handy|"                                                                                         \
	"rufnummer|portable|m\\xC3\\xB3vil|celular|cellulare|(?:call|text|ring|dial|reach)\\s(?:me|us|him|"  \
	"her|them|at|on)"                                                                                    \
	"(?![a-z])|\\xD1\\x82\\xD0\\xB5\\xD0\\xBB|\\xE7\\x94\\xB5\\xE8\\xAF\\x9D|"                           \
	"\\xE6\\x89\\x8B\\xE6\\x9C\\xBA|"                                                                    \
	"\\xE9\\x9B\\xBB\\xE8\\xA9\\xB1|\\xE6\\x90\\xBA\\xE5\\xB8\\xAF|\\xEC\\xA0\\x84\\xED\\x99\\x94)"      \
	"[^0-9 \\n,;.=:_-]{0,16}[^0-9a-z\\n]{0,4}(?:[a-z]{1,12}[^0-9a-z\\n]{0,3}){0,3}\\z"

const struct redact_form redact_forms_contact[] = {
	/* Its local part is bounded by the search, and what it may repeat over is: a "%40", but no '@'. */
	{"email", REDACT_AT, NULL, 0,
	 "(?:[A-Za-z0-9_+]|" WIDE ")(?:[A-Za-z0-9._%+'-]|" WIDE ")*?(?:@|%40)"
	 "(?:(?:[A-Za-z0-9-]|" WIDE ")+\\.){1,8}(?:xn--[A-Za-z0-9-]+|[A-Za-z]{2,24}|(?:" WIDE
	 "){2,24})(?![A-Za-z0-9])",
	 NULL, redact_check_email},

	{"phone", REDACT_NUMBER, "+", 7,
	 "(?<![0-9A-Za-z+])\\+[1-9](?:(?:[ ./()-]|" NBSP "){0,3}[0-9]){6,14}(?![0-9])", NULL,
	 redact_check_phone_plus},
	{"phone", REDACT_NUMBER, "DD", 10,
	 BEGIN "(?<![A-Za-z][.-])00[1-9](?:(?:[ /()-]|" NBSP
	       "){0,3}[0-9]){7,13}(?![0-9A-Za-z]|\\.[0-9A-Za-z])",
	 NULL, redact_check_phone_plus},
	{"phone", REDACT_NUMBER, "(DDD", 10,
	 "(?<![0-9A-Za-z])\\([2-9][0-9]{2}\\)" SEP "?[2-9][0-9]{2}" SEP "[0-9]{4}" END, NULL,
	 redact_check_phone_nanp},
	{"phone", REDACT_NUMBER, "D", 10 | N(1) | N(3),
	 "(?<![0-9A-Za-z+])(?<![0-9][ .-])(?:1" SEP ")?(?:\\([2-9][0-9]{2}\\)" SEP "?|[2-9][0-9]{2}" SEP
	 ")[2-9][0-9]{2}" SEP "[0-9]{4}" ALONE_END,
	 NULL, redact_check_phone_nanp},
	/* An area code with its 0: two groups, pairs of digits, or one group. */
	{"phone", REDACT_NUMBER, "DDD", 9 | N(3) | N(4) | N(5) | N(6),
	 ALONE_BEGIN
	 "0[1-9](?:[0-9]{1,4}(?:[ /]| / |" NBSP
	 ")|[0-9]{1,3}(?:-| - ))(?:[0-9]{3,4}([ -])[0-9]{3,5}|[0-9]{3}([ -])[0-9]{2}\\2"
	 "[0-9]{2}|[0-9]{2}(?:([ -])[0-9]{2})(?:\\3[0-9]{2}){1,2}|[0-9]{4,8}(?:-[0-9]{1,4})?)" ALONE_END,
	 NULL, redact_check_phone_national},
	{"phone", REDACT_NUMBER, "(D", 9,
	 "(?<![0-9A-Za-z])\\(0[1-9][0-9]{0,4}\\) ?[0-9]{3,8}(?:[ -][0-9]{2,5}){0,3}" ALONE_END, NULL,
	 redact_check_phone_national},
	/* France and neighbours; Japan, Australia; Dutch mobiles. */
	{"phone", REDACT_NUMBER, "DD", 10 | N(2),
	 ALONE_BEGIN "(?:0[1-9](" SEP
		     ")[0-9]{2}(?:\\1[0-9]{2}){3}|0[1-9]-[0-9]{4}-[0-9]{4}|0[2-8] [0-9]{4} [0-9]{4}|"
		     "06[ -][0-9]{8})" ALONE_END,
	 NULL, NULL},
	/* China, Korea; India; Brazil. */
	{"phone", REDACT_NUMBER, "DDD", 10 | N(3) | N(5),
	 ALONE_BEGIN "(?:1[3-9][0-9]([ -])[0-9]{4}\\1[0-9]{4}|[6-9][0-9]{4} [0-9]{5})" ALONE_END, NULL, NULL},
	{"phone", REDACT_NUMBER, "(DD)", 10,
	 "(?<![0-9A-Za-z])\\([1-9][0-9]\\) ?9?[0-9]{4}-[0-9]{4}" ALONE_END, NULL, NULL},
	{"phone", REDACT_NUMBER, "D", 8,
	 BEGIN "[0-9](?:(?:[ ./()-]|" NBSP "){0,2}[0-9]){7,14}(?![0-9A-Za-z])", PHONE_WORDS,
	 redact_check_phone_named},

	{"card", REDACT_NUMBER, "DDDD", 13 | N(4) | FROM(13),
	 BEGIN "(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}( {1,2}|[.-]|" NBSP
	       ")[0-9]{4}\\1[0-9]{4}\\1[0-9]{4}(?:\\1[0-9]{1,3})?|"
	       "[56][0-9]{3}( |-)[0-9]{4}\\2[0-9]{4}\\2[0-9]{1,3}|"
	       "3[0-9]{3}( {1,2}|[.-]|" NBSP ")[0-9]{6}\\3[0-9]{4,5})" END,
	 NULL, redact_check_card},

	{"iban", REDACT_NUMBER, "LLDD", 8 | REDACT_LETTERS,
	 "(?<![0-9A-Za-z])(?i)[A-Z]{2}[0-9]{2}(?:(?:[ -]|" NBSP ")?[0-9A-Z]){11,32}", NULL,
	 redact_check_iban},

	{"ip", REDACT_IPV4, NULL, 0,
	 "(?<![0-9A-Za-z_])(?<![0-9A-Za-z_][.-])[0-9]{1,3}(?:\\.[0-9]{1,3}){3}(?![0-9A-Za-z_]|\\.[0-9]|-[0-"
	 "9A-Za-z])",
	 NULL, redact_check_ipv4},
	{"ip", REDACT_IPV6, NULL, 0,
	 "(?<![0-9A-Za-z_:.])[0-9A-Fa-f:]{2,39}(?:(?<=:)[0-9]{1,3}(?:\\.[0-9]{1,3}){3})?(?![0-9A-Za-z_:])",
	 NULL, redact_check_ipv6},
	{0},
};

#define WORDS(list) "(?i)(?<![a-z])(?:" list ")[^0-9a-z\\n]{0,4}(?:[a-z]{1,12}[^0-9a-z\\n]{0,3}){0,3}\\z"

const struct redact_form redact_forms_national[] = {
	{"us-ssn", REDACT_NUMBER, "DDD", 9 | N(3), BEGIN "[0-9]{3}([ -])[0-9]{2}\\1[0-9]{4}" ALONE_END, NULL,
	 redact_check_us_ssn},
	{"us-ssn", REDACT_NUMBER, "DDD", 9 | N(9), BEGIN "[0-9]{9}" END,
	 WORDS("ssn|social[ _-]?security|soc\\.? sec\\.?"), redact_check_us_ssn},
	{"uk-nino", REDACT_NUMBER, "LL", 6 | REDACT_LETTERS,
	 "(?<![0-9A-Za-z])(?i)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]([ "
	 "-]?)[0-9]{2}\\1[0-9]{2}\\1[0-9]{2}\\1[A-D]" END,
	 NULL, redact_check_uk_nino},
	{"uk-nhs", REDACT_NUMBER, "DDD", 10 | N(3) | N(10), BEGIN "[0-9]{3}([ -]?)[0-9]{3}\\1[0-9]{4}" END,
	 WORDS("nhs"), redact_check_uk_nhs},
	{"de-steuer-id", REDACT_NUMBER, "DD", 11 | N(2) | N(11),
	 BEGIN "[1-9](?:[0-9]{10}|[0-9]([ /])[0-9]{3}\\1[0-9]{3}\\1[0-9]{3})" END, NULL,
	 redact_check_de_steuer_id},
	{"fr-nir", REDACT_NUMBER, "D", 6 | N(1) | N(6) | N(13) | N(15),
	 BEGIN
	 "[12378]([ .]?)[0-9]{2}\\1[0-9]{2}\\1(?:[0-9]{2}|2[ABab])\\1[0-9]{3}\\1[0-9]{3}[ .-]?[0-9]{2}" END,
	 NULL, redact_check_fr_nir},
	{"es-dni", REDACT_NUMBER, "DD", 8 | N(2) | N(5) | N(8),
	 BEGIN "[0-9]{2}\\.?[0-9]{3}\\.?[0-9]{3}-?[A-HJ-NP-TV-Za-hj-np-tv-z]" END, NULL, redact_check_es_dni},
	{"es-dni", REDACT_NUMBER, "L", 7 | REDACT_LETTERS,
	 "(?<![0-9A-Za-z])[XYZxyz]-?[0-9]{7}-?[A-HJ-NP-TV-Za-hj-np-tv-z]" END, NULL, redact_check_es_dni},
	{"it-codice-fiscale", REDACT_NUMBER, "LLLLLLX", 1 | REDACT_LETTERS,
	 "(?<![0-9A-Za-z])(?i)[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPRST][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]" END,
	 NULL, redact_check_it_codice_fiscale},
	{"nl-bsn", REDACT_NUMBER, "DD", 8 | N(3) | N(4) | N(8) | N(9),
	 BEGIN "(?:[0-9]{8,9}|[0-9]{4}([ .])[0-9]{2}\\1[0-9]{3}|[0-9]{3}([ .-])[0-9]{3}\\2[0-9]{3})" END,
	 WORDS("bsn|burger[ _-]?service[ _-]?nummer|sofi[ -]?nummer|citizen service"), redact_check_nl_bsn},
	{"pl-pesel", REDACT_NUMBER, "DDDDDDDD", 11 | N(11), BEGIN "[0-9]{11}" END, NULL,
	 redact_check_pl_pesel},
	{"se-personnummer", REDACT_NUMBER, "DDDDDD", 10 | N(6) | N(8),
	 BEGIN "(?:19|20)?[0-9]{6}[+-][0-9]{4}" END, NULL, redact_check_se_personnummer},
	{"se-personnummer", REDACT_NUMBER, "DDDDDDDD", 10 | N(10) | N(12), BEGIN "(?:19|20)?[0-9]{10}" END,
	 WORDS("personnummer|person[ -]?nr|pnr|samordningsnummer"), redact_check_se_personnummer},
	{"dk-cpr", REDACT_NUMBER, "DDDDDD", 10 | N(6) | N(10), BEGIN "[0-9]{6}[ -]?[0-9]{4}" END,
	 WORDS("cpr|personnummer|cpr[ -]?nr|cpr[ -]?nummer"), redact_check_dk_cpr},
	{"no-fnr", REDACT_NUMBER, "DDDDDD", 11 | N(6) | N(11), BEGIN "[0-9]{6} ?[0-9]{5}" END, NULL,
	 redact_check_no_fnr},
	{"fi-hetu", REDACT_NUMBER, "DDDDDD", 9 | REDACT_LETTERS | N(6),
	 BEGIN "[0-9]{6}[+A-FU-Y-][0-9]{3}[0-9A-FHJ-NPR-Y]" END, NULL, redact_check_fi_hetu},
	{"ch-ahv", REDACT_NUMBER, "DDD", 13 | N(3) | N(13),
	 BEGIN "756([. ]?)[0-9]{4}\\1[0-9]{4}\\1[0-9]{2}" END, NULL, redact_check_ch_ahv},
	{"at-svnr", REDACT_NUMBER, "DDDD", 10 | N(4) | N(10), BEGIN "[0-9]{4}[ -]?[0-9]{6}" END,
	 WORDS("svnr|sv[ -]?nummer|sozialversicherungsnummer|versicherungsnummer"), redact_check_at_svnr},
	{"be-rrn", REDACT_NUMBER, "DD", 11 | N(2),
	 BEGIN "[0-9]{2}\\.[0-9]{2}\\.[0-9]{2}-[0-9]{3}\\.[0-9]{2}" END, NULL, redact_check_be_rrn},
	{"be-rrn", REDACT_NUMBER, "DDDDDDDD", 11 | N(11), BEGIN "[0-9]{11}" END,
	 WORDS("rijksregisternummer|registre national|national register|nn|niss|insz"), redact_check_be_rrn},
	{"br-cpf", REDACT_NUMBER, "DDD", 11 | N(3), BEGIN "[0-9]{3}\\.[0-9]{3}\\.[0-9]{3}-[0-9]{2}" END, NULL,
	 redact_check_br_cpf},
	{"br-cpf", REDACT_NUMBER, "DDDDDDDD", 11 | N(11), BEGIN "[0-9]{11}" END, WORDS("cpf"),
	 redact_check_br_cpf},
	{"ca-sin", REDACT_NUMBER, "DDD", 9 | N(3) | N(9), BEGIN "[0-9]{3}([ -]?)[0-9]{3}\\1[0-9]{3}" END,
	 WORDS("sin|social insurance|nas|num\\xC3\\xA9ro d'assurance sociale"), redact_check_ca_sin},
	{"au-tfn", REDACT_NUMBER, "DDD", 9 | N(3) | N(9), BEGIN "[0-9]{3}([ -]?)[0-9]{3}\\1[0-9]{3}" END,
	 WORDS("tfn|tax file"), redact_check_au_tfn},
	{"in-aadhaar", REDACT_NUMBER, "DDDD", 12 | N(4),
	 ALONE_BEGIN "[2-9][0-9]{3}([ -])[0-9]{4}\\1[0-9]{4}" ALONE_END, NULL, redact_check_in_aadhaar},
	{"in-aadhaar", REDACT_NUMBER, "DDDDDDDD", 12 | N(12), BEGIN "[2-9][0-9]{11}" END,
	 WORDS("aadhaar|aadhar|uidai|uid"), redact_check_in_aadhaar},
	{"in-pan", REDACT_NUMBER, "LLLLLDDDDL", 4 | REDACT_LETTERS,
	 "(?<![0-9A-Za-z_])[A-Z]{3}[ABCFGHJLPT][A-Z](?!0000)[0-9]{4}[A-Z]" END, NULL, NULL},
	{"cn-resident-id", REDACT_NUMBER, "DDDDDDDD", 17 | N(17) | N(18), BEGIN "[1-9][0-9]{16}[0-9Xx]" END,
	 NULL, redact_check_cn_id},
	{"kr-rrn", REDACT_NUMBER, "DDDDDD", 13 | N(6), BEGIN "[0-9]{6}-[1-8][0-9]{6}" END, NULL,
	 redact_check_kr_rrn},
	{0},
};
