/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The rows of verify_test.c: tokens, and the whole identity that is read from each. */

#include <stdint.h>

#define NOW   1790000000
#define TID   "11111111-2222-3333-4444-555555555555"
#define TID2  "22222222-2222-3333-4444-555555555555"
#define OID   "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
#define APP   "99999999-8888-7777-6666-000000000000"
#define GUID  "7d312290-28c8-473c-a0ed-8e53749b6d6d"
#define MIRID "/subscriptions/s/resourcegroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
#define VMID  "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/Vm-1"

#define V1_ISS "https://sts.windows.net/" TID "/"
#define V2_ISS "https://login.microsoftonline.com/" TID "/v2.0"
#define AUD    "https://cognitiveservices.azure.com"

/* Claims, as JSON with ' for ". */
#define WHO	       "'tid':'" TID "','oid':'" OID "','uti':'u-1'"
#define TIMES	       "'iat':1789999000,'nbf':1789999000,'exp':1790003600"
#define FROM(iss, aud) "'iss':'" iss "','aud':'" aud "'," WHO "," TIMES
#define APP_V1                                                                                               \
	"'appid':'" APP "','appidacr':'1','idtyp':'app','sub':'" OID                                         \
	"','ver':'1.0','roles':['Cognitive.Invoke']"
#define APP_V2                                                                                               \
	"'azp':'" APP "','azpacr':'1','idtyp':'app','sub':'" OID "','ver':'2.0','roles':['Cognitive.Invoke'" \
	"]"
#define BASE	      FROM(V1_ISS, AUD) "," APP_V1
#define NO_TIMES(iss) "'iss':'" iss "','aud':'" AUD "'," WHO "," APP_V1

/* What is expected, in the same way. */
#define ENTRA(iss, aud)                                                                                      \
	"'kind':'entra','tenant-id':'" TID "','object-id':'" OID "','token-id':'u-1','issuer':'" iss         \
	"','audience':'" aud "','expires':1790003600"
#define IS_APP	"'app-id':'" APP "','principal-type':'app','roles':['Cognitive.Invoke']"
#define BASE_IS ENTRA(V1_ISS, AUD) "," IS_APP
#define NO_EXP_IS                                                                                            \
	"'kind':'entra','tenant-id':'" TID "','object-id':'" OID "','token-id':'u-1','issuer':'" V1_ISS      \
	"','audience':'" AUD "'," IS_APP
#define BEARER "'kind':'bearer'" /* and a fingerprint */

enum key { KEY_A, KEY_B, KEY_OTHER, KEY_WEAK, KEY_EC, N_KEYS };

enum damage {
	WHOLE,
	CLAIMS_CHANGED,	 /* after signing: another tid */
	HEADER_CHANGED,	 /* after signing: a member more */
	SIGNATURE_BIT,	 /* one bit of it */
	SIGNATURE_SHORT, /* its last four characters are gone */
	SIGNATURE_LONG,	 /* four more */
	SIGNATURE_NONE,
	SIGNATURE_ODD,	   /* not base64url */
	SIGNATURE_HUGE,	   /* 8 KiB of it */
	SIGNATURE_SWAPPED, /* another token's, by the same key */
};

struct row {
	const char *what;
	const char *header; /* NULL: RS256 by key "a" */
	const char *claims;
	enum key key;
	const char *method; /* NULL: RS256 */
	enum damage damage;
	int64_t now; /* 0: NOW */
	const char *is, *verification;
	const char *why;     /* a part of verification-problem; NULL: there is none */
	const char *problem; /* a part of problem; NULL: there is none */
};

#define HEADER(alg, kid) "'typ':'JWT','alg':'" alg "','kid':'" kid "'"

