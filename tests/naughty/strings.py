"""Texts that break what is careless with text. Our own list; `§` stands where a number makes each use of one unique."""

import unicodedata

PLAIN = "Zoë Ångström-O’Neill §"
"""Letters beyond ASCII and nothing else: whatever takes text at all takes this."""

MEANT_FOR_OTHERS = (
    # databases
    "'; DROP TABLE application; -- §",
    "1' OR '1'='1' /* § */",
    '" OR ""="§',
    "$$ § $$; SELECT pg_sleep(0) --",
    "\\'; COPY person TO PROGRAM 'true'; -- §",
    "%(§)s %s %% :staff_id {§}",
    "{\"§\": null} , '{\"a\": 1}'::jsonb",
    # shells
    "$(touch §) `touch §` ; touch § | touch § & touch §",
    "--help -rf / § > /dev/null 2>&1",
    "${IFS}§${PATH:0:1} !! !§ ~root *",
    # pages, templates, documents
    "<script>alert('§')</script><img src=x onerror=alert(§)>",
    "</textarea>\"'><svg/onload=§> &lt;b&gt; &#x41; &amp;amp;",
    "{{7*7}} ${7*7} <%= 7*7 %> #{7*7} {% raw %} § {{ ''.__class__ }}",
    "#set page(width: 1pt) \\input{§} \\write18{§} @§ [§] = § $ § $",
    "=HYPERLINK(\"https://example.invalid/§\") +1+1 @SUM(1) -2+3",
    "javascript:§ data:text/html,§ vbscript:§",
    # format strings and logs
    "%s%s%n%x%d %1$n {0.__globals__} {§!r:>9999}",
    "${jndi:ldap://example.invalid/§} ${env:HOME}",
    # files
    "../../../../etc/passwd § ..\\..\\windows\\ %2e%2e%2f %00",
    "file:///proc/self/environ § C:\\CON NUL LPT1 /dev/null",
    # other formats
    '{"json": ["in \\"json\\"", §], "__proto__": {"admin": true}, "$ref": "#"}',
    "<?xml version=\"1.0\"?><!DOCTYPE § [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><a>&x;</a>",
    "- yaml: !!python/object/apply:os.system [§]",
    "a,b;c\td§".replace("\t", " "),
    "*)(uid=*))(|(uid=§",
    "null undefined NaN None true § nil Infinity -0 1e999",
    "9999999999999999999999999999999999999999.§ 0x7fffffffffffffff 1_000 ٣ ½ ²",
    "2026-02-30T25:61:61Z § 0000-00-00 01/02/03",
    "\\u0000 \\x00 \\ud800 %u0000 &#0; § \\n \\r \\\\",
)  # fmt: skip
UNICODE = (
    # the same to the eye
    "Аdmіn § Ϲlаre раураl",  # Cyrillic and Greek
    "ｆｕｌｌｗｉｄｔｈ § ＇ ＂ ＜ ＞ ／ ；",
    "𝓙𝓸𝓪𝓷𝓷𝓪 𝐉𝐎 ⒿⓄ § ℌ ﬁ ﬀ ½ № ㎏ ſ ß ẞ",
    # composed and decomposed, which a careless comparison makes one
    unicodedata.normalize("NFC", "é ñ ü Å ḍ̇ 각 §"),
    unicodedata.normalize("NFD", "é ñ ü Å ḍ̇ 각 §"),
    "Å Å Å § ḍ̇ ḍ̇ q̣̇ q̣̇",
    "İstanbul ıIiİ § ǅ ŉ ΐ ﬃ σςΣ",
    "Z̷̛͍a̶̢l̵̨͎g̸̙̾o̷̡͋ § " + "a" + "\u0301" * 60,
    # what is not seen
    "zero\u200bwidth\u200cjoin\u200der\u2060 §\ufeff",
    "\ufeffbyte order mark §",
    "soft\u00adhyphen § \u034f grapheme joiner \u180e \u3164 \u115f hangul",
    "tags \U000e0041\U000e0042 § variation \ufe0f\U000e0100",
    "no\u00a0break\u202fspaces\u2003§\u3000and\u2009thin",
    # the other way round
    "Hebrew עברית Arabic العربية § mixed 123",
    "override \u202eesrever\u202c § and \u202dforced\u202c",
    "isolates \u2066left\u2069 \u2067right\u2069 \u2068first\u2069 § unclosed \u2067",
    "marks \u200e\u200f\u061c § no override",
    # beyond the first plane
    "👩‍👩‍👧‍👦 👩🏽‍🚒 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇬🇧 § 🫠",
    "𠜎 𐍈 𝄞 𓀀 § 🀄",
    "﷽ ꧅ § ௵ 𒐫",
    # not for interchange, and not yet anything
    "private \ue000 \uf8ff § unassigned \u0378 \U000e01f0",
)
LINES = (
    "two\nlines §",
    "Set-Cookie: session=§\r\nX-Injected: yes\r\n\r\n<html>",
    "carriage\ralone §",
    "tab\tand § tab",
    "line\u2028and paragraph\u2029separators §",
    "next\u0085line § \x1c \x1d",
    "{\"level\": \"error\"}\n{\"event\": \"§\"}",
)  # fmt: skip
CONTROLS = (
    "bell \x07 backspace \x08 § escape \x1b[31m\x1b]0;title\x07",
    "delete \x7f § vertical \x0b form \x0c",
    "C1 \x80\x9b31m § \x9f",
    "not characters \ufffe \uffff \ufdd0 § \U0001fffe",
    "replacement \ufffd § \ufffc",
)
IMPOSSIBLE = ("nul \x00 §", "half \ud83d § of a pair", "the other half \udc69 §")
"""What no record can keep: never anything but refused."""
EDGES = (" § before and after ", "\u00a0§\u00a0", "\u200b§\u200b", "\t§\t", "\n§\n", "§" + " " * 100, "..§..", "-§")
LONG = ("§" + "x" * 280, "§" + "é" * 290, "§" + "👩" * 295, "§" + "w " * 9_000, "§" + "\U0001f469" * 19_000)
TOO_LONG = ("§" + "x" * 100_001, "§" + "é\n" * 60_000)
BLANK = ("", " ", "\t", "\n", "\u3000", "\u00a0 \u2003")

NUMBERED = (*(PLAIN, *MEANT_FOR_OTHERS, *UNICODE, *LINES, *CONTROLS, *IMPOSSIBLE, *EDGES, *LONG, *TOO_LONG),)
"""Each has a `§`."""
ALL = (*NUMBERED, *BLANK)


def numbered(text: str, number: int) -> str:
    """A text of its own: only this use has it."""
    return text.replace("§", f"{number:06}")
