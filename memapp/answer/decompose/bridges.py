"""Questions about something that is named by a fact: the director of a film, the country where a village lies."""

from __future__ import annotations

import re
from collections.abc import Iterable

from memapp.answer import cite
from memapp.answer.decompose.words import CAPITAL, DONE, KINSHIP, NAME, PERSON, ROLE, who
from memapp.answer.plan import Bridge

_KIND = r"(?:(?:the )?[a-z]+ ){0,2}"
_OF = re.compile(
    rf"\b(?P<the>the )?(?P<role>{ROLE}) of (?P<thing>{_KIND}{NAME}|my \w+)"
    r"(?=\s*['’]s\b|\s*[?.]?$|, | (?P<next>[a-z]+))"
)


def _genitive(thing: str, role: str) -> re.Pattern[str]:
    """What something of a thing is called by its genitive: the film's director."""
    return re.compile(rf"(?<!\S)(?P<thing>{thing})(?:['’]s|(?<=s)['’]) (?P<role>{role})(?=\s*[?,]|\s*$| (?!of\b)[a-z])")


_GENITIVE = _genitive(rf"{NAME}|[Mm]y \w+?", ROLE)
_KIN = "|".join(KINSHIP)
_KIN_GENITIVE = _genitive(NAME, _KIN)
_KIN_OF = re.compile(rf"\bthe (?P<role>{_KIN}) of (?P<thing>{NAME})(?=\s*[?,]|\s*$| [a-z])")
_DESCRIBED = re.compile(
    r"\bthe (?P<noun>(?:[a-z]+ )??(?!(?:at|by|for|in|of|on|to|with) )[a-z]+) "
    r"(?P<link>where|in which|that|which|who|whose) "
    rf"(?P<clause>[^?]+?(?: (?:is|was|are|were) {DONE}(?: (?:in|at|by))?(?= |,|\?)|(?=, |\s*\?|$)))"
)
_PLACED = re.compile(
    r"\bthe (?P<noun>country|city|town|village|state|county|province|region|district|continent|university|school) "
    rf"(?P<clause>{NAME} (?:is|was) (?:\w+ )?(?:in|from|at)\b)"
)
_ANYBODY = (
    rf"(?:[a-z]+ )?(?:{PERSON}|man|woman|person|people|boy|girl|one|doctor|dentist|plumber|electrician|friend|"
    r"colleague|company|firm|shop|store|restaurant|hotel|school|university|country|city|town|village|state|county|place|street|"
    r"book|film|movie|song)"
)
"""Who or what can be described without any name."""

_GOES_ON = re.compile(
    r"(?:is|was|are|were|has|had|have|do|born|died?|lived?|work(?:s|ed)?|c[ao]me|go|went|get|got|graduated?|study|studied|win|won|"
    r"play(?:ed)?|marry|married|received?|bec[ao]me|located|called|in|at|on|for|from|to|by|with|when|if|and|or|a|an)$"
)
"""What can follow a description, where no auxiliary verb before it tells that the main verb must."""
_BEFORE = re.compile(r"(?:^|\b(?:of|is|are|was|were|by|in|do|does|did|from|and) |[,:] )$", re.IGNORECASE)
"""What can stand before a description without an article."""
_NOTHING_LEFT = re.compile(
    r"^(?:(?:who|what|which|where|when)(?: (?:is|was|are|were))? (?:the (?:\w+ )?name (?:of|associated with) )?|name )?"
    r"\{\}\s*\??$",
    re.IGNORECASE,
)
_CUT_SHORT = re.compile(r"\{\} [A-Z0-9]")
_WITHOUT_VERB = re.compile(r"\b(?:do|does|did|will|would|can|could) \{\}\??$")


def bridge(text: str) -> Bridge | None:
    """The question for the innermost thing that is named by a fact, and what is left; None where there is none."""
    text = _KIN_OF.sub(_by_way, _KIN_GENITIVE.sub(_by_way, text))
    for made in (_placed(text), _described(text), _role(text)):
        if made is not None and not _NOTHING_LEFT.match(made.then) and not _CUT_SHORT.search(made.then):
            return made
    return None


def outright(text: str, passages: Iterable[str]) -> bool:
    """Whether a passage says outright who is somebody's paternal grandfather, which need not be asked by way of the
    father then."""
    match = _KIN_OF.search(text) or _KIN_GENITIVE.search(text)
    if match is None:
        return False
    names = set(cite.words(match["thing"]))
    return any(match["role"] in passage.casefold() and names <= set(cite.words(passage)) for passage in passages)


def _by_way(match: re.Match[str]) -> str:
    """Somebody's paternal grandfather as the father of their father."""
    kin, by = KINSHIP[match["role"]]
    return f"the {kin} of {match['thing']}'s {by}"


def _role(text: str) -> Bridge | None:
    """The director of a film, or the film's director."""
    starts = [match.start() for match in re.finditer(rf"\b(?:the )?{ROLE} of ", text)]
    of = [found for start in starts if (found := _OF.match(text, start)) and _is_whole(text, found)]
    match = _GENITIVE.search(text) or _last(of)
    return match and Bridge(who(match["role"], match["thing"]), _left(text, match))


def _is_whole(text: str, match: re.Match[str]) -> bool:
    """Whether a description does not go on at either end: not the deputy director of the Office of Space Flight."""
    before = text[: match.start()]
    goes_on = match["next"] and not _GOES_ON.match(match["next"]) and not re.search(r"\b(?:do|does|did)\b", before)
    return not goes_on and bool(match["the"] or _BEFORE.search(before))


def _placed(text: str) -> Bridge | None:
    """The country a village is in."""
    match = _last(list(_PLACED.finditer(text)))
    return match and Bridge(f"Which {match['noun']} is it that {match['clause']}?", _left(text, match))


def _described(text: str) -> Bridge | None:
    """The country where a village is, the man who built it."""
    starts = [match.start() for match in re.finditer(r"\bthe (?=[a-z])", text)]
    match = next((found for start in reversed(starts) if (found := _DESCRIBED.match(text, start))), None)
    if match is None or not (re.search(CAPITAL, match["clause"]) or re.fullmatch(_ANYBODY, match["noun"])):
        return None
    clause, left = match["clause"].strip(), _left(text, match)
    if _WITHOUT_VERB.search(left):
        # The question's own verb is the last word of what was taken for the clause.
        clause, _, verb = clause.rpartition(" ")
        left = left.replace("{}", f"{{}} {verb}")
    opening = "In which" if match["link"] in ("where", "in which") else "Which"
    noun = f"{match['noun']}'s" if match["link"] == "whose" else match["noun"]
    return Bridge(f"{opening} {noun} {clause}?", left)


def _last(found: list[re.Match[str]]) -> re.Match[str] | None:
    return found[-1] if found else None


def _left(text: str, match: re.Match[str]) -> str:
    """The text with {} instead of a part of it."""
    return f"{text[: match.start()]}{{}}{text[match.end() :]}".replace("{} ?", "{}?").replace("{},", "{}")
