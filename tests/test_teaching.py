"""What there is to teach with is true of the lessons: quizzes, times, needs, terms; and its pages are made."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import shlex
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from tusklite.cli import parser
from tusklite.cli.options import settings_given
from tusklite.data.published import PUBLISHED
from tusklite.experiments import get_experiment
from tusklite.settings import full_name

SITE = Path(__file__).resolve().parents[1] / "site"
TEACH = SITE / "teach"


def load_teaching():
    specification = importlib.util.spec_from_file_location("teaching", SITE / "teaching.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


TEACHING = load_teaching()
LESSONS = TEACHING.lessons()
NOTEBOOKS = sorted(path.stem for path in TEACHING.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
NAMES = sorted(lesson.name for lesson in LESSONS.values())
SCHEMA = json.loads((TEACH / "quiz.schema.json").read_text(encoding="utf-8"))
WRITTEN = sorted(TEACH.glob("*.md"))
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?<!,)")


@cache
def shown(name: str) -> str:
    """All that a reader of a lesson sees: prose, code, what it printed, and what its figures say."""
    seen = []
    for cell in json.loads((TEACHING.NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        seen.append("".join(cell["source"]))
        for output in cell.get("outputs", []):
            seen.append("".join(output.get("text", [])))
            seen.append("".join(output.get("data", {}).get("text/plain", [])))
            seen.append(output.get("metadata", {}).get("image/png", {}).get("alt", ""))
    return " ".join(" ".join(seen).split())


def header(name: str, begins: str) -> str:
    """A paragraph of a lesson's first cell."""
    (found,) = re.findall(rf"^\*\*{begins}\*\*(.*?)(?:\n\n|\Z)", TEACHING.markdown(name), re.MULTILINE | re.DOTALL)
    return " ".join(found.split())


