"""When two phrases are one: their normal form, and the shorter forms by which a thing is also called."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200
"""Characters beyond which a phrase is no phrase."""
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇`´", "'") | dict.fromkeys("‐‑‒–—−", "-"))
_POSSESSIVE = re.compile(r"(?<=\w)(?:'s|s'(?=$))$")
_ARTICLE = re.compile(r"^(?:the|an?)\s+(?=\S)")
_BRACKETED = re.compile(r"(?<=\S)\s*[(\[][^()\[\]]*[)\]]\s*$")
_HONORIFIC = re.compile(
    r"^(?:mr|mrs|ms|miss|dr|prof|professor|sir|dame|lord|lady|rev|reverend|capt|captain|col|colonel|gen|"
    r"general|lt|lieutenant|sgt|king|queen|prince|princess|emperor|empress|pope|president|senator|judge)\.?\s+(?=\S)"
)
_INITIAL = re.compile(r"(?<=\s)\w\.?\s+(?=\w{2})")
_SUFFIX = re.compile(r",?\s+(?:jr|sr|inc|ltd|corp|co|llc|plc|gmbh)\.?$")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_KEPT_BEFORE = frozenset(".@#$€£+-")
"""May open a name: .NET, @user, #tag, -40."""
_KEPT_BEHIND = frozenset("+#%!°")
"""May end a name: C++, C#, 40 %, Yahoo!."""


def normal(phrase: str) -> str:
    """The form under which two phrases are one; "" where nothing is left or the phrase is too long.

    Compatibility forms, case, white space, surrounding punctuation, a leading article and a trailing possessive make
    no difference. Accents do, and so do the signs of C++, C# and .NET. The normal form of a normal form is itself.
    """
    if len(phrase) > LONGEST:
        return ""
    now = _folded(phrase)
    while (then := _bare(now)) != now:
        now = then
    return now if len(now) <= LONGEST else ""


def aliases(phrase: str) -> tuple[str, ...]:
    """Other normal forms of the same thing, the phrase's own left out: two phrases that share a form are synonyms.

    Without a bracketed afterthought, without an honorific, without middle initials, without Jr. or Inc., and a plural
    noun in the singular; names are not put into the singular.
    """
    own = normal(phrase)
    if not own:
        return ()
    forms: list[str] = []
    shorter = normal(_BRACKETED.sub("", phrase)) or own
    for cut in (_HONORIFIC, _SUFFIX, _INITIAL):
        cuts = [normal(cut.sub("", form)) for form in (own, shorter, *forms)]
        forms += [form for form in cuts if " " in form]
    if phrase.split()[-1][:1].islower():
        forms.append(normal(_singular(own)))
    return tuple(form for form in dict.fromkeys([shorter, *forms]) if form != own and _names(form))


def stretches(text: str, words: int = 8) -> tuple[str, ...]:
    """Normal forms of all stretches of up to so many words, the longest first: to find known phrases in a question.

    No tagger sees where an unknown title ends, and nobody types its capitals; who knows the phrases can look them up.
    """
    parts = text.split()[:LONGEST]
    forms = (
        normal(" ".join(parts[start : start + length]))
        for length in range(min(words, len(parts)), 0, -1)
        for start in range(len(parts) - length + 1)
    )
    return tuple(dict.fromkeys(form for form in forms if form))


def _folded(phrase: str) -> str:
    """Case and compatibility forms folded until nothing changes; characters that do not show dropped."""
    if phrase.isascii():
        return " ".join(_CONTROLS.sub("", phrase.lower().translate(_APOSTROPHES)).split())
    now = phrase
    for _ in range(4):
        then = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", now).casefold().translate(_APOSTROPHES))
        then = " ".join("".join(filter(_shows, then)).split())
        if then == now:
            break
        now = then
    return now


def _shows(character: str) -> bool:
    """Whether a character belongs to a name: the joiners of Indic scripts do, marks of direction do not."""
    return (
        character.isspace()
        or character in "\u200c\u200d"
        or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )


def _bare(phrase: str) -> str:
    phrase = _POSSESSIVE.sub(lambda match: "s" if match.group() == "s'" else "", phrase)
    start, end = 0, len(phrase)
    while start < end and _edge(phrase[start]) and not _opens(phrase, start, end):
        start += 1
    while end > start and _edge(phrase[end - 1]) and not _ends(phrase, start, end):
        end -= 1
    return _ARTICLE.sub("", phrase[start:end])


def _edge(character: str) -> bool:
    """Whether a character may be dropped at either end: no letter, digit, mark or picture is."""
    category = unicodedata.category(character)
    return category[0] in "PZC" or category in ("Sk", "Sm", "Sc")


def _opens(phrase: str, start: int, end: int) -> bool:
    return phrase[start] in _KEPT_BEFORE and start + 1 < end and phrase[start + 1].isalnum()


def _ends(phrase: str, start: int, end: int) -> bool:
    last = phrase[end - 1]
    if last in ")]}" and {")": "(", "]": "[", "}": "{"}[last] in phrase[start:end]:
        return True
    if last == "." and re.search(r"(?:^|[\s.])\w\.\w\.$", phrase[start:end]):
        return True
    return last in _KEPT_BEHIND and phrase[start:end].rstrip("".join(_KEPT_BEHIND))[-1:].isalnum()


def _singular(phrase: str) -> str:
    if len(phrase) < 5 or not phrase.endswith("s") or phrase.endswith(("ss", "us", "is", "os", "as")):
        return phrase
    return phrase[:-3] + "y" if phrase.endswith("ies") else phrase[:-1]


def _names(form: str) -> bool:
    """Whether a shortened form still says something: not a letter, not a number."""
    return len(form) > 2 and not form.isdigit()
