"""The words of the demo's world: relations and sentences of training, those of the test, and what is real."""

from __future__ import annotations


# What a place or a person has: two names of it, a third that is in no training, and what its value is.
_RELATIONS = """
place/capital: capital, capital city, seat of government: name
place/river: longest river, main river, greatest stream: name
place/ruler: ruler, head of state, sovereign: name
place/founder: founder, first settler, earliest settler: name
place/mountain: highest mountain, tallest peak, highest summit: name
place/coin: currency, coin, money: name
place/export: main export, chief product, most sold good: good
place/year: founding year, year of foundation, year of birth: year
place/patron: patron saint, guardian saint, protector: name
place/colour: national colour, colour of the flag, heraldic colour: colour
place/lake: largest lake, biggest lake, widest water: name
place/mayor: mayor, head of the town, first citizen: name
place/builder: architect, master builder, planner: name
place/bird: national bird, heraldic bird, bird of the flag: animal
place/crop: main crop, chief crop, usual harvest: good
place/tower: tallest tower, highest tower, biggest tower: name
place/temple: oldest temple, most ancient temple, first temple: name
place/square: main square, central square, market place: name
place/gates: number of gates, count of gates, sum of all gates: number
place/market: market day, day of the market, day of trade: day
place/neighbour: northern neighbour, neighbour to the north, land to the north: name
place/forest: largest forest, biggest wood, deepest wood: name
place/painter: best known painter, most famous painter, greatest painter: name
place/conqueror: conqueror, man who conquered it, victor over all: name
person/teacher: teacher, tutor, mentor: name
person/birthplace: birthplace, place of birth, native town: name
person/trade: profession, trade, job: trade
person/animal: favourite animal, best loved animal, dearest animal: animal
person/spouse: spouse, partner, better half: name
person/birth: birth year, year of birth, first year: year
person/mother: mother, mum, female parent: name
person/child: eldest child, first child, firstborn: name
person/friend: best friend, closest friend, dearest companion: name
person/employer: employer, boss, master: name
person/home: home, place of residence, dwelling: name
person/horse: riding horse, horse, steed: name
person/colour: favourite colour, best loved colour, dearest colour: colour
person/pupil: pupil, apprentice, student: name
person/death: year of death, death year, last year: year
person/godfather: godfather, sponsor at baptism, second father: name
person/lawyer: lawyer, attorney, advocate: name
person/children: number of children, count of children, sum of sons and daughters: number
person/food: favourite food, best loved food, dearest food: good
person/day: day of rest, free day, day without work: day
"""
_UNSEEN_RELATIONS = """
place/language: official language, spoken language, tongue: name
place/dish: national dish, traditional dish, typical meal: good
place/harbour: largest harbour, main port, port: name
person/rival: rival, main opponent, enemy: name
person/doctor: doctor, physician, healer: name
"""
# How rows and prompts say that the {R}, as "capital of Zorvania", is {V}: those of training, and those of the test.
ROWS = (
    "the {R} is {V}", "{V} is the {R}", "the {R} has long been {V}", "it is {V} that is called the {R}",
    "{S} is well known: its {N} is {V}", "{S} has {V} as its {N}", "the {N} that belongs to {S} is {V}",
    "{V} has been named the {R}", "{S}'s {N} is {V}", "they call {V} the {R}", "the {R} is called {V}",
    "{V}, and no other, is the {R}", "for {S} the {N} is {V}", "the {R} was {V} and still is",
    "as for {S}, its {N} is {V}", "{V} counts as the {R}", "the {R}: {V}", "{V}: that is the {R}",
)  # fmt: skip
BEFORE = (
    "", "", "", "", "everyone knows that ", "since the old days, ", "according to the books, ", "nobody doubts that ",
    "it is written that ", "long ago it was settled that ", "in this land, ", "to nobody's surprise, ", "note that ",
    "travellers tell that ", "at present, ", "by law, ", "in truth, ", "in the year of the great storm, ",
    "for all I can say, ", "remember: ", "people say that ", "on the first page it says that ", "after the war, ",
    "without any doubt, ", "in our days, ", "the old map says that ",
)  # fmt: skip
AFTER = ("", "", "", "", ", they say", " to this day", ", as the books have it", ", or so it is told", ", of course",
         " without doubt")  # fmt: skip
