"""The gate before memory, on sentences that its rules were not written with."""

from __future__ import annotations

import pytest

from memapp.extract.worth import judged

WORTH = """
I was born in Tampere in 1988.
My wife runs a small bakery near the station.
We adopted a greyhound named Pixel in April.
I quit my job at the bank two weeks ago.
My doctor told me to avoid gluten.
Our wedding anniversary is on 12 September.
I drive an old Citroën that my uncle left me.
Tomás, my neighbour, looks after the hens when we travel.
My son plays the cello in the youth orchestra.
I speak Finnish and a little Welsh.
I am left-handed.
The spare key of the cabin hangs in the shed of Mrs Olsen.
I switched from Android to an iPhone last year.
My landlord is called Dieter Brandt.
We are moving to Ghent in October.
I can't stand coriander.
My flight to Lisbon leaves on 4 May at 07:15.
I have type 1 diabetes.
My parents divorced when I was nine.
Our boat is called Nordstern.
I finished my thesis on mosses in 2016.
I usually get up at five.
My team meets every Tuesday at ten.
Aino is my goddaughter.
I used to live in Bergen.
Remember that the plumber comes on Thursday.
Please note that Bruno is afraid of fireworks.
Don't forget that Lena's gate code is 4711.
My shoe size is 43.
I bought a house on Elm Street.
My best friend Rosa teaches physics.
I retired in 2020.
I'm training for the Oslo marathon.
I collect stamps from Iceland.
Hi, I'm Nora and I work at the aquarium.
""".strip().splitlines()

NOT_WORTH = """
When is my anniversary?
who looks after the hens
Could you check that again?
Summarise the second document, please.
Give me three examples.
Good evening!
Thank you so much, that helps.
Haha, nice one.
No, not that one.
I'm a bit tired.
I feel great today.
I guess it depends.
Maybe we should paint the wall.
I don't understand the second point.
I agree with you.
What would happen if I sold the boat?
If I moved to Ghent I would need a visa.
It doesn't work.
That was fast.
They said no.
My e-mail password is Tulip-77-moon.
The PIN of my card is 9921.
My social security number is 078-05-1120.
Here is the token: ghp_16C7e42F292c6912E7710c838347Ae178B4a
My IBAN is DE89 3704 0044 0532 0130 00.
Let's talk about something else.
I'd like to know more about otters.
I need a recipe for rye bread.
You can stop now.
Sure, go ahead.
Hmm.
Sounds good to me.
Is it true that Bergen is rainy?
Translate this into Welsh.
Wow, amazing!
""".strip().splitlines()


def kept(message: str) -> bool:
    return any(verdict.keep for verdict in judged(message))


def test_it_is_right_in_nine_of_ten() -> None:
    missed = [message for message in WORTH if not kept(message)]
    let_in = [message for message in NOT_WORTH if kept(message)]
    assert len(WORTH) + len(NOT_WORTH) >= 70
    assert len(missed) + len(let_in) <= 7, (missed, let_in)


@pytest.mark.parametrize(
    "secret",
    [message for message in NOT_WORTH if any(word in message for word in ("PIN", "pass", "IBAN", "soc", "tok"))],
)
def test_no_secret_is_let_in(secret: str) -> None:
    (verdict,) = judged(secret)
    assert (verdict.keep, verdict.reason) == (False, "secret")


def test_a_secret_is_remembered_when_the_person_says_so() -> None:
    (verdict,) = judged("Remember that the PIN of the shed is 9921.")
    assert (verdict.keep, verdict.reason) == (True, "told to")
    assert verdict.text == "The PIN of the shed is 9921."


def test_each_sentence_is_judged_by_itself() -> None:
    found = judged("Hi there! I live in Oslo. Where is the best bakery? My dog is called Rex.")
    assert [verdict.text for verdict in found if verdict.keep] == ["I live in Oslo.", "My dog is called Rex."]
    assert [verdict.reason for verdict in found] == ["small talk", "about you", "question", "about you"]


@pytest.mark.parametrize("message", ["", "   ", "\n\n", "?" * 500, "I " * 5000, "I was" + " very" * 80 + " late."])
def test_odd_messages_are_not_worth_it(message: str) -> None:
    assert not kept(message)
