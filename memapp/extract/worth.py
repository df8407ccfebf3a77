"""What of a chat message is worth remembering: statements about the person and their world.

Rules, in English, sentence by sentence. Kept is what will still be true tomorrow and can be understood alone; not kept
are questions, requests, small talk, moods, guesses, and secrets unless the person says so. No sentence is judged by
what is remembered already: whoever stores it looks for duplicates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from memapp.read.sentence import boundaries

Reason = Literal[
    "told to",
    "about you",
    "about your world",
    "secret",
    "question",
    "request",
    "small talk",
    "passing",
    "guess",
    "vague",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is thought of one sentence."""

    text: str
    """As it would be remembered: what only says that it is to be remembered is taken off."""
    keep: bool
    reason: Reason


_TOLD = re.compile(
    r"^(?:please[,\s]+)?(?:(?:can|could|will) you )?(?:please )?"
    r"(?:remember|note|keep in mind|make a note|don['’]t forget|for the record|just so you know|fyi)"
    r"(?: that|:|,| down that)?\s+(?!to\b|me\b|when\b|how\b|what\b|the time\b)",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\b(?:pass(?:word|code|phrase|wd)|pin(?: code| number)?\b|(?:api|secret|private|access|licen[cs]e) key|token|cvv|"
    r"security code|social security|ssn|iban|seed phrase|credit card|debit card|card number|account number|"
    r"recovery code|2fa|otp|one-time code|login)\b",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\b(?:\d[ -]?){13,19}\b|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b|\b\d{3}-\d{2}-\d{4}\b")
_KEY = re.compile(r"\b(?=[A-Za-z0-9_\-+/]*\d)(?=[A-Za-z0-9_\-+/]*[A-Za-z])[A-Za-z0-9_\-+/]{20,}\b")
_ASKS = re.compile(
    r"^(?:and |so |but |ok(?:ay)?,? |well,? |hey,? )?(?:who|whom|whose|what|when|where|which|why|how|do|does|"
    r"did|is|are|"
    r"was|were|am|can|could|will|would|should|shall|may|have you|has|had)(?:n['’]t)?\b(?! (?:i |we )?(?:live|work) )",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"^(?:(?:please|now|then|ok(?:ay)?|and|so|next|just|also),? )*(?:tell|show|give|write|explain|"
    r"summari[sz]e|list|find|"
    r"search|look|help|translate|make|create|draft|compare|describe|continue|go on|stop|try|check|read|open|let['’]s|"
    r"let me|add|remove|delete|forget|use|answer|repeat|rewrite|shorten|fix|think|wait|imagine|suppose|assume|pretend|"
    r"say|put|remind)\b|^(?:i(?:['’]d| would) like you|i want you|i need you|i(?:['’]m| am) looking for|"
    r"i(?:['’]d| would) like to know|i want to know|i was wondering|i wonder|i need (?:help|to know|an?|the|some)\b|"
    r"you (?:should|must|can|could|may)\b)",
    re.IGNORECASE,
)
_SMALL = re.compile(
    r"^(?:(?:hi|hello|hey|good (?:morning|evening|afternoon|night)|thanks?|thank you|thx|cheers|ok(?:ay)?|"
    r"sure|yes|yeah|"
    r"yep|no|nope|right|great|nice|cool|wow|perfect|sorry|bye|goodbye|see you|lol|haha|hmm|oh|never ?mind|got it|"
    r"fine|awesome|exactly|welcome|congrat\w*)\b[\s,!.]*)+(?:there|you|so much|a lot|very much|again|everyone|"
    r"memapp)?[\s,!.]*"
    r"|^(?:nice to meet you|have a (?:nice|good|great)|talk (?:to you )?(?:later|soon)|how are you|"
    r"you(?:['’]re| are) )",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"^(?:(?:well|oh|today|right now|now),? )*(?:i(?:['’]m| am)|i feel|i(?:['’]m| am) feeling|we(?:['’]re| are)) "
    r"(?:(?:so|very|really|a bit|a little|quite|just|still|not|pretty|too|fine and) )*(?:fine|good|ok(?:ay)?|"
    r"great|well|tired|"
    r"bored|hungry|thirsty|happy|sad|sorry|sure|afraid|glad|confused|lost|stuck|curious|excited|done|ready|back|here|"
    r"busy|sleepy|cold|hot|late|listening|interested|impressed|annoyed|angry|worried|surprised|kidding|joking|right|"
    r"wrong|exhausted|writing|typing|asking|reading|talking|trying|thinking|wondering|going to (?:bed|sleep|lunch))\b"
    r"|^i (?:see|agree|understand|know|get it|got it|mean|meant|said|asked|forgot|don['’]t (?:know|understand|"
    r"get|think|care|mind|"
    r"see|remember)|love it|like it|like that|love that|hate it|can['’]t (?:wait|believe|see|find)|hope (?:so|"
    r"not|you|that)|"
    r"doubt|disagree|appreciate|will (?:try|see|check|think)|just (?:wanted|want|asked|said))\b",
    re.IGNORECASE,
)
_GUESS = re.compile(
    r"\b(?:maybe|perhaps|might|probably|possibly|i (?:think|guess|suppose|assume|believe|bet)|i(?:['’]m| am) not sure|"
    r"i(?:['’]d| would)\b|if (?:i|we|you|he|she|they|it)\b|what if|imagine|could be|would be|hypothetically|"
    r"as if|wish)\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:i|i['’](?:m|ve|ll|d)|my|mine|we|we['’](?:re|ve)|our|ours|me|us)\b", re.IGNORECASE)
_VAGUE = re.compile(
    r"^(?:(?:and|but|so|because|well),? )*(?:it|that|this|these|those|he|she|they|there|here|one|something|"
    r"everything|nothing|you)\b(?:['’]\w+)?",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|am|has|have|had|will|lives?|lived|works?|worked|moved?|owns?|owned|runs?|ran|teach(?:es)?|"
    r"taught|studies|studied|study|plays?|played|loves?|likes?|hates?|prefers?|speaks?|spoke|drives?|drove|got|gets?|"
    r"bought|sold|married|started|quit|left|joined|born|grew|eats?|drinks?|takes?|took|uses?|used|keeps?|kept|meets?|"
    r"met|goes|went|visit(?:s|ed)?|called|calls|named|costs?|opens?|closes?|belongs?|starts?|ends?|\w{3,}ed|"
    r"can(?:['’]t|not)?|"
    r"don['’]t|doesn['’]t|never|always|need(?:s)?|turns?|retires?|flies|fly|flew)\b|['’](?:m|ve|re|s)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][\w'’-]+|\b\d")
_BEGINS_WITH_NAME = re.compile(r"^[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*(?:['’]s)? (?!$)")
_SHORTEST, _LONGEST = 3, 60


def judged(message: str) -> list[Verdict]:
    """A verdict on each sentence of what a person wrote, in order."""
    return [_verdict(sentence) for sentence in _sentences(message)]


def _sentences(message: str) -> Iterator[str]:
    starts = [0, *(offset for offset, _ in boundaries(message, 0, len(message))), len(message)]
    for start, end in pairwise(starts):
        if sentence := " ".join(message[start:end].split()):
            yield sentence


def _verdict(sentence: str) -> Verdict:
    if told := _TOLD.match(sentence):
        rest = sentence[told.end() :].strip()
        return Verdict(rest[:1].upper() + rest[1:], len(rest.split()) > 1, "told to")
    small = _SMALL.match(sentence)
    if small and len(sentence[small.end() :].split()) >= _SHORTEST:
        rest = sentence[small.end() :].strip()
        sentence, small = rest[:1].upper() + rest[1:], None
    reason: Reason | None = "small talk" if small else _against(sentence)
    if reason is not None:
        return Verdict(sentence, False, reason)
    if _FIRST.search(sentence):
        return Verdict(sentence, True, "about you")
    names = bool(_NAMED.search(sentence) or _BEGINS_WITH_NAME.match(sentence))
    return Verdict(sentence, names, "about your world" if names else "vague")


def _against(sentence: str) -> Reason | None:
    """Why the sentence is not worth it; None when nothing speaks against it."""
    words = len(sentence.split())
    if _SECRET.search(sentence) or _DIGITS.search(sentence) or _KEY.search(sentence):
        return "secret"
    if sentence.rstrip("\"'”’)! ").endswith(("?", "？", "؟")) or _ASKS.match(sentence):
        return "question"
    if _REQUEST.match(sentence):
        return "request"
    if _PASSING.match(sentence):
        return "passing"
    if _GUESS.search(sentence):
        return "guess"
    if words < _SHORTEST or words > _LONGEST or _VAGUE.match(sentence) or not _VERB.search(sentence):
        return "vague"
    return None
