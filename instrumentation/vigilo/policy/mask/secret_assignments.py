"""Finds secrets that are known by the name before them: ``password = …``, ``"api_key": "…"``, ``my token is …``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from vigilo.policy.mask.secret_values import has_changes, has_three_kinds, is_placeholder, is_uuid, looks_random

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD, SECRET, KEY, FAINT = 3, 2, 1, 0
"""How sure a name makes: a password may be any word, a key must look like one, and a faint name needs a long one."""

_MORE_FAINT = ("otp", "hmac", "private", "seed", "cipher", "master")
NAMES: tuple[tuple[str, int], ...] = (
    *(
        (name, PASSWORD)
        for name in (
            "passw",
            "passphrase",
            "passcode",
            "pwd",
            "pass",
            "pswd",
            "psw",
            "pw",
            "p/w",
            "contraseña",
            "contrasena",
            "senha",
        )
    ),
    *((name, PASSWORD) for name in ("парол", "密码", "密碼", "パスワード", "비밀번호")),
    *((name, SECRET) for name in ("secret", "cred")),
    *((name, KEY) for name in ("token", "key", "auth", "jwt", "cookie", "sig", "bearer")),
    *((name, FAINT) for name in ("api", "cert", "salt", "access", "license", "webhook", "dsn", "sid", *_MORE_FAINT)),
)
"""What names of secrets hold, in lower case."""

# From the end of a hit: the rest of the name, then what stands between it and the value.
_BETWEEN = re.compile(
    r"""
    (?P<rest>[A-Za-z0-9_.\-]{0,48})(?![A-Za-z0-9_])
    (?:
      (?P<close>(?:[ \t]{0,5}\\{0,6}["'`])?[\])]{0,2})
      (?P<sep>
          [ \t]{0,16}(?:\n[ \t]{0,8})?(?::=|<<<|=>|->|={1,3}|!={1,2}|:{1,2}|\|\|=?|\|(?=[ \t])|\?=|=~|>)
          (?:[ \t]{0,4}(?:[A-Za-z][\w.\[\] |?]{0,24}[ \t]?=))?    # a type, as in `token: str = "…"`
          [ \t]{0,16}(?:\r?\n[ \t]{0,16})?
        | [ \t]{0,16},[ \t\n]{0,16}(?=[brfuBRFU]{0,2}\\{0,6}["'`])
        | [ \t]{0,4}\([ \t\n]{0,8}(?=[brfuBRFU]{0,2}\\{0,6}["'`])
        | [\s,]{0,24}\\{0,6}["'`]?value\\{0,6}["'`]?[ \t]{0,4}[:=]>?[ \t]{0,4}
        | (?:[ \t][A-Za-z0-9_.'\u2019-]{1,20}){0,5}?[ \t]{1,3}(?:is|are|was|=|:|→)[:\s]{1,4}
        | (?P<space>[ \t]{1,16})
        | (?<=[^\x00-\x7f])(?:是|为|為|は|\uff1a|:|은|는)?[ \t]{0,4}
      )
    )
    (?:[brfuBRFU@]{1,2}(?=\\{0,6}["']))?
    (?P<quote>\\{0,6}(?:["'`]{1,3}|&quot;)|)
    """,
    re.VERBOSE,
)

_RUN = re.compile(r"[A-Za-z0-9_-]{16}")
_LONGEST = 128
_LONG_WORD_CHARS = 16
_SHORT_CHARS = 6
_MOST_SIGNS = 3
_MOST_TRIES = 2
_QUOTED = {
    '"': re.compile(r'[^"\n]{1,128}'),
    "'": re.compile(r"[^'\n]{1,128}"),
    "`": re.compile(r"[^`\n]{1,128}"),
    "\\": re.compile(r"""[^"'`\\\n]{1,128}"""),
    "&": re.compile(r"[^&\n]{1,128}"),
}
_BARE = re.compile(r"""(?:[^\s"'`<>\\&;,)}\]\x01]|[&;,)}\]](?![\s"'\\)}\]]|\Z|[\w.%-]{1,40}=)){1,128}""")
_PLAIN = re.compile(r"[A-Za-z'-]*[.,;:!?)]{0,3}(?:\s|\Z)")
_MORE = re.compile(r"[A-Za-z0-9_+/=.~-]*")

_WORD_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NAME_CHARS = _WORD_CHARS + "_.-"
_NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ENDS = {
    "pass": ("pass",),
    "pw": ("pw",),
    "api": ("api",),
    "cert": ("cert", "certificate"),
    "salt": ("salt",),
    "access": ("access",),
    "license": ("license",),
    "webhook": ("webhook",),
    "dsn": ("dsn",),
    "sid": ("sid",),
    **{name: (name,) for name in _MORE_FAINT},
    "secret": ("secret", "secrets", "secretkey", "secretaccesskey", "secrettoken"),
    "cred": ("cred", "creds", "credential", "credentials"),
    "token": ("token",),
    "key": ("key",),
    "auth": ("auth", "authorization", "authentication", "authtoken", "authkey"),
    "jwt": ("jwt",),
    "bearer": ("bearer",),
    "cookie": ("cookie",),
    "sig": ("sig", "signature"),
}
"""The words of a name that count, by what was found in them."""

_OTHER_WORDS_LIST = (
    "bypass compass encompass surpass trespass overpass underpass sacred monkey turkey donkey hockey jockey whiskey "
    "hotkey shortkey mickey lackey passkey"
)
_OTHER_WORDS = frozenset(_OTHER_WORDS_LIST.split())
# Names that hold such a word and are none: of counters, of indexes, of where the secret is kept.
_NOT_AFTER_LIST = (
    "name names id ids ref refs path paths file files filename dir folder url uri urls endpoint type types length len "
    "size count counts counter limit limits budget usage used expiry expires expiration ttl age timeout field fields "
    "label hint policy policies hash hashes manager version provider arn error errors placeholder param params prefix "
    "suffix regex pattern env var reset min max required enabled disabled rotation strength format index idx map "
    "func function fn class cls model schema table column col list set store storage source mode algorithm status "
    "state method scope scopes scheme server service handler callback middleware view page form input button event "
    "time date rate price cost per press down up code codes points point frame stream ring pair agent app issuer"
)
_NOT_AFTER = frozenset(_NOT_AFTER_LIST.split())
_NOT_BEFORE_LIST = (
    "primary foreign public sort partition cache row object hash dict map index unique composite idempotency shift "
    "arrow hot short range group join lookup translation registry shard dedup max min num total prompt completion "
    "input output cached reasoning eos bos pad unk sep cls special stop next page per sync continuation design sha "
    "sha1 sha256 sha512 md5 digest commit checksum integrity fingerprint etag route answer state sub context style "
    "color enter return escape tab space delete home modifier minor major first last each any every some other same "
    "new old wrong by query path file field column item data config property attribute i18n dictionary"
)
_NOT_BEFORE = frozenset(_NOT_BEFORE_LIST.split())
_COMPOUND_LIST = (
    "api access auth private secret client service account storage shared admin master root user app application "
    "refresh bearer encryption encrypt signing signature webhook deploy license licence ssh gpg pgp ssl tls rsa aes "
    "hmac session id oauth jwt csrf xsrf bot personal security subscription ingest write read server consumer "
    "function functions integration project org organization team push x ocp apim"
)
_COMPOUND = frozenset(_COMPOUND_LIST.split())
_NAMED = re.compile(r"[A-Za-z_.-]*[0-9]{0,3}|[A-Za-z_][\w.]*[.(\[].*")
"""What code calls its variables, and the beginnings of expressions."""

_DASHES = ("-",)
_BEFORE_OPTION = ("", " ", "\n", "\t", '"', "'", "`", "=", "[", ",")
_SIGNS = re.compile(r"[!@#%^*$&?~+]")

_TEXTUAL = re.compile(r"[A-Za-zÀ-ÿ_'\u2019]+[.!?…:]?\Z")


class _Hit(NamedTuple):
    start: int
    end: int
    kind: int


def find_assignments(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """Where values lie that a name makes secret; in no order, and one may lie in another.

    Args:
        text: where to look.
        lower: the same in lower case, of the same length.
    """
    for name, kind in NAMES:
        at = lower.find(name)
        tried_until, tries = 0, 0
        while at >= 0:
            end = at + len(name)
            if name == "pass" and lower[end : end + 1] in ("w", "p", "c", "e", "i"):
                at = lower.find(name, end)  # found by a longer name, or a word such as `passed`
                continue
            value, looked_until = _value(text, _Hit(at, end, kind))
            if value is not None:
                yield value
                end = max(end, value[1])
            # Names within what was looked at before are few, or the text is made to take long.
            if at >= tried_until:
                tried_until, tries = looked_until, 0
            tries += 1
            at = lower.find(name, end if tries <= _MOST_TRIES else max(end, tried_until))


def _value(text: str, hit: _Hit) -> tuple[tuple[int, int] | None, int]:
    """Where the value of a name lies if it is a secret; and how far was looked."""
    between = _BETWEEN.match(text, hit.end)
    # `password.encode("latin1")` says nothing of the password.
    if between is None or ("." in between["rest"] and "(" in (between["sep"] or "")):
        return None, hit.end
    begin = between.end()
    quote = between["quote"]
    space = between["space"] is not None
    if space and between["close"].strip("\t ])"):
        return None, hit.end
    before = text[max(0, hit.start - 40) : hit.start]
    # Most that follow such a word in running text are words.
    if not quote and (space or hit.kind != PASSWORD) and (plain := _PLAIN.match(text, begin)):
        word = plain[0].rstrip(".,;:!?) \t\r\n")
        if len(word) < _LONG_WORD_CHARS or not looks_random(word, _LONG_WORD_CHARS):
            return None, begin
    kind = _kind(text, hit, between["rest"], before)
    if kind is None:
        return None, begin
    option = _is_option(before)
    in_query = "=" in (between["sep"] or "") and _is_parameter(before)
    found = (_QUOTED[quote[0]] if quote else _BARE).match(text, begin)
    if found is None:
        return None, begin
    value = found[0].rstrip() if quote else found[0].rstrip(".,:;?)]}")
    end = begin + len(value)
    if not _is_secret(
        value,
        kind,
        quoted=bool(quote),
        space=space,
        sure=in_query or _is_setting(text, hit, between) or (space and option),
        option=option,
    ):
        return None, end
    # What stands in a random value by chance is no name.
    if space and looks_random(before[len(before.rstrip(_NAME_CHARS)) :] + text[hit.start : between.end("rest")], 12):
        return None, end
    if len(value) >= _LONGEST and (more := _MORE.match(text, end)) is not None:
        end = more.end()
    return (begin, end), end


def _kind(text: str, hit: _Hit, rest: str, before: str) -> int | None:
    """How sure the whole name makes; None where it is not the name of a secret."""
    if not text[hit.start].isascii():
        return hit.kind
    head = before.rstrip(_NAME_CHARS)
    if head[-1:] == " ":
        head = head[:-1].rstrip(_WORD_CHARS)
    start = len(before) - len(head)
    name = text[hit.start - start : hit.end + len(rest)]
    earlier, word = "", ""
    for part in _NAME_PARTS.finditer(name):
        if part.end() <= start:
            earlier = part[0].lower()
        elif part.start() <= start:
            word = part[0].lower()
        elif part[0].lower() in _NOT_AFTER:
            return None
    found = text[hit.start : hit.end].lower()
    ends = _ENDS.get(found)
    if ends is None:
        return PASSWORD
    if word in _OTHER_WORDS or not word.endswith(ends):
        return FAINT
    if hit.kind == PASSWORD:
        return PASSWORD
    joined = word[: word.rindex(found)]
    if found == "key" and joined and not any(joined.endswith(compound) for compound in _COMPOUND):
        return FAINT
    if joined or earlier in _COMPOUND:
        return SECRET
    return None if earlier in _NOT_BEFORE else hit.kind


def _is_parameter(before: str) -> bool:
    return before.rstrip(_NAME_CHARS)[-1:] in ("?", "&", ";")


def _is_option(before: str) -> bool:
    """What stands before the word in the option of a command: `--client-secret …`."""
    name = len(before.rstrip(_NAME_CHARS))
    return before[name : name + 1] in _DASHES and before[max(0, name - 1) : name] in _BEFORE_OPTION


def _is_setting(text: str, hit: _Hit, between: re.Match[str]) -> bool:
    """`NAME=value` in capitals, as in files of settings."""
    return (between["sep"] or "").strip() == "=" and text[hit.start : hit.end].isupper() and between["sep"] == "="


def _is_secret(value: str, kind: int, *, quoted: bool, space: bool, sure: bool, option: bool) -> bool:
    if "\x01" in value or is_placeholder(value) or (not quoted and value[0] == "("):
        return False
    if space and not sure and ("=" in value.rstrip("=") or "(" in value):
        return False
    if kind == PASSWORD:
        return _is_password(value, quoted=quoted, space=space, sure=sure)
    if " " in value.strip() or "(" in value or value.rstrip("=").count("=") > _MOST_SIGNS:
        return False
    if option and len(value) >= _SHORT_CHARS and kind != FAINT and _is_mixed(value) and _NAMED.fullmatch(value) is None:
        return True
    if kind == SECRET:
        if space and not sure:
            return looks_random(value, 10)
        if sure and len(value) >= 8 and not value.isdigit():
            return True
        if not quoted and len(value) >= 8 and has_changes(value) and _NAMED.fullmatch(value) is None:
            return True
        value = _SIGNS.sub("", value)
        return looks_random(value, 8) or is_uuid(value) or (quoted and len(value) >= 12 and has_three_kinds(value))
    if kind == FAINT:
        return (
            not space
            and "[" not in value
            and _RUN.search(value) is not None
            and not is_uuid(value)
            and looks_random(value, 16)
        )
    if quoted:
        value = _SIGNS.sub("", value)
    return not is_uuid(value) and looks_random(value, 14 if space else 10 if quoted else 12)


def _is_password(value: str, *, quoted: bool, space: bool, sure: bool) -> bool:
    least = 4
    if len(value) < least:
        return False
    if " " in value.strip():
        words = value.split()
        return quoted and len(words) <= 6 and any(_is_mixed(word) for word in words)
    if sure:
        return True
    if quoted and not space:
        return True
    return _is_odd_word(value)


def _is_mixed(word: str) -> bool:
    return not word.isdigit() and any(char.isdigit() for char in word)


def _is_odd_word(value: str) -> bool:
    """Whether a bare value is more than a word: with digits and letters, or with signs within."""
    if _TEXTUAL.match(value) or len(value) < 5:
        return looks_random(value, 12)
    if value.isdigit():
        return len(value) >= 6
    if re.fullmatch(r"[A-Za-z_]+(?:[.\[(][^\s]{0,200})", value):
        return any(char.isdigit() for char in value) and any(char in "!@#$%^*" for char in value)
    return re.fullmatch(r"[a-z_]{1,24}[0-9]{1,2}", value) is None or len(value) >= 7