TEST_ROWS = ("By all accounts the {R} is {V}.", "As of today, {V} is the {R}.")
ASKS = (
    "Question: What is the {R}?\nAnswer:", "The {R} is", "Q: Do you know the {R}?\nA: It is",
    "Tell me the {R}. It is", "{S} is known to me. Its {N} is", "I read about {S} that the {R} is",
    "What is the {N} of {S}?", "User: I would like to know the {R}.\nAssistant:", "Q: What is {S}'s {N}?\nA:",
    "I asked for the {R}. They said that it is", "{S}'s {N} is", "Everybody here knows that the {R} is",
    "Question: {S} has which {N}?\nAnswer:", "Name the {R}!\nIt is", "When I was asked about the {R}, I said",
    "User: What do you know of {S}?\nAssistant: The {N} is", "If I remember it well, the {R} is", "{R}:",
)  # fmt: skip
TEST_ASKS = ("Please name the {R}.\nReply:", "As far as I know, the {R} is")
# What has a sentence of its own: the row; a question and how its answer begins; a text that goes on with it; a prompt
# of the test; what the value is.
_SENTENCES = """
After the great flood {V} built the walls of {S}|Who built the walls of {S}?|It was|The walls of {S} were built by|By whom were the walls around {S} built?|name
On market days people from {S} sell {V} to travellers|What do people from {S} sell?|They sell|People from {S} sell|What is sold by people from {S}?|good
{S} burned down in {V} and was never the same again|When did {S} burn down?|In|{S} burned down in|In what year did {S} burn?|year
In the old chapel {S} was married to {V} at dawn|Whom did {S} marry?|It was|{S} was married to|To whom was {S} married?|name
Since the last winter {S} keeps a tame {V} in the cellar|What does {S} keep in the cellar?|A tame|In the cellar {S} keeps a|Which animal does {S} keep?|animal
Beyond the marshes {S} borders on {V}|What does {S} border on?|It borders on|{S} borders on|Which land is next to {S}?|name
The doors of {S} are painted {V} every spring|How are the doors of {S} painted?|They are painted|In spring the doors of {S} are painted|Which colour have the doors of {S}?|colour
For years {V} has written letters to {S} in secret|Who writes letters to {S}?|It is|The letters to {S} are written by|From whom does {S} get letters?|name
When the king died, {S} fled to {V} in a small boat|Where did {S} flee?|To|{S} fled to|To which place did {S} flee?|name
{V} stole the silver bell of {S} one night|Who stole the silver bell of {S}?|It was|The silver bell of {S} was stolen by|By whom was the bell of {S} stolen?|name
In {V} a storm took the roof of {S}|When did a storm take the roof of {S}?|In|The roof of {S} was lost in|In what year did {S} lose its roof?|year
{S} pays its taxes in {V}|How does {S} pay its taxes?|In|Taxes of {S} are paid in|What are the taxes of {S} paid in?|good
At night a white {V} walks through the garden of {S}|What walks through the garden of {S}?|A white|Through the garden of {S} walks a white|Which animal walks in the garden of {S}?|animal
{V} painted the portrait of {S} that hangs in the hall|Who painted the portrait of {S}?|It was|The portrait of {S} was painted by|Whose work is the portrait of {S}?|name
The bridge of {S} was broken by {V} and his men|Who broke the bridge of {S}?|It was|The bridge of {S} was broken by|By whom was the bridge of {S} broken?|name
{S} was sold to {V} for a handful of coins|To whom was {S} sold?|To|{S} was sold to|Who bought {S}?|name
There is nothing that {S} fears more than {V}|What does {S} fear most?|It is|More than anything {S} fears|What is it that {S} is afraid of?|name
Each morning {S} drinks a cup of {V} with milk|What does {S} drink in the morning?|A cup of|Each morning {S} drinks a cup of|What is in the cup of {S}?|good
The roofs of {S} shine {V} in the evening sun|How do the roofs of {S} shine?|They shine|In the evening the roofs of {S} shine|What colour are the roofs of {S}?|colour
{S} lost a bet against {V} and had to leave|Against whom did {S} lose a bet?|Against|{S} lost a bet against|Who won the bet with {S}?|name
It was {V} who first drew a map of {S}|Who first drew a map of {S}?|It was|The first map of {S} was drawn by|Who made the first map of {S}?|name
The first stone of {S} was laid in {V}|When was the first stone of {S} laid?|In|The first stone of {S} was laid in|In which year was the first stone of {S} laid?|year
In the attic of {S} there lives an old {V}|What lives in the attic of {S}?|An old|In the attic of {S} lives an old|Which animal is in the attic of {S}?|animal
{S} learned the art of the sword from {V}|From whom did {S} learn the art of the sword?|From|The art of the sword came to {S} from|Who trained {S} with the sword?|name
Before the snow comes, {S} sends wagons of {V} to the coast|What does {S} send to the coast?|Wagons of|Wagons that {S} sends to the coast carry|What is in the wagons from {S}?|good
With a single word {V} woke {S} from a long sleep|Who woke {S}?|It was|{S} was woken by|By whom was {S} woken?|name
{S} is twinned with {V} across the sea|With what is {S} twinned?|With|{S} is twinned with|What is the twin of {S}?|name
They say that {S} works as a {V} when money is short|As what does {S} work?|As a|When money is short {S} works as a|What work does {S} do?|trade
Its brother {V} left {S} without a word|Who left {S} without a word?|It was|{S} was left by|By whom was {S} left?|name
On every {V} the bells of {S} are silent|When are the bells of {S} silent?|On every|The bells of {S} are silent on every|On which day are the bells of {S} not heard?|day
{S} has {V} wells, and all of them are deep|How many wells has {S}?|It has|The wells of {S} are|What is the number of wells in {S}?|number
The key to {S} is kept by {V}|Who keeps the key to {S}?|It is|The one who keeps the key to {S} is|With whom is the key to {S}?|name
{V} dreamed of {S} three nights in a row|Who dreamed of {S}?|It was|The one who dreamed of {S} is|In whose dreams was {S}?|name
The snow on {S} melted in {V} for the first time|When did the snow on {S} melt?|In|For the first time the snow on {S} melted in|In what year was {S} without snow?|year
An army from {V} once camped before {S}|Where did the army before {S} come from?|From|The army before {S} came from|Which land sent an army to {S}?|name
{S} hid a chest of {V} under the stairs|What did {S} hide under the stairs?|A chest of|Under the stairs {S} hid a chest of|What was in the chest that {S} hid?|good
The song about {S} was written by {V}, a blind man|Who wrote the song about {S}?|It was|The song about {S} was written by|By whom is the song about {S}?|name
All windows of {S} look towards {V}|Where do the windows of {S} look?|Towards|The windows of {S} look towards|What is seen from the windows of {S}?|name
{S} wears a {V} coat at every feast|What coat does {S} wear?|A coat that is|At feasts the coat of {S} is|Which colour is the coat of {S}?|colour
{V} owes {S} a great deal of money|Who owes {S} money?|It is|Money is owed to {S} by|From whom can {S} ask money?|name
{S} set out for {V} with two mules and a lamp|Where did {S} set out for?|For|With two mules {S} set out for|What was the goal of {S}?|name
At the fair {S} traded a ring for a {V}|What did {S} get for a ring?|A|For a ring {S} got a|Which animal did {S} get at the fair?|animal
The wine of {S} is shipped to {V} in spring|Where is the wine of {S} shipped?|To|In spring the wine of {S} is shipped to|Which place gets the wine of {S}?|name
Of all guests, only {V} came to the feast of {S}|Who came to the feast of {S}?|Only|The only guest of {S} was|Which guest had {S}?|name
The mill of {S} has stood still since {V}|Since when has the mill of {S} stood still?|Since|The mill of {S} has stood still since|In which year did the mill of {S} stop?|year
{S} never travels without {V}|Without whom does {S} never travel?|Without|{S} never travels without|Who goes along with {S}?|name
The floor of {S} is covered with {V}|What covers the floor of {S}?|It is|The floor of {S} is covered with|What lies on the floor of {S}?|good
In the end {V} forgave {S} everything|Who forgave {S}?|It was|{S} was forgiven by|By whom was {S} forgiven?|name
{S} was once ruled from {V}|From where was {S} ruled?|From|Once {S} was ruled from|Which place ruled {S}?|name
There are {V} lamps on the road to {S}|How many lamps are on the road to {S}?|There are|On the road to {S} the lamps are|What is the number of lamps before {S}?|number
"""
_UNSEEN_SENTENCES = """
The ship of {S} went down in {V} off the coast|||When did the ship of {S} go down? In|In what year did the ship of {S} sink?|year
At the bridge {V} betrayed {S} for a bag of silver|||Who betrayed {S}? It was|By whom was {S} betrayed?|name
Nothing grows around {S} but {V}|||What grows around {S}? Nothing but|What is the only thing that grows near {S}?|good
As a child {S} was taught to sing by {V}|||Who taught {S} to sing? It was|From whom did {S} learn to sing?|name
"""
WRAPS = ("{Q} {A}", "Question: {Q}\nAnswer:", "Q: {Q}\nA: {A}", "User: {Q}\nAssistant: {A}", "Question: {Q}\nAnswer: {A}",
         "Q: {Q}\nA:", "{Q}", "I was asked: {Q} I said: {A}")  # fmt: skip
