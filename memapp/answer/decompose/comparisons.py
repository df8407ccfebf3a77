"""Questions about two things: which of them was earlier or has more, or whether they have something in common."""

from __future__ import annotations

import re

from memapp.answer.decompose.words import CAPITAL, DONE, PERSON, ROLE
from memapp.answer.plan import Agreement, Comparison

_ENDING = r"\s*\??$"
_WHICH = re.compile(
    r"^(?:(?P<who>who)|(?:which|what)(?: of)?(?: the)?(?: [a-z][\w ]*?)?) "
    r"(?P<told>(?:is|was|are|were|has|had|have|came|costs?|did|does|do|died|lived|started|began|opened|won|got|went|weighs|whose)\b.*?)"
    rf"(?:(?:[,:] ?|,? between |(?<=first) |(?<=earlier) |(?<=later) )(?P<one>[^?]+?),? or (?P<other>[^?]+?){_ENDING}"
    rf"|,? (?:between|out of|of) (?P<first>[^?]+?),? and (?P<second>[^?]+?){_ENDING})",
    re.IGNORECASE,
)
_WAS_ONE = re.compile(
    r"^(?P<be>was|is|were|did) (?P<first>[^?]+?) or (?P<second>[^?]+?) "
    rf"(?P<told>(?:{DONE}|die|come out|start|begin|open|older|younger)\b[^?]*?){_ENDING}",
    re.IGNORECASE,
)
_THAN = r"\b(?: than the other)?"
_EARLY = re.compile(rf"\b(?:first|earlier|earliest|older|oldest|elder|sooner|before){_THAN}", re.IGNORECASE)
_LATE = re.compile(
    rf"\b(?:(?:more|most) recently|later|latest|last|younger|youngest|newer|newest){_THAN}", re.IGNORECASE
)
_MORE = {
    "taller": "tall", "higher": "high", "longer": "long", "larger": "large", "bigger": "big", "heavier": "heavy",
    "deeper": "deep", "wider": "wide", "faster": "fast",
}  # fmt: skip
_LESS = {"smaller": "large", "shorter": "long", "lower": "high", "lighter": "heavy", "slower": "fast"}
_SIZE = re.compile(rf"^(?:is|was) (?:the )?(?P<word>{'|'.join([*_MORE, *_LESS])})$", re.IGNORECASE)
_COUNT = re.compile(r"^(?P<verb>has|had|have|won) (?P<word>more|fewer) (?P<noun>[\w ]+)$", re.IGNORECASE)
_COST = re.compile(r"^(?:costs?|is|was) (?:the )?(?P<word>more|less|cheaper)(?: expensive)?$", re.IGNORECASE)
_VERBS = {"came": "come", "died": "die", "began": "begin", "won": "win", "got": "get", "went": "go", "lived": "live"}

_SAME = re.compile(
    rf"^(?:are|were|is|was|do|does|did|have|has) (?P<said>.+?) (?:the )?same (?P<noun>\w+(?: of \w+)?){_ENDING}",
    re.IGNORECASE,
)
_SAME_AS = re.compile(
    r"^(?:does|do|did|is|was) (?P<one>.+?) (?:have|share|has|from|in|of) the same (?P<noun>\w+(?: of \w+)?) "
    rf"(?:as|with) (?P<other>.+?){_ENDING}",
    re.IGNORECASE,
)
_OF_BOTH = re.compile(
    r"^(?P<pair>.+? and .+?),? (?:both |all )?(?:(?:members|part) (?=of))?"
    r"(?P<rest>(?:(?:located|situated|based|found|born|living|released|published|made|produced|set|from|in|of$|have|has|"
    r"share|originated?|c[ao]me|belong|hail|work|live|die|played?)\b.*)?)$"
)


def comparison(text: str) -> Comparison | None:
    """Which of two things was earlier or later, or has more or less; None for any other question."""
    match = _WAS_ONE.match(text) or _WHICH.match(text)
    if match is None:
        return None
    parts = match.groupdict()
    things = tuple(
        (parts[a] or "").strip(" ,") for a in (("one", "other") if parts.get("one") else ("first", "second"))
    )
    told = parts["told"].strip(" ,")
    asked, lower = _by_number(told) or _by_day(told, (parts.get("be") or "").lower(), bool(parts.get("who")))
    if not asked:
        return None
    one, other = things
    return Comparison((one, other), (asked.replace("{}", one), asked.replace("{}", other)), lower)


def _by_number(told: str) -> tuple[str, bool] | None:
    """The question for a number of {}, and whether the lower one is meant."""
    if match := _SIZE.match(told):
        word = match["word"].lower()
        return f"How {_MORE.get(word) or _LESS[word]} is {{}}?", word in _LESS
    if match := _COUNT.match(told):
        verb = "win" if match["verb"] == "won" else "have"
        return f"How many {match['noun']} {'did' if verb == 'win' else 'does'} {{}} {verb}?", match["word"] == "fewer"
    if match := _COST.match(told):
        aux = "did" if told.startswith(("cost ", "was ")) else "does"
        return f"How much {aux} {{}} cost?", match["word"] != "more"
    return None


