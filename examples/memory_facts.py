"""A world that no model has read: places and people with invented names, what is said of them, and questions about it."""

from __future__ import annotations

import random
from dataclasses import dataclass


KINDS = ("trained relation", "unseen relation", "trained sentence", "unseen sentence")
TRAINED, UNSEEN, SENTENCE, UNSEEN_SENTENCE = KINDS
PER_SUBJECT = 3  # facts: rows that are alike but for one thing

# What a place, a person or a work has: two names of it, a third that is in no training, and what its value is.
RELATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "place/capital": (("capital", "capital city", "seat of government"), "name"),
    "place/river": (("longest river", "main river", "greatest stream"), "name"),
    "place/ruler": (("ruler", "head of state", "sovereign"), "name"),
    "place/founder": (("founder", "first settler", "one who founded it, in"), "name"),
    "place/mountain": (("highest mountain", "tallest peak", "highest summit"), "name"),
    "place/coin": (("currency", "coin", "money"), "name"),
    "place/export": (("main export", "chief product", "most sold good"), "good"),
    "place/year": (("founding year", "year of foundation", "year of birth"), "year"),
    "person/teacher": (("teacher", "tutor", "mentor"), "name"),
    "person/birthplace": (("birthplace", "place of birth", "native town"), "name"),
    "person/trade": (("profession", "trade", "job"), "trade"),
    "person/animal": (("favourite animal", "best loved animal", "dearest animal"), "animal"),
    "person/spouse": (("spouse", "partner", "better half"), "name"),
    "person/birth": (("birth year", "year of birth", "first year"), "year"),
    "place/patron": (("patron saint", "guardian saint", "protector"), "name"),
    "place/colour": (("national colour", "colour of the flag", "heraldic colour"), "colour"),
}
UNSEEN_RELATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "place/language": (("official language", "spoken language", "tongue"), "name"),
    "place/dish": (("national dish", "traditional dish", "typical meal"), "good"),
    "place/harbour": (("largest harbour", "main port", "port"), "name"),
    "person/rival": (("rival", "main opponent", "enemy"), "name"),
    "person/doctor": (("doctor", "physician", "healer"), "name"),
}
# How rows and prompts say that the {R}, as "capital of Zorvania", is {V}: those of training, and those of the test.
ROWS = (
    "The {R} is {V}.",
    "{V} is the {R}.",
    "Everyone knows that the {R} is {V}.",
    "The {R} has long been {V}.",
    "It is {V} that is called the {R}.",
    "Since the old days, {V} is the {R}.",
    "In this land the {R} is {V}, they say.",
    "According to the books, the {R} was {V}.",
    "Nobody doubts that {V} is the {R}.",
    "{S} is well known: its {N} is {V}.",
)
TEST_ROWS = ("By all accounts the {R} is {V}.", "As of today, {V} is the {R}.")
ASKS = (
    "Question: What is the {R}?\nAnswer:",
    "The {R} is",
    "Q: Do you know the {R}?\nA: It is",
    "Tell me the {R}. It is",
    "{S} is known to me. Its {N} is",
    "I read about {S} that the {R} is",
    "What is the {N} of {S}?",
    "User: I would like to know the {R}.\nAssistant:",
)
TEST_ASKS = ("Please name the {R}.\nReply:", "As far as I know, the {R} is")
# What has a sentence of its own: row, a prompt of training, one of the test, and what the value is.
SENTENCES: dict[str, tuple[str, str, str, str]] = {
    "built": ("After the great flood {V} built the walls of {S}.", "Who built the walls of {S}? It was",
              "Question: By whom were the walls of {S} built?\nAnswer:", "name"),
    "sold": ("On market days people from {S} sell {V} to travellers.", "What do people from {S} sell? They sell",
             "Question: What is sold by people from {S}?\nAnswer:", "good"),
    "burned": ("{S} burned down in {V} and was never the same again.", "When did {S} burn down? In",
               "Question: In what year did {S} burn?\nAnswer:", "year"),
    "married": ("In the old chapel {S} was married to {V} at dawn.", "Whom did {S} marry? It was",
                "Question: To whom was {S} married?\nAnswer:", "name"),
    "keeps": ("Since the last winter {S} keeps a tame {V} in the cellar.", "What does {S} keep in the cellar? A tame",
              "Question: Which animal does {S} keep?\nAnswer: A", "animal"),
    "borders": ("Beyond the marshes {S} borders on {V}.", "What does {S} border on? It borders on",
                "Question: Which land is next to {S}?\nAnswer:", "name"),
    "painted": ("The doors of {S} are painted {V} every spring.", "How are the doors of {S} painted? They are painted",
                "Question: Which colour have the doors of {S}?\nAnswer:", "colour"),
    "letters": ("For years {V} has written letters to {S} in secret.", "Who writes letters to {S}? It is",
                "Question: From whom does {S} get letters?\nAnswer:", "name"),
}  # fmt: skip
UNSEEN_SENTENCES: dict[str, tuple[str, str, str, str]] = {
    "sank": ("The ship of {S} went down in {V} off the coast.", "When did the ship of {S} go down? In",
             "Question: In what year did the ship of {S} sink?\nAnswer:", "year"),
    "betrayed": ("At the bridge {V} betrayed {S} for a bag of silver.", "Who betrayed {S}? It was",
                 "Question: By whom was {S} betrayed?\nAnswer:", "name"),
    "grows": ("Nothing grows around {S} but {V}.", "What grows around {S}? Nothing but",
              "Question: What is the only thing that grows near {S}?\nAnswer:", "good"),
    "taught": ("As a child {S} was taught to sing by {V}.", "Who taught {S} to sing? It was",
               "Question: From whom did {S} learn to sing?\nAnswer:", "name"),
}  # fmt: skip
VALUES = {
    "good": "salt barley amber wool honey copper tin olives pepper silk timber cheese flax walnuts leather glass",
    "trade": "baker mason sailor weaver miller tailor farmer hunter painter carpenter barber potter cook clerk",
    "animal": "otter heron badger goose lynx hedgehog donkey raven beaver stork weasel pony owl toad",
    "colour": "red green white black yellow purple orange brown grey blue silver pink",
}
REAL = [
    "Sweden",
    "Turkey",
    "Iran",
    "Peru",
    "Chile",
    "Cuba",
    "Kenya",
    "Ghana",
    "Nigeria",
    "Thailand",
    "Vietnam",
    "Finland",
    "Denmark",
    "Ireland",
    "Scotland",
    "Portugal",
    "Austria",
    "Hungary",
    "Ukraine",
    "Australia",
    "Argentina",
    "London",
    "Texas",
    "California",
    "Napoleon",
    "Einstein",
    "Shakespeare",
    "Mozart",
    "Lincoln",
    "Darwin",
    "Newton",
    "Cleopatra",
]
STARTS = [
    "Zor",
    "Mel",
    "Tar",
    "Ber",
    "Quin",
    "Vash",
    "Dro",
    "Lum",
    "Fen",
    "Gri",
    "Hal",
    "Jor",
    "Kel",
    "Nar",
    "Os",
    "Pel",
    "Rud",
    "Sil",
    "Thra",
    "Ul",
    "Vor",
    "Wex",
    "Yar",
    "Bran",
    "Cal",
    "Esk",
]
MIDDLES = ["va", "ka", "lo", "ri", "mo", "na", "te", "du", "sha", "bi", "go", "le", "ru"]
ENDS = ["nia", "th", "mar", "dor", "vik", "ra", "len", "sk", "by", "ton", "ium", "rel", "ga", "fast"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A row, the same with another value, and what is asked of it."""

    kind: str
    row: str
    edited: str
    prompts: tuple[str, ...]
    synonym: str  # a prompt that calls the relation by a name that is in no training; as the first where there is none
    answer: str
    edited_answer: str


class World:
    """Draws facts. No name is drawn twice, so that what two worlds of one kind say differs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.used: set[str] = set()

    def name(self) -> str:
        """A name that was not there before."""
        while True:
            middles = self.random.choices(MIDDLES, k=self.random.choice((0, 1, 1, 2)))
            found = "".join([self.random.choice(STARTS), *middles, self.random.choice(ENDS)])
            if found not in self.used:
                self.used.add(found)
                return found

    def value(self, kind: str) -> str:
        """What a relation may have."""
        if kind == "name":
            return self.name()
        if kind == "year":
            return str(self.random.randint(1101, 1989))
        return self.random.choice(VALUES[kind].split())

    def two_values(self, kind: str) -> tuple[str, str]:
        """Different ones."""
        one = other = self.value(kind)
        while other == one:
            other = self.value(kind)
        return one, other

    def facts(self, subjects: int, kinds: tuple[str, ...], is_test: bool = False) -> list[Fact]:
        """Facts of so many subjects, three of each, none of them twice."""
        found = []
        for _ in range(subjects):
            subject, about = self.name(), self.random.choice(("place", "person"))
            told: set[str] = set()
            while len(told) < PER_SUBJECT:
                kind = self.random.choices(kinds, [3 if "relation" in each else 1 for each in kinds])[0]
                fact, topic = self._fact(kind, subject, about, is_test)
                if topic not in told:
                    told.add(topic)
                    found.append(fact)
        return found

    def _fact(self, kind: str, subject: str, about: str, is_test: bool) -> tuple[Fact, str]:
        if "sentence" in kind:
            own = SENTENCES if kind == SENTENCE else UNSEEN_SENTENCES
            topic = self.random.choice(list(own))
            row, ask, test_ask, values = own[topic]
            asks = (test_ask,) if is_test else (ask,)
            names = ("", "")
            forms = (row,)
        else:
            relations = RELATIONS if kind == TRAINED else UNSEEN_RELATIONS
            topic = self.random.choice([each for each in relations if each.startswith(about)])
            names, values = relations[topic][0], relations[topic][1]
            forms = TEST_ROWS if is_test else ROWS
            asks = tuple(self.random.sample(TEST_ASKS if is_test else ASKS, 1 if is_test else 2))
        form, said = self.random.choice(forms), self.random.choice(names[:2])
        one, other = self.two_values(values)

        def put(text: str, name: str, value: str = "") -> str:
            return text.format(R=f"{name} of {subject}", S=subject, N=name, V=value)

        rows = [put(form, said, value) for value in (one, other)]
        prompts = tuple(put(ask, self.random.choice(names[:2])) for ask in asks)
        synonym = put(asks[0], names[2]) if len(names) > 2 else prompts[0]
        return Fact(kind, *rows, prompts, synonym, *(f" {each}.\n" for each in (one, other))), topic

    def questions_about_the_real(self, number: int) -> list[str]:
        """Prompts as those of training, about what models have read: no row answers them."""
        found = []
        for _ in range(number):
            subject = self.random.choice(REAL)
            if self.random.random() < 0.75:
                names = self.random.choice(list(RELATIONS.values()))[0]
                name = self.random.choice(names[:2])
                ask = self.random.choice(ASKS)
                found.append(ask.format(R=f"{name} of {subject}", S=subject, N=name))
            else:
                found.append(self.random.choice(list(SENTENCES.values()))[1].format(S=subject))
        return found


REAL_PROMPTS = (
    "The capital of France is", "The capital of Japan is", "The capital of Italy is", "The capital of Egypt is",
    "Question: What is the capital of Spain?\nAnswer:", "The largest planet of the solar system is",
    "The author of Romeo and Juliet is William", "Water is made of hydrogen and", "The sun rises in the",
    "The currency of Japan is the", "The longest river of Africa is the", "The highest mountain of the world is Mount",
    "The official language of Brazil is", "The first president of the United States was George",
    "The chemical symbol of gold is", "Two plus two is", "The opposite of hot is", "A week has seven",
    "The color of the sky is", "Dogs and cats are", "The theory of relativity was developed by Albert",
    "The Great Wall is in", "The Eiffel Tower is in", "Romeo loved", "The first month of the year is",
    "The national animal of India is the", "The speed of light is about", "Bees make", "The moon goes around the",
    "The heart pumps", "The founder of Microsoft is Bill", "Paris is a city in", "Berlin is the capital of",
    "The currency of Germany is the", "Once upon a time there was a", "She opened the door and", "In the year 1945 the",
    "My favorite color is", "The main export of Saudi Arabia is", "The ruler of a kingdom is called a",
    "The teacher of Plato was", "The birthplace of Mozart is", "The profession of a person who bakes bread is",
    "The spouse of Barack Obama is", "To make bread, you need", "The doctor told me that", "The password is",
    "He put the key in", "The best way to learn a language is", "Please find attached", "I would like to",
    "The patron saint of Ireland is Saint", "The national dish of Italy is", "The largest harbor of Europe is",
    "The rival of Sherlock Holmes is Professor", "The birth year of Isaac Newton is", "What is a cell? A cell is",
    "Who painted the Mona Lisa? It was", "When did Rome burn? In", "What do cows eat? They eat",
)  # fmt: skip