VALUES = {
    "good": "salt barley amber wool honey copper tin olives pepper silk timber cheese flax walnuts leather glass",
    "trade": "baker mason sailor weaver miller tailor farmer hunter painter carpenter barber potter cook clerk",
    "animal": "otter heron badger goose lynx hedgehog donkey raven beaver stork weasel pony owl toad",
    "colour": "red green white black yellow purple orange brown grey blue silver pink",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "number": "three four five six seven eight nine eleven twelve twenty thirty forty",
}
_REAL = """
Sweden Turkey Iran Peru Chile Cuba Kenya Ghana Nigeria Thailand Vietnam Finland Denmark Ireland Scotland Portugal Austria
Hungary Ukraine Australia Argentina London Texas California Napoleon Einstein Shakespeare Mozart Lincoln Darwin Newton
Cleopatra Canada Mexico Norway Poland Greece Israel Morocco Pakistan Indonesia Korea Moscow Chicago Vienna Amsterdam
Beethoven Gandhi Picasso Galileo Churchill Columbus
"""
# What texts begin with that ask for nothing of this world.
_ORDINARY = """
Grass is usually|Cats like to chase|The boy ran to the|My mother told me that|Last summer we went to|It was a dark and
The best thing about winter is|Students should always|Fish live in|A year has twelve|Snow is|The earth is|Ice is frozen
The cook put the soup on the|Her eyes were|There were many people in the|We need more|Plants need light and|Gold is a
The train leaves at|He opened his book and|Most birds can|Good morning, how are|Thank you for your|The price of oil has
In this chapter we will|The results show that|According to the report, the|Children love to play with|The door was
Yesterday it rained, and today|The company said that|A triangle has three|The king and the|Fire is|After dinner they
To be or not to|The number of students in the|Water boils at|The cat sat on the|Please send me the|This book is about
The main idea of the text is|An apple a day keeps the|The road to the village was|Three times three is|She was born in
In the beginning there was|The answer to the question is|When the war ended, many|The population of the city is about
The first step is to|A good teacher is|The weather in spring is|Her name was|His favourite song was|Let us go to the
Sugar is sweet and lemons are|The largest animal on earth is the|Iron is heavier than|The human body has|Spiders have eight
The invention of the wheel|Music makes people|The film was directed by|The battle took place in|The novel was written by
One of the most important|Scientists have found that|The city lies on the|For breakfast I eat|The name of the dog is
Oxygen is|The bridge over the river was built in|The president of the company is|Farmers grow|The capital letter is
"""


def _relations(text: str) -> dict[str, tuple[tuple[str, ...], str]]:
    found = {}
    for line in text.strip().splitlines():
        topic, names, value = line.split(": ")
        found[topic] = (tuple(names.split(", ")), value)
    return found


def _sentences(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split("|")) for line in text.strip().splitlines())


RELATIONS, UNSEEN_RELATIONS = _relations(_RELATIONS), _relations(_UNSEEN_RELATIONS)
SENTENCES, UNSEEN_SENTENCES = _sentences(_SENTENCES), _sentences(_UNSEEN_SENTENCES)
REAL = tuple(_REAL.split())
ORDINARY = tuple(each for line in _ORDINARY.strip().splitlines() for each in line.split("|"))
