/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact_builtin.h"

#include "policy/redact_check.h"

#define BEGIN "(?<![0-9A-Za-z])"
#define END   "(?![0-9A-Za-z])"
/* Between a name and its value, in code, JSON, headers, connection strings. */
#define IS "[\"'`)\\]]{0,2}\\s{0,3}(?:=>|->|:=|[:=]|is|was)?\\s{0,3}[\"'`(]{0,2}"

#define X32 "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"

#define KEY_WORDS                                                                                            \
	"(?i)(?:(?:api|subscription|access|account|azure|openai|cognitive|secret|admin|query|ocp-apim)"      \
	"[a-z0-9_ "                                                                                          \
	".-]{0,30}(?:key|token|secret)[a-z0-9_]{0,8}|(?:^|[\\n{,])\\s{0,8}[\"'`]?key[12]?(?=[\"':= "         \
	"\\n]|\\z))" IS "\\z"

#define TOKEN(mark, pattern)                                                                                 \
	{                                                                                                    \
		"vendor-token", REDACT_PREFIX, mark, 0, BEGIN pattern END, 0, redact_check_mixed             \
	}

const struct redact_form redact_forms_secret[] = {
	/* 48 characters, or 51 to 200 with a kind. */
	{"openai-key", REDACT_PREFIX, "sk-", 0,
	 BEGIN "sk-(?!ant-)(?:(?:proj|svcacct|admin|None|or-v1)-[A-Za-z0-9_-]{20,256}|[A-Za-z0-9]{20,128})(?!"
	       "[A-Za-z0-9_])",
	 NULL, redact_check_mixed},
	{"anthropic-key", REDACT_PREFIX, "sk-ant-", 0, BEGIN "sk-ant-[A-Za-z0-9_-]{20,256}" END, NULL,
	 redact_check_mixed},

	{"azure-key", REDACT_NUMBER, X32, 1 | REDACT_LETTERS, BEGIN "[0-9A-Fa-f]{32}(?![0-9A-Za-z-])",
	 KEY_WORDS, NULL},
	{"azure-key", REDACT_NUMBER, X32, 1 | REDACT_LETTERS, BEGIN "[0-9A-Za-z]{84}" END, NULL,
	 redact_check_azure84},
	{"azure-key", REDACT_NUMBER, X32, 1 | REDACT_LETTERS, BEGIN "[0-9A-Za-z]{84}" END, KEY_WORDS, NULL},
	{"azure-storage-key", REDACT_PREFIX, "AccountKey", 0,
	 BEGIN "(?i)AccountKey\\s?=\\s?(?<secret>[A-Za-z0-9+/]{86}==)", NULL, NULL},
	{"azure-storage-key", REDACT_PREFIX, "SharedAccessKey", 0,
	 BEGIN "(?i)SharedAccessKey\\s?=\\s?(?<secret>[A-Za-z0-9+/]{42,44}={0,2})(?![A-Za-z0-9+/=])", NULL,
	 NULL},
	{"azure-sas", REDACT_PREFIX, "sig", 0,
	 BEGIN "(?i)sig=(?<secret>[A-Za-z0-9%+/_-]{40,200}={0,2})(?![A-Za-z0-9%+/_=-])", NULL,
	 redact_check_mixed},
	{"azure-client-secret", REDACT_TILDE, NULL, 0,
	 "(?<![A-Za-z0-9~_.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9~_-])", NULL, NULL},

	{"aws-key", REDACT_PREFIX, "AKIA", 0, BEGIN "AKIA[A-Z2-7]{16}" END, NULL, NULL},
	{"aws-key", REDACT_PREFIX, "ASIA", 0, BEGIN "ASIA[A-Z2-7]{16}" END, NULL, redact_check_mixed},
	{"aws-key", REDACT_PREFIX, "secret", 0,
	 "(?i)secret[ _-]?(?:access[ _-]?)?key" IS "(?<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])", NULL,
	 redact_check_mixed},
	{"aws-key", REDACT_PREFIX, "awssecret", 0,
	 BEGIN "(?i)awssecret(?:access)?key" IS "(?<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])", NULL,
	 redact_check_mixed},
	{"aws-key", REDACT_WHOLE, "ey", 0, "[A-Za-z0-9/+]{40}\\z", "(?i)secret[ _-]?(?:access[ _-]?)?key\\z",
	 redact_check_mixed},

	{"github-token", REDACT_PREFIX, "gh", 0, BEGIN "gh[pousr]_[A-Za-z0-9]{36,251}" END, NULL,
	 redact_check_mixed},
	{"github-token", REDACT_PREFIX, "github_pat_", 0, BEGIN "github_pat_[A-Za-z0-9_]{22,255}" END, NULL,
	 redact_check_mixed},
	{"gitlab-token", REDACT_PREFIX, "gl", 0,
	 BEGIN "gl(?:pat|dt|rt|ptt|oas|cbt|ft|soat|imt|agent|ffct)-[A-Za-z0-9_.-]{19,320}[A-Za-z0-9_]" END,
	 NULL, redact_check_mixed},
	{"slack-token", REDACT_PREFIX, "xox", 0, BEGIN "xox[abcdeoprs]-[A-Za-z0-9-]{10,250}" END, NULL,
	 redact_check_mixed},
	{"slack-token", REDACT_PREFIX, "xapp-", 0, BEGIN "xapp-[0-9]-[A-Za-z0-9-]{10,250}" END, NULL,
	 redact_check_mixed},
	{"slack-token", REDACT_PREFIX, "hooks", 0,
	 BEGIN "hooks\\.slack\\.com/(?:services|workflows)/(?<secret>[A-Za-z0-9/]{20,100})", NULL,
	 redact_check_mixed},
	{"stripe-key", REDACT_PREFIX, "sk_", 0, BEGIN "sk_(?:live|test)_[A-Za-z0-9]{16,255}" END, NULL,
	 redact_check_mixed},
	{"stripe-key", REDACT_PREFIX, "rk_", 0, BEGIN "rk_(?:live|test)_[A-Za-z0-9]{16,255}" END, NULL,
	 redact_check_mixed},
	{"stripe-key", REDACT_PREFIX, "whsec_", 0, BEGIN "whsec_[A-Za-z0-9+/]{24,128}={0,2}", NULL,
	 redact_check_mixed},
	{"google-key", REDACT_PREFIX, "AIza", 0, BEGIN "AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])", NULL,
	 redact_check_mixed},
	{"google-key", REDACT_PREFIX, "ya29.", 0, BEGIN "ya29\\.[A-Za-z0-9_-]{20,2048}", NULL,
	 redact_check_mixed},
	{"google-key", REDACT_PREFIX, "GOCSPX-", 0, BEGIN "GOCSPX-[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])", NULL,
	 NULL},
	{"npm-token", REDACT_PREFIX, "npm_", 0, BEGIN "npm_[A-Za-z0-9]{36}" END, NULL, redact_check_mixed},
	{"pypi-token", REDACT_PREFIX, "pypi-", 0, BEGIN "pypi-Ag[A-Za-z0-9_-]{50,1024}" END, NULL, NULL},
	{"sendgrid-key", REDACT_PREFIX, "SG.", 0,
	 BEGIN "SG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{16,64}(?![A-Za-z0-9_-])", NULL, redact_check_mixed},
	{"twilio-key", REDACT_PREFIX, "SK", 0, BEGIN "SK[0-9a-f]{32}" END, NULL, NULL},
	{"twilio-key", REDACT_NUMBER, X32, 1 | REDACT_LETTERS, BEGIN "[0-9a-f]{32}(?![0-9A-Za-z-])",
	 "(?i)(?:twilio[a-z0-9_ .-]{0,30}|auth[ _-]?token)" IS "\\z", NULL},

	TOKEN("hf_", "hf_[A-Za-z0-9]{30,64}"),
	TOKEN("gsk_", "gsk_[A-Za-z0-9]{40,64}"),
	TOKEN("xai-", "xai-[A-Za-z0-9]{60,120}"),
	TOKEN("pplx-", "pplx-[A-Za-z0-9]{40,64}"),
	TOKEN("r8_", "r8_[A-Za-z0-9]{37}"),
	TOKEN("dop_v1_", "d(?:op|oo|or)_v1_[0-9a-f]{64}"),
	TOKEN("dapi", "dapi[0-9a-f]{32}"),
	TOKEN("shp", "shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}"),
	TOKEN("hvs.", "hv[sb]\\.[A-Za-z0-9_-]{24,256}"),
	TOKEN("ATATT3", "ATATT3[A-Za-z0-9_=-]{50,250}"),
	TOKEN("lin_api_", "lin_api_[A-Za-z0-9]{32,64}"),
	TOKEN("PMAK-", "PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
	TOKEN("sq0", "sq0(?:atp|csp)-[A-Za-z0-9_-]{22,64}"),
	TOKEN("NRAK-", "NRAK-[A-Z0-9]{27}"),
	TOKEN("dckr_pat_", "dckr_pat_[A-Za-z0-9_-]{27}"),
	TOKEN("figd_", "figd_[A-Za-z0-9_-]{40,64}"),
	TOKEN("glsa_", "glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}"),
	TOKEN("glc_", "glc_[A-Za-z0-9+/]{32,400}"),
	TOKEN("rubygems_", "rubygems_[0-9a-f]{48}"),
	TOKEN("tskey-", "tskey-[a-z]{3,12}-[A-Za-z0-9-]{20,64}"),
	TOKEN("key-", "key-[0-9a-f]{32}"),
	{"vendor-token", REDACT_NUMBER, "DDDDDDDD", 8,
	 BEGIN "[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])", NULL, NULL},

	{"jwt", REDACT_PREFIX, "eyJ", 0,
	 BEGIN "eyJ[A-Za-z0-9_-]{8,4096}\\.[A-Za-z0-9_-]{0,8192}\\.[A-Za-z0-9_-]{0,8192}(?:\\.[A-Za-z0-9_-]{"
	       "0,4096}){0,2}",
	 NULL, NULL},
	{"bearer-token", REDACT_PREFIX, "bearer", 0,
	 BEGIN "(?i)bearer\\s{1,3}(?<secret>[A-Za-z0-9._~+/-]{20,8192}={0,2})", NULL, redact_check_mixed},
	{"basic-auth", REDACT_PREFIX, "basic", 0,
	 BEGIN "(?i)basic\\s{1,3}(?<secret>[A-Za-z0-9+/]{6,1024}={0,2})(?![A-Za-z0-9+/=])", NULL,
	 redact_check_basic},

	/* Whole, or cut: then lines of base64 after the head. */
	{"private-key", REDACT_DASHES, NULL, 0,
	 "-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:(?>[^-]|-(?!----))*-----END "
	 "[A-Z0-9 ]{0,30}"
	 "PRIVATE KEY(?: BLOCK)?-----|(?:(?:\\s|\\\\[nr]){0,4}[A-Za-z0-9+/]{16,}+={0,2})+)",
	 NULL, NULL},

	{"password", REDACT_SCHEME, NULL, 0, "://[^\\s/@:\"'<>]{0,128}:(?<secret>[^\\s/@\"'<>]{1,256})@",
	 NULL, redact_check_password},
	{"password", REDACT_PREFIX, "pwd", 0, "(?i)(?<=;|; )pwd\\s?=\\s?(?<secret>[^;\\s\"']{1,256})", NULL,
	 redact_check_password},
	{"password", REDACT_PREFIX, "password", 0,
	 "(?i)(?<=;|; )password\\s?=\\s?(?<secret>[^;\\s\"']{1,256})", NULL, redact_check_password},
	{"password", REDACT_PREFIX, "password", 0,
	 "(?<![A-Za-z])PASSWORD[\"']?\\s?[:=]\\s?[\"']?(?<secret>[^\\s\"'<>;{},]{4,256})", NULL,
	 redact_check_password},
	{"password", REDACT_WHOLE, "rd wd se et", 0, "(?s).{1,512}\\z",
	 "(?i)(?:password|passwd|passphrase|(?<![a-z])pwd|client_?secret)\\z", redact_check_password},
	{0},
};