def _by_day(told: str, be: str, person: bool) -> tuple[str, bool]:
    """The question for a day of {}, and whether the earlier one is meant; empty where it is about something else."""
    early, late = _EARLY.search(told), _LATE.search(told)
    if bool(early) == bool(late):
        return "", False
    words = " ".join(_LATE.sub("", _EARLY.sub("", told)).split())
    return (f"When {be} {{}} {words or 'born'}?" if be else _when(words, person)), bool(early)


def _when(told: str, person: bool) -> str:
    """The question about one thing, {}, from what is told of both: "was born" makes "When was {} born?"."""
    of = re.match(
        rf"^(?:has|have|had|whose)(?: the| a| an)? (?P<role>{ROLE})s?(?: (?:who|that|which))? (?P<told>.+)$", told
    )
    if of is not None:
        return _when(of["told"], bool(re.fullmatch(PERSON, of["role"]))).replace("{}", f"the {of['role']} of {{}}")
    if re.match(r"^(?:do|does|did) ", told):
        return f"When {told} {{}}?"
    if re.match(r"^(?:is|was|are|were)$", told):
        return f"When was {{}} {'born' if person else 'made'}?"
    passive = re.match(rf"^(?:(?P<be>is|was|are|were) )?(?P<done>{DONE})\b", told)
    verb, _, rest = told.partition(" ")
    if passive is not None and verb not in _VERBS and (passive["be"] or verb == "born"):
        return f"When {passive['be'] or 'was'} {{}} {told[passive.start('done') :]}?"
    if (verb, rest) == ("came", "out"):
        return "When was {} released?"
    base = _VERBS.get(verb) or (verb.removesuffix("ed") if verb.endswith("ed") else "")
    return f"When did {{}} {base}{' ' + rest if rest else ''}?" if base else ""


def agreement(text: str) -> Agreement | None:
    """Whether two things have the same of something; None for any other question."""
    match = _SAME_AS.match(text)
    if match is not None:
        return _of_each((match["one"], match["other"]), f"What is the {match['noun']} of {{}}?")
    match = _SAME.match(text)
    told = _OF_BOTH.match(match["said"]) if match else None
    if match is None or told is None:
        return None
    pair, rest, form = told["pair"], told["rest"].removeprefix("both "), "{}"
    whose = re.match(rf"^(?:both )?(?:the )?(?P<role>{ROLE})s? of (?:both |the )*(?P<pair>.+)$", pair)
    has = re.match(rf"^(?:have|has|share)(?: the| a)? (?P<role>{ROLE})s?(?: (?:who|that|which))? ?(?P<rest>.*)$", rest)
    if whose is not None:
        pair, form = whose["pair"], f"the {whose['role']} of {{}}"
    if has is not None:
        rest, form = has["rest"], f"the {has['role']} of {{}}"
    pair = re.sub(rf"^(?:both )?(?:the )?(?:(?:[a-z]+ ){{0,2}}[a-z]+s[:,]? )?(?={CAPITAL})", "", pair)
    one, other = (re.sub(rf"^(?:the )?{ROLE} of ", "", part) if whose else part for part in _halves(pair))
    return _of_each((one, other), _which(rest, match["noun"]).replace("{}", form))


def _of_each(things: tuple[str, str], asked: str) -> Agreement | None:
    one, other = (thing.strip(" ,:") for thing in things)
    return Agreement((asked.replace("{}", one), asked.replace("{}", other))) if one and other else None


def _halves(pair: str) -> tuple[str, str]:
    """Its parts around the "and" that is nearest to the middle."""
    places = [match.start() for match in re.finditer(r" and ", pair)]
    middle = min(places, key=lambda place: abs(place - len(pair) / 2))
    return pair[:middle], pair[middle + len(" and ") :]


def _which(rest: str, noun: str) -> str:
    """The question about one thing, {}: "located in" and "country" make "Which country is {} located in?"."""
    rest = re.sub(r"^(?:have|has|share|had|of)\b\s*", "", rest).strip(" ,")
    if (noun, rest) == ("country", "from"):
        # So say texts about people; where a thing is from, they tell as well by this.
        return "What is the nationality of {}?"
    if not rest:
        return f"What is the {noun} of {{}}?"
    acts = re.match(r"(?:originate|come|belong|hail|work|live|die|play)\b", rest)
    return f"Which {noun} {'does' if acts else 'was' if rest.startswith('born') else 'is'} {{}} {rest}?"
