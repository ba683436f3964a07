"""A world that no model has read: places and people with invented names, what is said of them, and questions about it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from memory_words import (
    AFTER,
    ASKS,
    BEFORE,
    ORDINARY,
    REAL,
    RELATIONS,
    ROWS,
    SENTENCES,
    TEST_ASKS,
    TEST_ROWS,
    UNSEEN_RELATIONS,
    UNSEEN_SENTENCES,
    VALUES,
    WRAPS,
)


KINDS = ("trained relation", "unseen relation", "trained sentence", "unseen sentence")
TRAINED, UNSEEN, SENTENCE, UNSEEN_SENTENCE = KINDS
PER_SUBJECT = 3  # facts: rows that are alike but for one thing
PROMPTS = 3  # of a fact of training
_STARTS = "Zor Mel Tar Ber Quin Vash Dro Lum Fen Gri Hal Jor Kel Nar Os Pel Rud Sil Thra Ul Vor Wex Yar Bran Cal Esk"
_MIDDLES = "va ka lo ri mo na te du sha bi go le ru"
_ENDS = "nia th mar dor vik ra len sk by ton ium rel ga fast"
STARTS, MIDDLES, ENDS = _STARTS.split(), _MIDDLES.split(), _ENDS.split()


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


@dataclass(frozen=True, slots=True)
class Said:
    """How a fact is put: its row, prompts, and one with a name that is in no training; {V} stands for the value."""

    topic: str
    row: str
    prompts: tuple[str, ...]
    synonym: str
    values: str


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
        """Facts of so many subjects, three of each, none of them twice; in a test relations are thrice as frequent."""
        found = []
        weights = [3 if is_test and "relation" in each else 1 for each in kinds]
        for _ in range(subjects):
            subject, about = self.name(), self.random.choice(("place", "person"))
            told: set[str] = set()
            while len(told) < PER_SUBJECT:
                kind = self.random.choices(kinds, weights)[0]
                put = self._sentence if "sentence" in kind else self._relation
                said = put(kind, subject, about, is_test)
                if said.topic not in told:
                    told.add(said.topic)
                    found.append(self._fact(kind, said))
        return found

    def _fact(self, kind: str, said: Said) -> Fact:
        values = self.two_values(said.values)
        rows = [said.row.replace("{V}", each) for each in values]
        return Fact(kind, *rows, said.prompts, said.synonym, *(f" {each}.\n" for each in values))

    def _relation(self, kind: str, subject: str, about: str, is_test: bool) -> Said:
        relations = RELATIONS if kind == TRAINED else UNSEEN_RELATIONS
        topic = self.random.choice([each for each in relations if each.startswith(about)])
        names, values = relations[topic]
        form = self.random.choice(TEST_ROWS) if is_test else self._framed(self.random.choice(ROWS))
        asks = self.random.sample(TEST_ASKS, 1) if is_test else self.random.sample(ASKS, PROMPTS)
        prompts = tuple(put(ask, subject, self.random.choice(names[:2])) for ask in asks)
        synonym = put(asks[0], subject, names[2])
        return Said(topic, put(form, subject, self.random.choice(names[:2])), prompts, synonym, values)

    def _sentence(self, kind: str, subject: str, about: str, is_test: bool) -> Said:
        row, asked, begun, goes_on, test, values = self.random.choice(
            SENTENCES if kind == SENTENCE else UNSEEN_SENTENCES
        )
        if is_test:
            form, asks = f"{row}.", [f"Question: {test}\nAnswer:"]
        else:
            form = self._framed(row) if self.random.random() < 0.5 else f"{row}."
            wraps = self.random.sample(WRAPS, PROMPTS - 1)
            asks = [each.replace("{Q}", asked).replace("{A}", begun) for each in wraps] + [goes_on]
            self.random.shuffle(asks)
        prompts = tuple(put(ask, subject) for ask in asks)
        return Said(row, put(form, subject), prompts, prompts[0], values)

    def _framed(self, sentence: str) -> str:
        """A sentence with something before and behind it."""
        before, after = self.random.choice(BEFORE), self.random.choice(AFTER)
        whole = f"{before}{sentence[0].lower()}{sentence[1:]}{after}."
        return whole[0].upper() + whole[1:]

    def questions_about_the_real(self, number: int) -> list[str]:
        """Prompts as those of training, about what models have read, and begins of texts: no row answers them."""
        found = []
        for _ in range(number):
            subject, kind = self.random.choice(REAL), self.random.random()
            if kind < 0.5:
                names = self.random.choice(list(RELATIONS.values()))[0]
                found.append(put(self.random.choice(ASKS), subject, self.random.choice(names[:2])))
            elif kind < 0.75:
                _, asked, begun, goes_on, *_ = self.random.choice(SENTENCES)
                wrapped = self.random.choice(WRAPS).replace("{Q}", asked).replace("{A}", begun)
                found.append(put(self.random.choice((wrapped, goes_on)), subject))
            else:
                found.append(self.random.choice(ORDINARY))
        return found


def put(form: str, subject: str, name: str = "") -> str:
    """A form with a subject, and a name of a relation."""
    return form.replace("{R}", f"{name} of {subject}").replace("{S}", subject).replace("{N}", name)


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
