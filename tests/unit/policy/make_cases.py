#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes redact_known.cases and redact_clean.cases, the corpus of the redaction rules. All of it is made up: numbers are
drawn at random (one seed, so the files come out the same) and get their check digits by the code below, which shares
nothing with the rules. A line is one text; {{rule|value}} marks what must be found; \\xHH, \\n, \\t and \\\\ are
escapes. Marks of vendors' tokens are escaped so that scanners of repositories do not take them for leaks."""

import base64
import pathlib
import random
import string

HERE = pathlib.Path(__file__).parent
R = random.Random(20261)
ALNUM = string.ascii_letters + string.digits
known, clean = [], []


def digits(n, first="123456789"):
    return R.choice(first) + "".join(R.choice(string.digits) for _ in range(n - 1))


def chars(n, alphabet=ALNUM):
    """Random, with at least one digit and one letter where the alphabet has both."""
    while True:
        s = "".join(R.choice(alphabet) for _ in range(n))
        if any(c.isdigit() for c in s) and any(c.isalpha() for c in s) or n < 8:
            return s


def luhn_digit(body):
    total = 0
    for i, c in enumerate(reversed(body)):
        v = int(c) * (2 if i % 2 == 0 else 1)
        total += v - 9 if v > 9 else v
    return str(-total % 10)


def card(prefix, length):
    body = prefix + "".join(R.choice(string.digits) for _ in range(length - len(prefix) - 1))
    return body + luhn_digit(body)


def groups(s, *sizes, sep=" "):
    out, at = [], 0
    for size in sizes:
        out.append(s[at:at + size])
        at += size
    return sep.join(out)


def fours(s, sep=" "):
    return sep.join(s[i:i + 4] for i in range(0, len(s), 4))


def iban(country, bban):
    number = "".join(str(int(c, 36)) for c in bban + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{bban}"


# --- national numbers ---

def steuer_id():
    while True:
        pool = R.sample(string.digits, 9)
        body = pool + [R.choice(pool)]
        R.shuffle(body)
        if body[0] == "0":
            continue
        p = 10
        for c in body:
            s = (int(c) + p) % 10 or 10
            p = s * 2 % 11
        check = 11 - p
        return "".join(body) + str(0 if check == 10 else check)


def nir(corsica=None):
    dep = corsica or f"{R.randint(1, 95):02d}"
    body = f"{R.choice('12')}{R.randint(40, 99):02d}{R.randint(1, 12):02d}{dep}{R.randint(1, 990):03d}{R.randint(1, 999):03d}"
    n = int(body.replace("2A", "19").replace("2B", "18"))
    return body + f"{97 - n % 97:02d}"


DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def dni():
    n = R.randint(10000000, 99999999)
    return f"{n}{DNI[n % 23]}"


def nie():
    first, n = R.choice("XYZ"), f"{R.randint(0, 9999999):07d}"
    return f"{first}{n}{DNI[int(str('XYZ'.index(first)) + n) % 23]}"


ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
               [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
                10, 22, 25, 24, 23]))


def codice_fiscale():
    c = string.ascii_uppercase
    body = "".join(R.choice(c) for _ in range(6)) + f"{R.randint(0, 99):02d}" + R.choice("ABCDEHLMPRST") + \
        f"{R.randint(1, 28):02d}" + R.choice("ABCDEFGHIL") + f"{R.randint(0, 999):03d}"
    total = sum(ODD[x] if i % 2 == 0 else int(x, 36) - (10 if x.isalpha() else 0) for i, x in enumerate(body))
    return body + c[total % 26]


def bsn():
    while True:
        d = digits(8)
        check = sum(int(c) * w for c, w in zip(d, range(9, 1, -1))) % 11
        if check < 10:
            return d + str(check)


def date6():
    return R.randint(0, 99), R.randint(1, 12), R.randint(1, 28)


def pesel():
    y, m, d = date6()
    body = f"{y:02d}{m + R.choice((0, 20)):02d}{d:02d}{R.randint(0, 9999):04d}"
    return body + str(-sum(int(c) * w for c, w in zip(body, (1, 3, 7, 9) * 3)) % 10)