def lessons_named(text: str) -> set[str]:
    """Numbers of lessons that a sentence names: "07", "lessons 02 and 03", "07 to 10"."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    spans = re.findall(r"\b(\d\d) to (\d\d)\b", text)
    numbers = set(re.findall(r"\b\d\d\b", text))
    return numbers | {f"{n:02}" for first, last in spans for n in range(int(first), int(last) + 1)}


def test_the_search_for_lessons_finds_them():
    assert lessons_named("lessons 07 to 09, from [04](04_a.ipynb) the network, 2,000 steps") == {"04", "07", "08", "09"}


# Lessons


def test_every_lesson_is_known():
    assert NOTEBOOKS == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_needs_what_its_header_says(name):
    about = TEACHING.read("lessons.yaml")[name]
    assert set(about["needs"]) | set(about.get("mentions", [])) == lessons_named(header(name, "You need"))
    assert all(needed < name[:2] for needed in about["needs"])


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_takes_what_its_header_says(name):
    about = TEACHING.read("lessons.yaml")[name]
    (takes,) = re.findall(r"\*\*It takes\*\*.*?(?=^\[|\Z)", TEACHING.markdown(name).split("\n## ")[0], re.DOTALL)
    assert about["says"] in " ".join(takes.split())
    parts = {"a quarter of an hour": 15, "as long again": 15, "half an hour": 30, "forty minutes": 40, "80 minutes": 80}
    parts |= {"three hours": 180, "two and a half hours": 150, "two hours": 120, "an hour and a quarter": 75}
    parts |= {"an hour and a half": 90, "an hour and three quarters": 105, "an hour": 60}
    words, minutes = about["says"].partition(":")[0], 0
    for part, value in sorted(parts.items(), key=lambda each: -len(each[0])):
        minutes += value * words.count(part)
        words = words.replace(part, "")
    assert minutes == about["minutes"]
    assert minutes >= sum(LESSONS[name[:2]].exercises.values()) + 15, "no time is left to read"


def test_exercises_have_times():
    for lesson in LESSONS.values():
        text = TEACHING.markdown(lesson.name)
        assert list(lesson.exercises) == re.findall(r"^### Exercise (\d+\.\d+)", text, re.MULTILINE)


# Quizzes


@pytest.mark.parametrize("name", NAMES)
def test_every_lesson_has_a_quiz_of_the_schema(name):
    quiz = TEACHING.read(f"quizzes/{name}.yaml")
    jsonschema.validate(quiz, SCHEMA)
    assert quiz["lesson"] == name
    for question in quiz["questions"]:
        texts = [answer["text"] for answer in question["answers"]]
        assert len(set(texts)) == len(texts)


def test_no_quiz_is_of_nothing():
    assert TEACHING.quiz_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_quiz_rests_on_what_the_lesson_shows(name):
    for question in TEACHING.read(f"quizzes/{name}.yaml")["questions"]:
        assert " ".join(question["source"].split()) in shown(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_quiz_quotes_no_number_that_the_lesson_does_not_show(name):
    there = set(NUMBER.findall(shown(name)))
    for question in TEACHING.read(f"quizzes/{name}.yaml")["questions"]:
        words = [question["question"], *(answer[part] for answer in question["answers"] for part in ("text", "why"))]
        assert set(NUMBER.findall(" ".join(words))) <= there


@pytest.mark.parametrize("name", NAMES)
def test_notes_quote_no_number_that_the_lesson_does_not_show(name):
    notes = json.loads((TEACH / "notes.json").read_text(encoding="utf-8"))[name]
    said = " ".join(text for part in (*notes["show"], *notes["questions"]) for text in part.values())
    assert set(NUMBER.findall(said)) <= set(NUMBER.findall(shown(name)))


def test_the_right_answer_is_not_to_be_guessed_by_its_letter():
    letters = [
        letter
        for name in NAMES
        for question in TEACHING.read(f"quizzes/{name}.yaml")["questions"]
        for letter, answer in TEACHING.lettered(question)
        if answer["right"]
    ]
    assert all(letters.count(letter) > len(letters) / 5 for letter in "ABC")


def spoilt(change: str) -> dict:
    quiz = copy.deepcopy(TEACHING.read(f"quizzes/{NAMES[0]}.yaml"))
    question = quiz["questions"][0]
    right = next(answer for answer in question["answers"] if answer["right"])
    wrong = next(answer for answer in question["answers"] if not answer["right"])
    if change == "four questions":
        quiz["questions"].pop()
    elif change == "six questions":
        quiz["questions"].append(question)
    elif change == "none right":
        right["right"] = False
    elif change == "two right":
        wrong["right"] = True
    elif change == "no reason":
        wrong["why"] = ""
    elif change == "no source":
        del question["source"]
    else:
        question["hint"] = "A word that is not known."
    return quiz


@pytest.mark.parametrize(
    "change", ["four questions", "six questions", "none right", "two right", "no reason", "no source", "more"]
)
def test_the_schema_refuses_another_quiz(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt(change), SCHEMA)


# Glossary


@pytest.mark.parametrize("entry", TEACHING.read("glossary.yaml"), ids=lambda entry: entry["term"])
def test_a_term_stands_in_the_lesson_that_introduces_it(entry):
    text = " ".join(TEACHING.markdown(LESSONS[entry["lesson"]].name).split())
    words = re.escape(entry.get("found_as", entry["term"]))
    assert re.search(rf"(?<!\w){words}", text, re.IGNORECASE)


@pytest.mark.parametrize("entry", TEACHING.read("glossary.yaml"), ids=lambda entry: entry["term"])
def test_a_term_has_one_sentence(entry):
    assert re.fullmatch(r"[A-Z][^.!?]*\.", entry["means"])


def test_no_term_stands_twice():
    terms = [entry["term"].lower() for entry in TEACHING.read("glossary.yaml")]
    assert len(set(terms)) == len(terms)


# Syllabi and the map


@pytest.mark.parametrize(("name", "weeks"), [("six_weeks", 6), ("twelve_weeks", 12)])
def test_a_syllabus_has_every_lesson_once_after_what_it_needs(name, weeks):
    plan = TEACHING.read("syllabi.yaml")[name]["weeks"]
    assert len(plan) == weeks
    order = [lesson for week in plan for lesson in week["lessons"]]
    assert sorted(order) == sorted(LESSONS)
    for lesson in order:
        assert all(order.index(needed) < order.index(lesson) for needed in LESSONS[lesson].needs)
    for week in plan:
        exercises = {exercise for lesson in week["lessons"] for exercise in LESSONS[lesson].exercises}
        assert set(week["hand_in"]) <= exercises


def test_no_week_is_twice_as_long_as_the_mean():
    for plan in TEACHING.read("syllabi.yaml").values():
        weeks = [sum(LESSONS[lesson].minutes for lesson in week["lessons"]) for week in plan["weeks"]]
        assert max(weeks) <= 2 * sum(weeks) / len(weeks)


def test_the_arrows_of_the_map_lead_to_all_that_a_lesson_needs():
    def reached(number: str) -> set[str]:
        nearest = {needed for needed, lesson in TEACHING.arrows() if lesson == number}
        return nearest.union(*(reached(needed) for needed in nearest))

    for number in LESSONS:
        assert reached(number) == TEACHING.all_before(number)


# Pages


def test_the_pages_are_as_they_are_made():
    for path, text in TEACHING.pages().items():
        assert path.read_text(encoding="utf-8") == text, "make teach"


@pytest.mark.parametrize("path", [*WRITTEN, *sorted(TEACH.glob("quizzes/*.md"))], ids=lambda path: path.stem)
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_every_command_is_one(path):
    text = path.read_text(encoding="utf-8")
    for line in re.findall(r"^python -m tusklite (.+)$", text, re.MULTILINE):
        arguments = parser().parse_args(shlex.split(line))
        if arguments.command == "course":
            continue
        experiment = get_experiment(arguments.experiment)
        if arguments.command == "departures":
            assert set(arguments.names) <= set(experiment.departures.rows)
            continue
        preset = experiment.preset(arguments.preset)
        names = [(full_name(word, preset.settings()), value) for word, value in arguments.settings]
        preset.with_settings(settings_given(names))
    for name in re.findall(r"tusklite data get ([a-z-]+)", text):
        assert PUBLISHED[name].files