static const struct row rows[] = {
	/* --- who ------------------------------------------------------------------------- */
	{.what = "v1 user",
	 .claims =
		 FROM(V1_ISS, AUD) ",'appid':'" APP
				   "','appidacr':'0','upn':'ann@contoso.com','unique_name':'x','name':'Ann','"
				   "scp':'user_impersonation','ver':'1.0','amr':['pwd'],'ipaddr':'1.2.3.4'",
	 .is = ENTRA(
		 V1_ISS,
		 AUD) ",'app-id':'" APP
		      "','principal-type':'user','name':'ann@contoso.com','scopes':['user_impersonation']",
	 .verification = "valid"},
	{.what = "v2 user",
	 .claims = FROM(V2_ISS, GUID) ",'azp':'" APP "','azpacr':'0','preferred_username':'bo@contoso.com','"
				      "name':'Bo','scp':'a.read b.write','ver':'2.0'",
	 .is = ENTRA(V2_ISS,
		     GUID) ",'app-id':'" APP
			   "','principal-type':'user','name':'bo@contoso.com','scopes':['a.read','b.write']",
	 .verification = "valid"},
	{.what = "user with groups and idtyp",
	 .claims =
		 FROM(V1_ISS,
		      AUD) ",'appid':'" APP
			   "','idtyp':'user','unique_name':'live.com#c@x.org','groups':['g1','g2'],'scp':'s'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP "','principal-type':'user','name':'live.com#c@x.org','"
				  "groups':['g1','g2'],'scopes':['s']",
	 .verification = "valid"},
	{.what = "user of an application with a certificate",
	 .claims = FROM(V1_ISS, AUD) ",'appid':'" APP "','appidacr':'2','sub':'" OID "','scp':'s'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP "','principal-type':'user','scopes':['s']",
	 .verification = "valid"},
	{.what = "v1 app", .claims = BASE, .is = BASE_IS, .verification = "valid"},
	{.what = "v2 app",
	 .claims = FROM(V2_ISS, GUID) "," APP_V2,
	 .is = ENTRA(V2_ISS, GUID) "," IS_APP,
	 .verification = "valid"},
	{.what = "v1 app without idtyp",
	 .claims = FROM(V1_ISS, AUD) ",'appid':'" APP "','appidacr':'1','sub':'" OID "'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP "','principal-type':'app'",
	 .verification = "valid"},
	{.what = "v2 app without idtyp, by certificate",
	 .claims = FROM(V2_ISS, GUID) ",'azp':'" APP "','azpacr':'2','sub':'" OID "'",
	 .is = ENTRA(V2_ISS, GUID) ",'app-id':'" APP "','principal-type':'app'",
	 .verification = "valid"},
	{.what = "neither scp nor idtyp, of a public client",
	 .claims = FROM(V1_ISS, AUD) ",'appid':'" APP "','appidacr':'0','sub':'" OID "'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP "'",
	 .verification = "valid"},
	{.what = "neither scp nor idtyp, about somebody else",
	 .claims = FROM(V1_ISS, AUD) ",'appid':'" APP "','appidacr':'1','sub':'pairwise'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP "'",
	 .verification = "valid"},
	{.what = "managed identity, user-assigned, v1",
	 .claims =
		 FROM(V1_ISS, AUD) ",'appid':'" APP "','appidacr':'2','idtyp':'app','xms_mirid':'" MIRID "'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP
				  "','principal-type':'managed-identity','resource-id':'" MIRID "'",
	 .verification = "valid"},
	{.what = "managed identity, system-assigned, v2",
	 .claims = FROM(V2_ISS, GUID) ",'azp':'" APP "','azpacr':'2','idtyp':'app','xms_mirid':'" VMID "'",
	 .is = ENTRA(V2_ISS, GUID) ",'app-id':'" APP
				   "','principal-type':'managed-identity','resource-id':'" VMID "'",
	 .verification = "valid"},
	{.what = "managed identity without idtyp",
	 .claims = FROM(V1_ISS, AUD) ",'appid':'" APP "','xms_mirid':'" VMID "'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP
				  "','principal-type':'managed-identity','resource-id':'" VMID "'",
	 .verification = "valid"},
	{.what = "a user of a managed identity's is a user",
	 .claims = FROM(V1_ISS, AUD) ",'appid':'" APP "','scp':'s','xms_mirid':'" MIRID "'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP "','principal-type':'user','scopes':['s']",
	 .verification = "valid"},
	{.what = "certificate app is no managed identity",
	 .claims = FROM(V1_ISS, AUD) ",'appid':'" APP "','appidacr':'2','idtyp':'app'",
	 .is = ENTRA(V1_ISS, AUD) ",'app-id':'" APP "','principal-type':'app'",
	 .verification = "valid"},

/* --- clouds ---------------------------------------------------------------------- */
#define CLOUD(name, iss, aud, kid)                                                                           \
	{                                                                                                    \
		.what = name, .header = HEADER("RS256", kid), .claims = FROM(iss, aud) "," APP_V1,           \
		.is = ENTRA(iss, aud) "," IS_APP, .verification = "valid"                                    \
	}
	CLOUD("US Government v1", V1_ISS, "https://cognitiveservices.azure.us", "us"),
	CLOUD("US Government v2", "https://login.microsoftonline.us/" TID "/v2.0",
	      "https://cognitiveservices.azure.us", "us"),
	CLOUD("China v1", "https://sts.chinacloudapi.cn/" TID "/", "https://cognitiveservices.azure.cn/",
	      "cn"),
	CLOUD("China v2", "https://login.partner.microsoftonline.cn/" TID "/v2.0",
	      "https://cognitiveservices.azure.cn", "cn"),
	CLOUD("China v2, older host", "https://login.chinacloudapi.cn/" TID "/v2.0", GUID, "cn"),
	CLOUD("worldwide v1 by a key of v2's set", V1_ISS, AUD, "ww"),
	CLOUD("worldwide v2 by a key of v1's set", V2_ISS, AUD, "ww1"),
	CLOUD("key of one tenant", V2_ISS, AUD, "tenant"),
	CLOUD("host in upper case", "https://STS.windows.net/" TID "/", AUD, "a"),
#define WRONG_CLOUD(name, iss, kid)                                                                          \
	{                                                                                                    \
		.what = name, .header = HEADER("RS256", kid), .claims = FROM(iss, AUD) "," APP_V1,           \
		.is = ENTRA(iss, AUD) "," IS_APP, .verification = "invalid", .why = "another issuer"         \
	}
	WRONG_CLOUD("worldwide token, China's key", V2_ISS, "cn"),
	WRONG_CLOUD("worldwide v2 token, US Government's key", V2_ISS, "us"),
	WRONG_CLOUD("China's token, worldwide key", "https://sts.chinacloudapi.cn/" TID "/", "ww"),
	WRONG_CLOUD("key of another tenant", V2_ISS, "tenant2"),
	WRONG_CLOUD("key of an issuer that is not Entra", V2_ISS, "stranger"),

/* --- audiences ------------------------------------------------------------------- */
#define AUDIENCE(name, aud)                                                                                  \
	{                                                                                                    \
		.what = name, .claims = FROM(V1_ISS, aud) "," APP_V1, .is = ENTRA(V1_ISS, aud) "," IS_APP,   \
		.verification = "valid"                                                                      \
	}
	AUDIENCE("audience with a slash", AUD "/"),
	AUDIENCE("Foundry's audience", "https://ai.azure.com"),
	AUDIENCE("Foundry's audience with a slash", "https://ai.azure.com/"),
	AUDIENCE("audience as a GUID, upper case", "7D312290-28C8-473C-A0ED-8E53749B6D6D"),
	AUDIENCE("Foundry's GUID", "18a66f5f-dbdf-4c17-9dd7-1634712a9cbe"),
#define NOT_FOR_US(name, aud)                                                                                \
	{                                                                                                    \
		.what = name, .claims = FROM(V1_ISS, aud) "," APP_V1, .is = ENTRA(V1_ISS, aud) "," IS_APP,   \
		.verification = "invalid", .why = "audience"                                                 \
	}
	NOT_FOR_US("another API's audience", "https://graph.microsoft.com"),
	NOT_FOR_US("audience that begins like ours", AUD ".evil.example"),
	NOT_FOR_US("audience with two slashes", AUD "//"),
	NOT_FOR_US("a slash", "/"),
	{.what = "several audiences, one of them ours",
	 .claims = "'iss':'" V1_ISS "','aud':['x','" AUD "']," WHO "," TIMES "," APP_V1,
	 .is = ENTRA(V1_ISS, "x " AUD) "," IS_APP,
	 .verification = "valid"},
	{.what = "several audiences, none of them ours",
	 .claims = "'iss':'" V1_ISS "','aud':['x','y']," WHO "," TIMES "," APP_V1,
	 .is = ENTRA(V1_ISS, "x y") "," IS_APP,
	 .verification = "invalid",
	 .why = "audience"},
	{.what = "no audience",
	 .claims = "'iss':'" V1_ISS "'," WHO "," TIMES "," APP_V1,
	 .is = "'kind':'entra','tenant-id':'" TID "','object-id':'" OID "','token-id':'u-1','issuer':'" V1_ISS
	       "','expires':1790003600," IS_APP,
	 .verification = "invalid",
	 .why = "audience"},
	{.what = "audience is an object",
	 .claims = "'iss':'" V1_ISS "','aud':{'" AUD "':1}," WHO "," TIMES "," APP_V1,
	 .is = "'kind':'entra','tenant-id':'" TID "','object-id':'" OID "','token-id':'u-1','issuer':'" V1_ISS
	       "','expires':1790003600," IS_APP,
	 .verification = "invalid",
	 .why = "audience",
	 .problem = "wrong type"},

	/* --- times ----------------------------------------------------------------------- */
	{.what = "last second with leeway",
	 .claims = BASE,
	 .now = 1790003659,
	 .is = BASE_IS,
	 .verification = "valid"},
	{.what = "expired",
	 .claims = BASE,
	 .now = 1790003660,
	 .is = BASE_IS,
	 .verification = "expired",
	 .why = "expired"},
	{.what = "first second with leeway",
	 .claims = BASE,
	 .now = 1789998940,
	 .is = BASE_IS,
	 .verification = "valid"},
	{.what = "not valid yet",
	 .claims = BASE,
	 .now = 1789998939,
	 .is = BASE_IS,
	 .verification = "invalid",
	 .why = "not valid yet"},
	{.what = "expired and tampered with",
	 .claims = BASE,
	 .damage = SIGNATURE_BIT,
	 .now = 1790009999,
	 .is = BASE_IS,
	 .verification = "invalid",
	 .why = "signature"},
	{.what = "no nbf",
	 .claims = NO_TIMES(V1_ISS) ",'exp':1790003600",
	 .is = BASE_IS,
	 .verification = "valid"},
	{.what = "no exp",
	 .claims = NO_TIMES(V1_ISS) ",'nbf':1",
	 .is = NO_EXP_IS,
	 .verification = "invalid",
	 .why = "no end"},
	{.what = "exp is a text",
	 .claims = NO_TIMES(V1_ISS) ",'exp':'1790003600'",
	 .is = NO_EXP_IS,
	 .verification = "invalid",
	 .why = "no end",
	 .problem = "wrong type"},
	{.what = "exp before time",
	 .claims = NO_TIMES(V1_ISS) ",'exp':-1",
	 .is = NO_EXP_IS,
	 .verification = "invalid",
	 .why = "no end",
	 .problem = "out of range"},
	{.what = "exp is endless",
	 .claims = NO_TIMES(V1_ISS) ",'exp':1e300",
	 .is = NO_EXP_IS,
	 .verification = "invalid",
	 .why = "no end",
	 .problem = "out of range"},
	{.what = "nbf is a text",
	 .claims = NO_TIMES(V1_ISS) ",'exp':1790003600,'nbf':'1'",
	 .is = BASE_IS,
	 .verification = "invalid",
	 .why = "nbf"},

/* --- algorithms and keys --------------------------------------------------------- */
#define SIGNED(name, alg, kid, with)                                                                         \
	{                                                                                                    \
		.what = name, .header = HEADER(alg, kid), .claims = BASE, .key = with, .method = alg,        \
		.is = BASE_IS, .verification = "valid"                                                       \
	}
	SIGNED("RS384", "RS384", "a", KEY_A),
	SIGNED("RS512", "RS512", "a", KEY_A),
	SIGNED("PS256", "PS256", "a", KEY_A),
	SIGNED("ES256", "ES256", "ec", KEY_EC),
	SIGNED("the first of two keys with one kid", "RS256", "twice", KEY_A),
	SIGNED("the second of two keys with one kid", "RS256", "twice", KEY_B),
#define REFUSED(name, head, with, how, verdict, reason)                                                      \
	{                                                                                                    \
		.what = name, .header = head, .claims = BASE, .key = with, .method = how, .is = BASE_IS,     \
		.verification = verdict, .why = reason                                                       \
	}
	REFUSED("none of two keys with one kid", HEADER("RS256", "twice"), KEY_OTHER, "RS256", "invalid",
		"signature"),
	REFUSED("the public key as a secret", HEADER("HS256", "a"), KEY_A, "HS256", "invalid", "algorithm"),
	REFUSED("alg in lower case", HEADER("rs256", "a"), KEY_A, "RS256", "invalid", "algorithm"),
	REFUSED("alg that nobody knows", HEADER("RS256-and-a-half-and-more", "a"), KEY_A, "RS256", "invalid",
		"algorithm"),
	REFUSED("PS256 signed as RS256", HEADER("PS256", "a"), KEY_A, "RS256", "invalid", "signature"),
	REFUSED("RS512 signed as RS256", HEADER("RS512", "a"), KEY_A, "RS256", "invalid", "signature"),
	REFUSED("ES256 against an RSA key", HEADER("ES256", "a"), KEY_EC, "ES256", "invalid", "algorithm"),
	REFUSED("RS256 against an EC key", HEADER("RS256", "ec"), KEY_A, "RS256", "invalid", "algorithm"),
	REFUSED("ES256 as DER", HEADER("ES256", "ec"), KEY_EC, "DER", "invalid", "signature"),
	REFUSED("RS384 by a key for RS256 alone", HEADER("RS384", "rs256"), KEY_A, "RS384", "invalid",
		"algorithm"),
	REFUSED("another key", HEADER("RS256", "a"), KEY_OTHER, "RS256", "invalid", "signature"),
	REFUSED("kid missing", "'typ':'JWT','alg':'RS256'", KEY_A, "RS256", "unverified", "kid"),
	REFUSED("kid empty", HEADER("RS256", ""), KEY_A, "RS256", "unverified", "kid"),
	REFUSED("kid is a number", "'alg':'RS256','kid':7", KEY_A, "RS256", "unverified", "kid"),
	REFUSED("kid unknown", HEADER("RS256", "nobody"), KEY_A, "RS256", "unverified", "known ones"),
	REFUSED("kid in another case", HEADER("RS256", "A"), KEY_A, "RS256", "unverified", "known ones"),
	REFUSED("a weak key is no key", HEADER("RS256", "weak"), KEY_WEAK, "RS256", "unverified",
		"known ones"),
	REFUSED("a key for encryption is no key", HEADER("RS256", "enc"), KEY_A, "RS256", "unverified",
		"known ones"),
	REFUSED("key in the header",
		"'alg':'RS256','kid':'nobody','jwk':{'kty':'RSA'},'jku':'https://evil.example/'", KEY_OTHER,
		"RS256", "unverified", "known ones"),
	REFUSED("critical extension", HEADER("RS256", "a") ",'crit':['exp'],'exp':1", KEY_A, "RS256",
		"invalid", "crit"),
	REFUSED("nonce of Microsoft's own APIs", HEADER("RS256", "a") ",'nonce':'n'", KEY_OTHER, "RS256",
		"unverified", "nonce"),
	REFUSED("nonce, and the signature is right", HEADER("RS256", "a") ",'nonce':'n'", KEY_A, "RS256",
		"valid", NULL),

/* --- damage ---------------------------------------------------------------------- */
#define DAMAGED(name, how, reason)                                                                           \
	{                                                                                                    \
		.what = name, .claims = BASE, .damage = how, .is = BASE_IS, .verification = "invalid",       \
		.why = reason                                                                                \
	}
	{.what = "claims changed",
	 .claims = BASE,
	 .damage = CLAIMS_CHANGED,
	 .is = "'kind':'entra','tenant-id':'" TID2 "','object-id':'" OID
	       "','token-id':'u-1','issuer':'https://sts.windows.net/" TID2 "/','audience':'" AUD
	       "','expires':1790003600," IS_APP,
	 .verification = "invalid",
	 .why = "signature"},
	DAMAGED("header changed", HEADER_CHANGED, "signature"),
	DAMAGED("one bit of the signature", SIGNATURE_BIT, "signature"),
	DAMAGED("signature cut short", SIGNATURE_SHORT, "signature"),
	DAMAGED("signature too long", SIGNATURE_LONG, "signature"),
	DAMAGED("signature is not base64url", SIGNATURE_ODD, "malformed"),
	DAMAGED("signature of 8 KiB", SIGNATURE_HUGE, "malformed"),
	DAMAGED("another token's signature", SIGNATURE_SWAPPED, "signature"),
	{.what = "signature missing",
	 .claims = BASE,
	 .damage = SIGNATURE_NONE,
	 .is = BEARER,
	 .verification = "invalid",
	 .why = "not signed",
	 .problem = "not signed"},
	{.what = "alg none",
	 .header = HEADER("none", "a"),
	 .claims = BASE,
	 .is = BEARER,
	 .verification = "invalid",
	 .why = "not signed",
	 .problem = "not signed"},
	{.what = "alg NoNe",
	 .header = HEADER("NoNe", "a"),
	 .claims = BASE,
	 .is = BEARER,
	 .verification = "invalid",
	 .why = "not signed",
	 .problem = "not signed"},
	{.what = "alg none and no signature",
	 .header = HEADER("none", "a"),
	 .claims = BASE,
	 .damage = SIGNATURE_NONE,
	 .is = BEARER,
	 .verification = "invalid",
	 .why = "not signed",
	 .problem = "not signed"},
	{.what = "alg missing",
	 .header = "'kid':'a'",
	 .claims = BASE,
	 .is = BEARER,
	 .verification = "invalid",
	 .why = "not signed",
	 .problem = "not signed"},
	{.what = "alg is a list",
	 .header = "'alg':['RS256'],'kid':'a'",
	 .claims = BASE,
	 .is = BEARER,
	 .verification = "invalid",
	 .why = "not signed",
	 .problem = "not signed"},

/* --- issuers and claims ---------------------------------------------------------- */
#define ISSUER(name, iss, reason, note)                                                                      \
	{                                                                                                    \
		.what = name, .claims = FROM(iss, AUD) "," APP_V1, .is = ENTRA(iss, AUD) "," IS_APP,         \
		.verification = "invalid", .why = reason, .problem = note                                    \
	}
	ISSUER("issuer of another tenant", "https://sts.windows.net/" TID2 "/", "belong together",
	       "different tenants"),
	ISSUER("issuer with a path of its own", "https://sts.windows.net/" TID "/x", "issuer", NULL),
	ISSUER("issuer without its last slash", "https://sts.windows.net/" TID, "issuer", NULL),
	ISSUER("issuer of a version to come", "https://login.microsoftonline.com/" TID "/v3.0", "issuer",
	       NULL),
	ISSUER("issuer without tenant", "https://sts.windows.net//", "issuer", "different tenants"),
	{.what = "no tid",
	 .claims = "'iss':'" V1_ISS "','aud':'" AUD "','oid':'" OID "'," TIMES,
	 .is = "'kind':'entra','object-id':'" OID "','issuer':'" V1_ISS "','audience':'" AUD
	       "','expires':1790003600",
	 .verification = "invalid",
	 .why = "belong together",
	 .problem = "lacks tid or oid"},
	{.what = "tid and name are nested",
	 .claims = "'iss':'" V1_ISS "','aud':'" AUD "','oid':'" OID "','tid':{'tid':'" TID
		   "'},'upn':['a']," TIMES,
	 .is = "'kind':'entra','object-id':'" OID "','issuer':'" V1_ISS "','audience':'" AUD
	       "','expires':1790003600",
	 .verification = "invalid",
	 .why = "belong together",
	 .problem = "wrong type"},
	{.what = "no oid",
	 .claims = "'iss':'" V1_ISS "','aud':'" AUD "','tid':'" TID "'," TIMES,
	 .is = "'kind':'entra','tenant-id':'" TID "','issuer':'" V1_ISS "','audience':'" AUD
	       "','expires':1790003600",
	 .verification = "valid",
	 .problem = "lacks tid or oid"},
	{.what = "roles of every type",
	 .claims = FROM(V1_ISS, AUD) ",'roles':[1,'r',{},['x'],null,'s'],'idtyp':7",
	 .is = ENTRA(V1_ISS, AUD) ",'roles':['r','s']",
	 .verification = "valid",
	 .problem = "wrong type"},
	{.what = "somebody else's issuer",
	 .claims = "'iss':'https://issuer.example','aud':'api'," WHO "," TIMES,
	 .is = BEARER ",'issuer':'https://issuer.example','audience':'api','expires':1790003600",
	 .verification = "unverified",
	 .why = "not Entra"},
	{.what = "host that ends like Entra's",
	 .claims = "'iss':'https://evilsts.windows.net/" TID "/'," WHO,
	 .is = BEARER ",'issuer':'https://evilsts.windows.net/" TID "/'",
	 .verification = "unverified",
	 .why = "not Entra"},
	{.what = "issuer with a port",
	 .claims = "'iss':'https://sts.windows.net:444/" TID "/'," WHO,
	 .is = BEARER ",'issuer':'https://sts.windows.net:444/" TID "/'",
	 .verification = "unverified",
	 .why = "not Entra"},
	{.what = "issuer without TLS",
	 .claims = "'iss':'http://sts.windows.net/" TID "/'," WHO,
	 .is = BEARER ",'issuer':'http://sts.windows.net/" TID "/'",
	 .verification = "unverified",
	 .why = "not Entra"},
	{.what = "a claim twice",
	 .claims = BASE ",'tid':'" TID2 "'",
	 .is = BEARER,
	 .verification = "unverified",
	 .why = "cannot be read",
	 .problem = "twice"},
	{.what = "kid twice",
	 .header = HEADER("RS256", "a") ",'kid':'b'",
	 .claims = BASE,
	 .is = BEARER,
	 .verification = "unverified",
	 .why = "cannot be read",
	 .problem = "twice"},
	{.what = "claims end early",
	 .claims = BASE ",'x':{",
	 .is = BEARER,
	 .verification = "unverified",
	 .why = "cannot be read",
	 .problem = "not JSON"},
};