def personnummer():
    y, m, d = date6()
    body = f"{y:02d}{m:02d}{d:02d}{R.randint(0, 999):03d}"
    return body + luhn_digit(body)


def fnr():
    while True:
        y, m, d = date6()
        body = f"{d:02d}{m:02d}{y:02d}{R.randint(0, 999):03d}"
        k1 = -sum(int(c) * w for c, w in zip(body, (3, 7, 6, 1, 8, 9, 4, 5, 2))) % 11
        if k1 == 10:
            continue
        body += str(k1)
        k2 = -sum(int(c) * w for c, w in zip(body, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))) % 11
        # Some are good as a PESEL too.
        if k2 < 10 and not (int(body[2:4]) % 20 in range(1, 13) and 1 <= int(body[4:6]) <= 31):
            return body + str(k2)


def hetu():
    y, m, d = date6()
    a, b = f"{d:02d}{m:02d}{y:02d}", f"{R.randint(2, 899):03d}"
    return f"{a}{R.choice('-A')}{b}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(a + b) % 31]}"


def ahv():
    body = "756" + "".join(R.choice(string.digits) for _ in range(9))
    return body + str(-sum(int(c) * (1 if i % 2 == 0 else 3) for i, c in enumerate(body)) % 10)


def svnr():
    while True:
        y, m, d = date6()
        serial, birth = digits(3), f"{d:02d}{m:02d}{y:02d}"
        check = sum(int(c) * w for c, w in zip(serial + birth, (3, 7, 9, 5, 8, 4, 2, 1, 6))) % 11
        if check < 10:
            return serial + str(check) + birth


def rrn_be(century2):
    y, m, d = date6()
    body = f"{y:02d}{m:02d}{d:02d}{R.randint(1, 998):03d}"
    return body + f"{97 - int(('2' if century2 else '') + body) % 97:02d}"


def cpf():
    body = "".join(R.choice(string.digits) for _ in range(9))
    for n in (9, 10):
        body += str(sum(int(c) * (n + 1 - i) for i, c in enumerate(body)) * 10 % 11 % 10)
    return body


def sin():
    body = R.choice("1234567") + "".join(R.choice(string.digits) for _ in range(7))
    return body + luhn_digit(body)


def tfn():
    while True:
        d = digits(9)
        if sum(int(c) * w for c, w in zip(d, (1, 4, 3, 7, 5, 8, 6, 9, 10))) % 11 == 0:
            return d


