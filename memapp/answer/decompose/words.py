"""Patterns for what questions name things by: names, and what somebody or something is to another."""

from __future__ import annotations

import re

_PEOPLE = """
actor actress animator architect artist aunt author brother builder captain chairman child coach composer conductor
creator daughter designer developer director discoverer distributor editor employer father founder governor
granddaughter grandfather grandmother grandson headmaster husband inventor king landlord leader lyricist manager
manufacturer mayor mother neighbor neighbour nephew niece operator owner painter parent partner performer presenter
president producer publisher queen ruler screenwriter sculptor singer sister son songwriter spouse star teacher uncle
vet wife winner writer
"""
_IN_LAW = r"(?:mother|father|brother|sister|son|daughter)-in-law|step(?:mother|father)"
PERSON = rf"(?:{_IN_LAW}|head coach|prime minister|main character|lead singer|{'|'.join(_PEOPLE.split())})"
"""What a person is to somebody or something."""
ROLE = (
    r"(?:(?:place|city|country) of (?:birth|death|origin)|birth ?place|capital|headquarters|hometown|country|"
    rf"alma mater|record label|production company|{PERSON})"
)
"""What anything is to another, of which it has one, or one that is meant."""
_DID = {
    **dict.fromkeys(("author", "screenwriter", "songwriter", "writer"), "wrote"),
    "builder": "built",
    "composer": "composed",
    "creator": "created",
    "designer": "designed",
    "developer": "developed",
    "director": "directed",
    "discoverer": "discovered",
    "founder": "founded",
    "inventor": "invented",
    "painter": "painted",
    "performer": "performed",
    "producer": "produced",
    "publisher": "published",
    "winner": "won",
}

KINSHIP = {
    **{
        f"{side} grand{kin}": (kin, by)
        for side, by in (("paternal", "father"), ("maternal", "mother"))
        for kin in ("father", "mother")
    },
    **{f"{kin}-in-law": (kin, "spouse") for kin in ("father", "mother")},
}
"""What somebody is to another by way of a third: a paternal grandfather is the father of the father."""

CAPITAL = r"(?:[\"“'(]?[A-ZÀ-ÖØ-ÞĀ-Ž0-9][^\s?,'’]*(?:['’](?!s\b)[^\s?,'’]*)*)"
"""A word of a name, without the ending of a genitive."""
_LINK = r"(?:of|the|a|an|in|on|at|to|for|and|from|with|by|de|du|la|le|von|van|der|del|di|da|y|e|&)"
NAME = rf"{CAPITAL}(?:,? {CAPITAL}|(?: {_LINK}){{1,3}} {CAPITAL})*"
"""A name, or a title with the small words in it."""
DONE = r"(?:\w+ed|born|begun|built|found|grown|held|led|made|run|set up|set|spoken|won|worn|written)"
"""A past participle."""


def who(role: str, thing: str) -> str:
    """The question for what is something to a thing; by what a person did, where texts tell that rather."""
    if role in _DID:
        return f"Who {_DID[role]} {thing}?"
    return f"{'Who' if re.fullmatch(PERSON, role) else 'What'} is the {role} of {thing}?"
