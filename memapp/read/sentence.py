"""Where sentences, lines and paragraphs end, in any script. It knows nothing of tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

PARAGRAPH, SENTENCE, CLAUSE, WORD, CHARACTER = range(5)
"""What a boundary parts, the best first."""

_STRONG = "。！？｡．।॥؟۔።፧։၊။៕།‼⁇⁈⁉"
_CLOSERS = "\"'”’»›)\\]}」』）】》〉"
_EDGE = re.compile(rf"[\n.!?…{_STRONG}](?:(?<!\n)[.!?…{_STRONG}]*[{_CLOSERS}]*)?\s*")
_LIST = re.compile(r"[-*•‣◦+|>#]\s?|\d{1,3}[.)]\s|\(?[a-z][.)]\s|[ \t]{2,}|`{3}|~{3}", re.IGNORECASE)
_HEADING = re.compile(r"#{1,6}[ \t]")
_ABBREVIATED = re.compile(
    r"""(?:^|[\s(\["'“‘—–-])(?:
        (?:mr|mrs|ms|mx|dr|prof|st|sr|jr|rev|hon|gen|col|capt|cpt|lt|sgt|maj|cmdr|gov|sen|rep|pres|supt|messrs|mme|mlle
          |fr|hr|vs|cf|viz|al|approx|est|dept|univ|ed|eds|trans|inc|ltd|co|corp|bros|mt|ft|ave|blvd|rd
          |jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|bzw|usw|ca|evtl|ggf|vgl|sog|resp|str|tel|e\.g|i\.e|a\.k\.a)
        |[^\W\d_](?:\.[^\W\d_])*
    )\.$""",
    re.IGNORECASE | re.VERBOSE,
)
_NUMBERED = re.compile(
    r"(?:^|[\s(\[])(?:nos?|nr|figs?|tab|abb|vols?|pp?|pg|ch|chap|secs?|sect|art|eqs?|refs?|app|bd|s|kap|§)\.$",
    re.IGNORECASE,
)
_ENUMERATED = re.compile(r"(?:^|\n)\s*(?:\d{1,3}|[ivxIVX]{1,4}|[a-zA-Z])\.$")
_LOOK_BACK = 14


def boundaries(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Offset of each place inside [start, end) where a new sentence begins, and what kind of boundary is before it.

    Offsets rise; each points at a character that is not white space.
    """
    for match in _EDGE.finditer(text, start, end):
        here, last = match.span()
        if last >= end:
            return
        gap = match[0]
        if (gap.count("\n") > 1 and gap.rstrip().count("\n") < gap.count("\n") - 1) or (
            gap.strip() == "" and gap.count("\n") > 1
        ):
            yield last, PARAGRAPH
        elif gap[0] == "\n":
            if _LIST.match(text, here + 1) or _HEADING.match(text, text.rfind("\n", 0, here) + 1):
                yield last, SENTENCE
        elif _ends_sentence(text, start, here, last, gap):
            yield last, SENTENCE


def _ends_sentence(text: str, start: int, here: int, last: int, gap: str) -> bool:
    if gap[0] in _STRONG:
        return True
    if not gap[-1].isspace():
        return False
    following = text[last]
    if following.islower():
        return "\n" in gap and _LIST.match(text, last) is not None
    if gap[0] != "." or gap[1:2] == ".":
        return True
    before = text[max(start, here - _LOOK_BACK) : here + 1]
    if _ABBREVIATED.search(before) or _ENUMERATED.search(before if here >= start + _LOOK_BACK else "\n" + before):
        return False
    return not (following.isdigit() and _NUMBERED.search(before))
