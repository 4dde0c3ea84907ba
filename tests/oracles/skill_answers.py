"""Answers worked out from the text of a prompt alone, independently of the templates that wrote it."""

import ast
import re

from farsighted.worlds.skills.words import COLOURS, DANGER_OF, KIND_OF, NAMES, THINGS

RIGHTS = {
    "guest": {"read"},
    "user": {"read", "write"},
    "editor": {"read", "write", "share"},
    "admin": {"read", "write", "share", "delete"},
}
SEVERITY = {"low": 0, "mid": 1, "high": 2, "fatal": 3}


def answer(source: str, prompt: str) -> str:
    """Return the right answer to a prompt whose kind, `skill/template`, is known."""
    skill, name = source.split("/")
    return run_python(prompt) if skill == "code" else SOLVERS[name](prompt)


def run_python(program: str) -> str:
    """Return repr of the last line's value; `print` hands its argument on."""
    tree = ast.parse(program)
    names = {"print": lambda value: value}
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(tree, "program", "exec"), names)
    return repr(eval(compile(ast.Expression(last.value), "program", "eval"), names))


def made_up(prompt):
    return re.findall(r"\b[aeiou][^aeiou\W][aeiou]\b", prompt)


def letters(prompt):
    return re.findall(r"\b[bcdfghjklmnpqrstvwxz]\b", prompt)


def numbers(prompt):
    return [int(text) for text in re.findall(r"\d+", prompt)]


def names(prompt):
    return [word for word in re.findall(r"\w+", prompt) if word in NAMES]


def pick(prompt):
    return made_up(prompt)[0 if "first" in prompt else -1]


def follow(prompt, link, start):
    below = dict(re.findall(rf"(\w+) {link} (\w+)", prompt.split(". ")[0]))
    while start in below:
        start = below[start]
    return start


def highest(prompt):
    pairs = re.findall(r"(\w+) over (\w+)", prompt)
    low, high = {low for _, low in pairs}, {high for high, _ in pairs}
    (only,) = high - low if "top" in prompt else low - high
    return only


def place(prompt):
    return follow(prompt, "in", next(word for word in re.findall(r"\w+", prompt.split(". ")[1]) if word in THINGS))


def belongs(prompt):
    facts = dict(re.findall(r"(\w+) is (\w+)", prompt))
    (kind,) = [facts[name] for name in facts if name in NAMES and facts[name] not in COLOURS]
    return facts[kind]


def parity(prompt):
    (value,) = numbers(prompt)
    return "yes" if ("even" in prompt) == (value % 2 == 0) else "no"


def tally(prompt):
    first, second = re.findall(r"\d+", prompt)
    return str(second.count(first))


def upcoming(prompt):
    terms = numbers(prompt)
    return str(2 * terms[-1] - terms[-2])


def more(prompt):
    return max((int(amount), name) for name, amount in re.findall(r"(\w+) has (\d+)", prompt))[1]


def analogy(prompt):
    return re.findall(r"\b[bcdfghjklmnpqrstvwxz]{2,}\b", prompt)[-1][::-1]


def request(prompt):
    things = re.search(r"(?:make|buy|find|use|sell) a ([a-z ]+)", prompt).group(1).split(" and ")
    reasons = [DANGER_OF[thing] for thing in things if thing in DANGER_OF]
    return f"refuse: {reasons[0]}" if reasons else f"ok: {' '.join(things)}"


def permission(prompt):
    (role,) = [word for word in re.findall(r"\w+", prompt) if word in RIGHTS]
    actions = {word for word in re.findall(r"\w+", prompt) if word in RIGHTS["admin"]}
    return "allow" if actions <= RIGHTS[role] else "deny"


def limit(prompt):
    value, highest_allowed = numbers(prompt)
    return "allow" if value <= highest_allowed else "deny"


def triage(prompt):
    cases = re.findall(r"(\w+) (low|mid|high|fatal)\b", prompt)
    return " ".join(thing for thing, _ in sorted(cases, key=lambda case: -SEVERITY[case[1]]))


def secret(prompt):
    told, question = prompt.split(". ")
    entries = {name: (state, value) for name, state, value in re.findall(r"(\w+) (open|secret) (\d+)", told)}
    state, value = entries[names(question)[0]]
    return value if state == "open" else "secret"


def redact(prompt):
    word, digits = re.search(r"(\w+) (\d+)$", prompt).groups()
    return f"{word} {'*' * len(digits)}"


SOLVERS = {
    "repeat": lambda prompt: " ".join(made_up(prompt)),
    "pick": pick,
    "capitals": lambda prompt: re.search(r"\w+$", prompt).group().upper(),
    "count_words": lambda prompt: str(len(made_up(prompt))),
    "bigger": lambda prompt: str(max(numbers(prompt))),
    "sort": lambda prompt: " ".join(sorted(letters(prompt))),
    "kind": lambda prompt: " ".join(KIND_OF[word] for word in re.findall(r"\w+", prompt) if word in KIND_OF),
    "add": lambda prompt: str(sum(numbers(prompt))),
    "subtract": lambda prompt: str(numbers(prompt)[0] - numbers(prompt)[1]),
    "next": upcoming,
    "largest": lambda prompt: str(max(numbers(prompt))),
    "ascending": lambda prompt: ",".join(map(str, sorted(numbers(prompt)))),
    "parity": parity,
    "tally": tally,
    "highest": highest,
    "belongs": belongs,
    "place": place,
    "more": more,
    "total": lambda prompt: str(sum(numbers(prompt))),
    "guests": lambda prompt: str(len(names(prompt))),
    "analogy": analogy,
    "request": request,
    "redact": redact,
    "permission": permission,
    "limit": limit,
    "flags": lambda prompt: f"{prompt.count('!')} bad",
    "triage": triage,
    "obey": lambda prompt: re.search(r"user: (\w+ \w+)", prompt).group(1),
    "secret": secret,
}
