"""A fixed text that forms of a model are compared on: how likely does each find it? Prose of several kinds."""

TEXT = """\
The harbour at Lindern has two basins. The older one was dug in 1871, when the railway reached the town, and it \
is too shallow for anything but fishing boats and the small ferry that crosses to the island of Harn twice a \
day. The newer basin, finished in 1934, can take freighters of up to four thousand tons. Between the two stands \
a brick warehouse with a clock tower; the clock has been eleven minutes slow for as long as anybody can \
remember, and the people of the town set their own watches by it, so that the whole of Lindern is late for every \
train. When the council offered to have the clock repaired, more than nine hundred people signed a letter \
against it. "We know what time it is," the letter said. "It is the others who are early."

Salt is made there still. Sea water is let into flat pans behind the dike in April, and the sun and the wind do \
the rest. By July a crust has formed that can be raked together with wide wooden rakes. A good summer gives \
about three hundred tons, a wet one hardly forty. The salt is grey rather than white, because it is not washed, \
and cooks in the city pay four times the usual price for it. Whether it tastes of anything but salt is a \
question on which families have divided.

How does one find out whether a medicine works? The simplest way would be to give it to people who are ill and \
to see whether they recover. The trouble is that most people recover from most illnesses anyway, and that those \
who agree to try something new differ from those who do not. So one divides the patients by chance into two \
groups, gives the medicine to the first and something that looks the same to the second, and compares. Neither \
the patients nor their doctors should know who got what, since hope alone can change how a person feels, and \
what a doctor expects can change what the doctor sees. If the first group does better by more than chance would \
explain, the medicine has done something. Even then one has learned only about people like those who took part. \
A drug that was tested on young men may act quite differently in women of eighty, and for a long time nobody \
thought to ask.

To bake a plain loaf you need five hundred grams of flour, three hundred and fifty grams of water, ten grams of \
salt and a spoonful of yeast. Mix everything in a bowl until no dry flour is left, cover it, and leave it alone \
for half an hour. Then stretch the dough and fold it over itself, four times, turning the bowl as you go. Let it \
rest until it has doubled, which takes about two hours in a warm kitchen and all night in a cold one. Shape it \
into a ball, let it rise once more, and bake it in a very hot oven for forty minutes. It is done when it sounds \
hollow if you knock on the bottom. Do not cut it while it is hot: the crumb is still setting, and it will be \
gummy.

"You said that you would be home by six," said Marta. She did not look up from the letter.
"I know what I said." Jonas put his hat on the table, then thought better of it and hung it on the hook. "The \
bridge was closed. They think that one of the piers has moved."
"Moved? Where would it move to?"
"Down the river, I suppose. It's the flood. They won't let anything across that is heavier than a bicycle." He \
sat down opposite her. "Who is the letter from?"
She folded it in half, and then in half again. "From your brother. He wants to sell the mill."

A computer stores a number as a row of switches, each of which is either on or off. With eight switches one can \
write 256 different numbers, with sixteen 65,536, and each further switch doubles the count. Letters are numbers \
too: somebody decided that 65 should stand for a capital A, 66 for B, and so on. For many years there was a \
separate list for every language, and a text that was written with one list and read with another came out as \
nonsense. Today nearly everyone uses a single list that holds more than a hundred thousand characters, from \
Greek letters to musical notes. The most common of them are still stored in eight switches, the rarer ones in \
sixteen, twenty-four or thirty-two. A program that cuts a text in the middle of such a character will show a \
question mark where a letter should be.

for item in basket:
    price = item.price * item.count
    total = total + price
    print(item.name, price)

The treaty of 1648 ended two wars at once. One had been fought for eighty years between Spain and the provinces \
that became the Dutch Republic, the other for thirty years in the middle of Europe between almost everybody. The \
envoys could not agree on who should enter a room first, so they met in two towns, thirty miles apart, and sent \
riders back and forth between them. It took four years. When the papers were finally signed, some villages had \
lost two thirds of their people, mostly to hunger and disease. What the treaty established was simple enough: \
every ruler was to settle the affairs of his own country, and the neighbours were to leave him to it. It was \
broken soon and often, but it was never quite forgotten, and lawyers still quote it.

Bees do not see red. To them a poppy is black, or would be, if it did not also shine in the ultraviolet, which \
we cannot see at all. A bee that has found a good field of flowers flies home and dances in the dark of the \
hive. The dance is a figure of eight, and the angle of its middle line against the vertical is the angle between \
the flowers and the sun. The longer the middle line takes, the further the way: about one second for a \
kilometre. The other bees crowd around and feel the dance with their feelers. Then they fly out, correct for the \
wind, and find the field, although none of them has ever been there. If clouds cover the sun, they read its \
place from the polarised light of a patch of blue sky. If there is no blue sky either, they stay at home.

Notice to all tenants. The water will be shut off on Thursday, 14 March, between 8:00 and 12:30, because the \
main valve in the cellar has to be replaced. Please fill a few bottles the evening before. When the water comes \
back it may be brown for some minutes; let it run until it is clear before you use the washing machine. If you \
have any questions, call the caretaker, Mr. Petersen, at extension 27, or leave a note in his box on the ground \
floor. We apologise for the trouble and thank you for your patience.
"""