D5 = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
      [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
      [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
      [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]
P5 = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def verhoeff(number):
    c = 0
    for i, ch in enumerate(reversed(number)):
        v = int(ch)
        for _ in range(i % 8):
            v = P5[v]
        c = D5[c][v]
    return c


def aadhaar():
    body = digits(11, "23456789")
    return next(body + d for d in string.digits if verhoeff(body + d) == 0)


def nhs():
    while True:
        d = digits(9, "4567")
        check = 11 - sum(int(c) * w for c, w in zip(d, range(10, 1, -1))) % 11
        if check != 10:
            return d + str(check % 11)


def cn_id():
    y, m, d = R.randint(1950, 2010), R.randint(1, 12), R.randint(1, 28)
    body = f"{R.choice(('110105', '310104', '440305', '510104'))}{y}{m:02d}{d:02d}{R.randint(0, 999):03d}"
    return body + "10X98765432"[sum(int(c) * (2 ** (17 - i) % 11) for i, c in enumerate(body)) % 11]


def kr_rrn():
    y, m, d = date6()
    return f"{y:02d}{m:02d}{d:02d}-{R.choice('1234')}{R.randint(0, 999999):06d}"


def ssn():
    return f"{R.choice([n for n in range(1, 899) if n != 666]):03d}", f"{R.randint(1, 99):02d}", f"{R.randint(1, 9999):04d}"


def nino():
    return R.choice(("AB", "CE", "JX", "PW", "SN", "TZ", "HL")) + digits(6, "0123456789") + R.choice("ABCD")


# --- known ---

def add(text, *values):
    """{} in text takes (rule, value)."""
    known.append(text.format(*["{{" + rule + "|" + value + "}}" for rule, value in values]))


SENTENCES = [
    "Please note {} for the file.", "The customer gave {} on the phone.", "Meine Angaben: {}. Bitte prüfen.", "{}",
    "Voici l'information demandée : {}", "- {}\\n- next item", "Se trata de {}, según el cliente.", "({})", "user> {}\\nbot> ok",
    "Il dato è {} come da modulo", "以下是客户资料：{}。", "Поле: {}; конец", "\"{}\"", "value={}&next=1", "| {} | ok |",
]


def spread(rule, values, sentences=None):
    pool = sentences or SENTENCES
    for i, v in enumerate(values):
        add(pool[(i * 7 + len(rule)) % len(pool)], (rule, v))


spread("email", ["jane.doe@example.com", "j.d+news@mail.example.co.uk", "o'neill@example.ie", "info@münchen-beispiel.de",
                 "jörg.müller@example.de", "user_01@sub.domain.example.org", "a@b.co", "UPPER@EXAMPLE.COM",
                 "почта@пример.рф", "first.last@xn--bcher-kva.example", "x-y@example.museum", "12345@example.net",
                 "anna%40example.com", "very.long.local.part.of.an.address@department.example.ac.jp"])
add("mailto:{}?subject=Hi", ("email", "sales@example.com"))
add("Jane Doe <{}>, Bob <{}>", ("email", "jane@example.com"), ("email", "bob@example.org"))
add("邮箱{}请回复", ("email", "li.wei@example.cn"))
add("To: {};{}", ("email", "a.b@example.com"), ("email", "c.d@example.com"))
add("reply to {}.", ("email", "team@example.io"))
add("see {}.txt and C:\\\\mail\\\\{}.2024.pdf", ("email", "jana.m@example.com"), ("email", "j.d@mail.example.de"))
add("{}-2.html", ("email", "jana.m@example.co.uk"))
add("{{\"to\":\"{}\"}}", ("email", "json@example.com"))
add("{{\"arguments\":\"{{\\\\\"to\\\\\":\\\\\"{}\\\\\"}}\"}}", ("email", "deep@example.com"))
add("line one\\\\n{}\\\\nline three", ("email", "escaped@example.com"))

PHONES = ["+49 30 901820", "+49 (0)30 90182-00", "+49-171-2345678", "+44 20 7946 0958", "+44 7700 900123", "+1 415 555 0132",
          "+1 (415) 555-0132", "+14155550132", "+33 1 70 18 99 00", "+33612345678", "+34 612 34 56 78", "+39 06 1234 5678",
          "+31 6 12345678", "+41 44 668 18 00", "+43 1 5880780", "+46 8 123 456 78", "+47 22 22 55 55", "+45 32 12 34 56",
          "+358 9 1234567", "+48 22 123 45 67", "+351 21 123 4567", "+353 1 234 5678", "+420 224 123 456", "+30 21 0123 4567",
          "+7 495 123-45-67", "+380 44 123 4567", "+90 212 123 45 67", "+91 98765 43210", "+86 138 1234 5678",
          "+81 3-1234-5678", "+82 10-1234-5678", "+61 2 9374 4000", "+64 9 123 4567", "+55 11 91234-5678", "+52 55 1234 5678",
          "+27 21 123 4567", "+971 4 123 4567", "+972 3-123-4567", "+65 6123 4567", "+852 2123 4567",
          "0049 30 901820", "0044 20 7946 0958", "00491712345678", "(415) 555-0132", "415-555-0132", "415.555.0132",
          "1-800-555-0199", "1 (212) 555-0187", "020 7946 0958", "01632 960 001", "(020) 7946 0958", "07700 900123",
          "030 901820-00", "(030) 901820", "0171-2345678", "089/1234567", "06 12 34 56 78", "01.70.18.99.00", "044 668 18 00",
          "06-12345678", "03-1234-5678", "010-1234-5678", "138-1234-5678", "138 1234 5678", "98765 43210",
          "(11) 91234-5678", "02 9374 4000"]
spread("phone", PHONES)
add("call me at {}", ("phone", "4155550132"))
add("Tel. {}", ("phone", "03090182000"))
add("Handy: {}", ("phone", "01712345678"))
add("Mobile {} (after six)", ("phone", "07700900123"))
add("тел. {}", ("phone", "84951234567"))
add("手机：{}", ("phone", "13812345678"))
add("téléphone : {}", ("phone", "0612345678"))
add("móvil {}", ("phone", "612 345 678"))
add("WhatsApp: {}", ("phone", "98765-43210"))
add("My phone number is {}.", ("phone", "415 555 0132"))

CARDS = [("4", 16), ("4", 13), ("4", 19), ("51", 16), ("55", 16), ("2223", 16), ("2720", 16), ("34", 15), ("37", 15),
         ("36", 14), ("305", 14), ("38", 14), ("6011", 16), ("65", 16), ("644", 16), ("3530", 16), ("3566", 16), ("62", 16),
         ("62", 19), ("5018", 16), ("6759", 16), ("6304", 16), ("2200", 16)]
spread("card", [card(*c) for c in CARDS])
for prefix, n in [("4", 16), ("52", 16), ("6011", 16), ("3540", 16), ("2300", 16)]:
    for sep in (" ", "-"):
        add("Card: {}, exp 12/29", ("card", fours(card(prefix, n), sep)))
add("amex {}", ("card", groups(card("37", 15), 4, 6, 5)))
add("amex {}", ("card", groups(card("34", 15), 4, 6, 5, sep="-")))
add("Diners {} ok", ("card", groups(card("36", 14), 4, 6, 4)))
add("Karte {}.", ("card", fours(card("4", 16), "\\xc2\\xa0")))
add("{{\"pan\": {}, \"cvv\": 123}}", ("card", card("4", 16)))
add("pan={};", ("card", card("53", 16)))
add("卡号{}有效", ("card", card("62", 16)))

IBANS = [iban("DE", digits(18)), iban("GB", "NWBK" + digits(14)), iban("FR", digits(23)), iban("ES", digits(20)),
         iban("IT", "X" + digits(22)), iban("NL", "ABNA" + digits(10)), iban("BE", digits(12)), iban("CH", digits(17)),
         iban("AT", digits(16)), iban("PL", digits(24)), iban("SE", digits(20)), iban("NO", digits(11)), iban("DK", digits(14)),
         iban("FI", digits(14)), iban("IE", "AIBK" + digits(14)), iban("PT", digits(21)), iban("LU", digits(16)),
         iban("CZ", digits(20)), iban("GR", digits(23)), iban("TR", digits(22)), iban("SA", digits(20)), iban("MT", "MALT" + digits(23))]
spread("iban", [v if i % 2 else fours(v) for i, v in enumerate(IBANS)])
add("IBAN {} BIC COBADEFFXXX", ("iban", fours(iban("DE", digits(18)))))
add("{} is the account", ("iban", fours(iban("NL", "INGB" + digits(10)), "-")))
add("iban: {}", ("iban", iban("de".upper(), digits(18)).lower()))

spread("ip", ["192.168.10.24", "10.0.0.5", "203.0.113.77", "172.16.254.1", "198.51.100.23", "100.64.3.2",
              "2001:db8::8a2e:370:7334", "fe80::1ff:fe23:4567:890a", "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
              "::ffff:203.0.113.9", "2a02:8109:9a00:1::42", "fd12:3456:789a::1"])
add("http://{}:8080/health", ("ip", "10.20.30.40"))
add("[{}]:443 refused", ("ip", "2001:db8:1::17"))
add("{}/24 via {}", ("ip", "10.11.12.0"), ("ip", "10.11.12.1"))
add("from {} port 22", ("ip", "203.0.113.200"))
add("remote_addr={}, upstream={}", ("ip", "198.51.100.7"), ("ip", "10.4.4.4"))

for _ in range(4):
    a, b, c = ssn()
    add("SSN {}", ("us-ssn", f"{a}-{b}-{c}"))
a, b, c = ssn()
add("{} on the W-2", ("us-ssn", f"{a} {b} {c}"))
add("social security number: {}", ("us-ssn", a + b + c))
for v in (nino(), groups(nino(), 2, 2, 2, 2, 1), nino().lower()):
    add("NI number {}", ("uk-nino", v))
add("NHS number {}", ("uk-nhs", groups(nhs(), 3, 3, 4)))
add("NHS no: {}", ("uk-nhs", nhs()))
spread("de-steuer-id", [steuer_id(), groups(steuer_id(), 2, 3, 3, 3), steuer_id(), steuer_id()])
spread("fr-nir", [nir(), groups(nir(), 1, 2, 2, 2, 3, 3, 2), nir("2A"), nir("2B")])
spread("es-dni", [dni(), dni(), dni(), nie(), nie()])
spread("it-codice-fiscale", [codice_fiscale(), codice_fiscale(), codice_fiscale().lower(), codice_fiscale()])
add("BSN {}", ("nl-bsn", bsn()))
add("burgerservicenummer: {}", ("nl-bsn", bsn()))
add("mijn BSN is {}", ("nl-bsn", groups(bsn(), 4, 2, 3)))
spread("pl-pesel", [pesel() for _ in range(4)])
v = personnummer()
add("personnummer {}", ("se-personnummer", v[:6] + "-" + v[6:]))
v = personnummer()
add("{} enligt folkbokföringen", ("se-personnummer", "19" + v[:6] + "-" + v[6:]))
add("personnummer: {}", ("se-personnummer", "20" + personnummer()))
add("Pnr {}", ("se-personnummer", personnummer()))
y, m, d = date6()
add("CPR-nr. {}", ("dk-cpr", f"{d:02d}{m:02d}{y:02d}-{digits(4)}"))
add("cpr {}", ("dk-cpr", f"{d:02d}{m:02d}{y:02d}{digits(4)}"))
spread("no-fnr", [fnr(), groups(fnr(), 6, 5), fnr()])
spread("fi-hetu", [hetu() for _ in range(3)])
spread("ch-ahv", [groups(ahv(), 3, 4, 4, 2, sep="."), ahv(), groups(ahv(), 3, 4, 4, 2, sep=".")])
add("SVNR {}", ("at-svnr", groups(svnr(), 4, 6)))
add("Sozialversicherungsnummer: {}", ("at-svnr", svnr()))
for century in (False, True):
    v = rrn_be(century)
    add("Rijksregisternummer {}", ("be-rrn", f"{v[:2]}.{v[2:4]}.{v[4:6]}-{v[6:9]}.{v[9:]}"))
v = cpf()
add("CPF: {}", ("br-cpf", f"{v[:3]}.{v[3:6]}.{v[6:9]}-{v[9:]}"))
v = cpf()
add("{} (titular)", ("br-cpf", f"{v[:3]}.{v[3:6]}.{v[6:9]}-{v[9:]}"))
add("cpf {}", ("br-cpf", cpf()))
add("SIN {}", ("ca-sin", groups(sin(), 3, 3, 3)))
add("social insurance number {}", ("ca-sin", groups(sin(), 3, 3, 3, sep="-")))
add("TFN {}", ("au-tfn", groups(tfn(), 3, 3, 3)))
add("tax file number: {}", ("au-tfn", tfn()))
spread("in-aadhaar", [fours(aadhaar()) for _ in range(3)])
add("Aadhaar {}", ("in-aadhaar", aadhaar()))
spread("in-pan", ["ABCPK1234L", "AAACZ9876Q", "BNZPM2501F"])
spread("cn-resident-id", [cn_id() for _ in range(4)])
spread("kr-rrn", [kr_rrn() for _ in range(2)])

HEX = "0123456789abcdef"


def hidden(mark):
    """The mark, escaped."""
    return mark[:-1] + f"\\x{ord(mark[-1]):02x}"


def tokens(rule, *values):
    spread(rule, values, ["export TOKEN={}", "use {} for now", "{}", "Authorization: {}", "key is '{}'", "{{\"token\":\"{}\"}}",
                          "curl -H \"X-Auth: {}\" https://api.example.com", "Schlüssel: {}\\n"])


tokens("openai-key", hidden("sk-proj-") + chars(64, ALNUM + "-_") + "A1", hidden("sk-") + chars(48), hidden("sk-svcacct-") + chars(60),
       hidden("sk-") + chars(20) + "T3BlbkFJ" + chars(20), hidden("sk-admin-") + chars(56), hidden("sk-or-v1-") + chars(64, HEX))
tokens("anthropic-key", hidden("sk-ant-api03-") + chars(90), hidden("sk-ant-") + chars(95))
for text in ("api-key: {}", "Ocp-Apim-Subscription-Key: {}", "AZURE_OPENAI_API_KEY={}", "{{\"api_key\": \"{}\"}}",
             "my azure key is {}", "subscription key {}", "client = AzureOpenAI(api_key=\"{}\")", "key1 = {}"):
    add(text, ("azure-key", chars(32, HEX)))
add("AZURE_OPENAI_KEY={}", ("azure-key", chars(84)))
add("{} is the new one", ("azure-key", chars(52) + "JQQJ99" + chars(26)))
add("DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={};EndpointSuffix=core.windows.net",
    ("azure-storage-key", base64.b64encode(R.randbytes(64)).decode()))
add("Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={}",
    ("azure-storage-key", base64.b64encode(R.randbytes(32)).decode()))
for text in ("https://acme.blob.core.windows.net/c/f.txt?sv=2022-11-02&se=2026-01-01&sr=b&sp=r&sig={}",
             "?sv=2021-08-06&sig={}&se=2025"):
    add(text, ("azure-sas", base64.b64encode(R.randbytes(32)).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")))
tokens("azure-client-secret", chars(3) + "8Q" + "\\x7e" + chars(34), chars(3) + "7Q" + "\\x7e" + chars(33, ALNUM + "_-") + "a")
B32 = string.ascii_uppercase + "234567"
tokens("aws-key", hidden("AKIA") + chars(16, B32), hidden("ASIA") + chars(16, B32), hidden("AKIA") + chars(16, B32))
for text in ("aws_secret_access_key = {}", "\"SecretAccessKey\": \"{}\"", "AWS_SECRET_ACCESS_KEY={}"):
    add(text, ("aws-key", chars(40, ALNUM + "/+")[:39] + "a"))
tokens("github-token", hidden("ghp_") + chars(36), hidden("gho_") + chars(36), hidden("ghs_") + chars(36),
       hidden("github_pat_") + chars(22) + "_" + chars(59))
tokens("gitlab-token", hidden("glpat-") + chars(20), hidden("gldt-") + chars(20), hidden("glrt-") + chars(20))
tokens("slack-token", hidden("xoxb-") + digits(12) + "-" + digits(12) + "-" + chars(24), hidden("xoxp-") + digits(12) + "-" + chars(32),
       hidden("xapp-") + "1-A" + digits(10) + "-" + chars(40))
add("https://hooks.slack.com/services/{}", ("slack-token", "T" + chars(8) + "/B" + chars(8) + "/" + chars(24)))
tokens("stripe-key", hidden("sk_live_") + chars(24), hidden("rk_live_") + chars(24), hidden("sk_test_") + chars(99), hidden("whsec_") + chars(32))
tokens("google-key", hidden("AIza") + chars(35), hidden("GOCSPX-") + chars(28), hidden("ya29.") + chars(60))
tokens("npm-token", hidden("npm_") + chars(36), hidden("npm_") + chars(36))
tokens("pypi-token", hidden("pypi-") + "AgEIcHlwaS5vcmc" + chars(120), hidden("pypi-") + "AgENdGVzdC5weXBpLm9yZw" + chars(100))
tokens("sendgrid-key", hidden("SG.") + chars(22) + "." + chars(43), hidden("SG.") + chars(22) + "." + chars(43))
tokens("twilio-key", hidden("SK") + chars(32, HEX))
add("TWILIO_AUTH_TOKEN={}", ("twilio-key", chars(32, HEX)))
tokens("vendor-token", hidden("hf_") + chars(34), hidden("gsk_") + chars(52), hidden("dop_v1_") + chars(64, HEX), hidden("dapi") + chars(32, HEX),
       hidden("shpat_") + chars(32, HEX), hidden("hvs.") + chars(90), hidden("lin_api_") + chars(40), hidden("glsa_") + chars(32) + "_" + chars(8, HEX),
       digits(10) + ":" + hidden("AA") + chars(33), hidden("pplx-") + chars(48))


def b64url(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


JWT = b64url('{"alg":"RS256","typ":"JWT"}') + "." + b64url('{"sub":"1234567890","name":"Jane"}') + "." + chars(86, ALNUM + "-_")
tokens("jwt", JWT, b64url('{"alg":"none"}') + "." + b64url('{"a":1}') + ".")
add("Authorization: Bearer {}", ("bearer-token", chars(40)))
add("{{\"authorization\":\"bearer {}\"}}", ("bearer-token", chars(43)))
add("Authorization: Basic {}", ("basic-auth", base64.b64encode(b"jane:correct horse").decode()))
PEM = [base64.b64encode(R.randbytes(48)).decode() for _ in range(4)]
for kind in ("RSA ", "", "EC ", "OPENSSH ", "ENCRYPTED "):
    add("{}", ("private-key", f"-----BEGIN {kind}PRIVATE KEY\\x2d----\\n" + "\\n".join(PEM) + f"\\n-----END {kind}PRIVATE KEY-----"))
add("cut: {}", ("private-key", "-----BEGIN PRIVATE KEY\\x2d----\\n" + "\\n".join(PEM)))
add("\"key\": \"{}\"", ("private-key", "-----BEGIN PRIVATE KEY\\x2d----\\\\n" + "\\\\n".join(PEM) + "\\\\n-----END PRIVATE KEY-----"))
for text in ("postgres://app:{}@db.example.com:5432/prod", "https://user:{}@git.example.com/r.git", "redis://:{}@cache:6379/0",
             "mongodb+srv://root:{}@cluster0.example.net", "amqp://guest:{}@mq"):
    add(text, ("password", R.choice(("s3cr3t!", "hunter2", "Tr0ub4dor&3", "p%40ss-word"))))
add("Server=tcp:acme.database.windows.net;User ID=sa;Password={};Encrypt=True", ("password", "Str0ng!Pass"))
add("Driver=x;Uid=me;Pwd={};", ("password", "abc123XYZ"))
add("DB_PASSWORD={}", ("password", "correct-horse-battery"))
add("{{\"user\":\"jane\",\"password\":\"{}\"}}", ("password", "hunter2"))
add("{{\"login\":{{\"client_secret\":\"{}\"}}}}", ("password", "kjh3k4jh53k4jh"))

# --- clean ---

clean.extend((HERE / "redact_lookalikes.txt").read_text().splitlines()[1:])
for _ in range(12):
    clean.append(f"object {chars(40, HEX)} of {chars(64, HEX)}")
for _ in range(10):
    clean.append(f"id {chars(8, HEX)}-{chars(4, HEX)}-4{chars(3, HEX)}-a{chars(3, HEX)}-{chars(12, HEX)}")
for _ in range(10):
    clean.append(f"order {digits(9)} shipped with {R.choice(('AB', 'XY', 'QT'))}{digits(7)}, {digits(3)} pieces, {digits(5)} g")
for _ in range(8):
    clean.append(f"[{R.randint(2020, 2026)}-{R.randint(1, 12):02d}-{R.randint(1, 28):02d} {R.randint(0, 23):02d}:{R.randint(0, 59):02d}:00,{digits(3)}] "
                 f"INFO worker-{R.randint(1, 64)} took {R.randint(1, 9999)} ms, seq={digits(10)}")
for _ in range(8):
    clean.append(base64.b64encode(R.randbytes(90)).decode())


def write(name, what, lines):
    (HERE / name).write_text(f"# {what} Generated by make_cases.py, which says what the lines mean. Do not edit.\n"
                             + "".join(line + "\n" for line in lines))


write("redact_known.cases", "Texts with personal data and secrets, all made up.", known)
write("redact_clean.cases", "Texts that look like it and have none.", clean)
print(len(known), "known,", len(clean), "clean")
