"""Where in a policy file something stands. The parser is Cedar's own; this finds the place its messages leave out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import cedarpy

from watchword.policy.errors import Problem

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n\r]*)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>[0-9]+)
      | (?P<sign>\?principal\b|\?resource\b|::|==|!=|<=|>=|&&|\|\||[-+*/%!<>=@(){}\[\],;.:?&|])
      | (?P<stray>.)""",
    re.VERBOSE | re.DOTALL,
)
_UNFINISHED = "unexpected end of input"
_QUOTED = re.compile(r"`([^`]*)`|'([^']*)'")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u\{[0-9A-Fa-f]{1,6}\}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", "'": "'", '"': '"', "*": "*"}
_WORDS = frozenset(
    re.findall(
        r"[A-Za-z0-9]+",
        """
        permit forbid principal action resource context when unless in is has like if then else true false
        isIpv4 isIpv6 isLoopback isMulticast isInRange contains containsAll containsAny isEmpty getTag hasTag ip decimal
        datetime duration offset durationSince toDate toTime toMilliseconds toSeconds toMinutes toHours toDays lessThan
        lessThanOrEqual greaterThan greaterThanOrEqual
        """,
    )
)
_EFFECTS = ("permit", "forbid")
_CONDITIONS = ("when", "unless")
_SCOPE = ("principal", "action", "resource")
_FLAT = frozenset({":", "::", "@"})
_CHAINING = frozenset({"if", "when", "unless", "has", "in", "is", "like"})
_MOST_BRACKETS, _LONGEST_CHAIN = 100, 1_500
_OPENING, _CLOSING = frozenset("({["), frozenset(")}]")
# What may stand in each place of a policy, as a person would say it, with one sample of each to try on the parser.
_SAMPLES = (
    *((f"`{sign}`", sign) for sign in (";", ",", "(", ")", "{", "}", "[", "]", "::", ".", ":", "==")),
    *((f"`{word}`", word) for word in ("in", "is", "has", "like", "then", "else", "&&", "||")),
    ("a name", "zebra"),
    ("a string", '"zebra"'),
    ("a number", "7"),
)
_MOST_EXPECTED = 6


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a file; `start` counts characters from 0."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The character after the last."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy with its annotations, up to and including its semicolon."""

    tokens: tuple[Token, ...]
    text: str

    @property
    def start(self) -> int:
        """Where it begins in its file."""
        return self.tokens[0].start


def statements(source: str) -> Iterator[Statement]:
    """Cut a file at the semicolons; what follows the last one is a statement too, an unfinished one."""
    pending: list[Token] = []
    for token in tokens_of(source):
        pending.append(token)
        if token.text == ";":
            yield _statement(source, pending)
            pending = []
    if pending:
        yield _statement(source, pending)


def _statement(source: str, tokens: list[Token]) -> Statement:
    return Statement(tuple(tokens), source[tokens[0].start : tokens[-1].end])


def depth_problem(path: str, source: str, tokens: Iterable[Token]) -> Problem | None:
    """Find the first word that nests too deeply, in brackets or in a chain of operators; nothing if none does.

    Prevents: a file that overflows the stack of the reference parser, which ends the whole process.
    """
    chains, before = [0], ""
    for token in tokens:
        is_sign = token.kind in {"sign", "stray"}
        follows_value, before = before in _CLOSING or before.isidentifier(), token.text
        if is_sign and token.text in _OPENING:
            chains[-1] += follows_value  # a call or an index
            chains.append(0)
        elif is_sign and token.text in _CLOSING and len(chains) > 1:
            chains.pop()
        elif token.text == "," and is_sign:
            chains[-1] = 0
        elif token.text == ";" and is_sign:
            chains = [0]
        elif (is_sign and token.text not in _FLAT) or token.text in _CHAINING:
            chains[-1] += 1
        if len(chains) > _MOST_BRACKETS or sum(chains) > _LONGEST_CHAIN:
            line, column = line_and_column(source, token.start)
            wanted = f"at most {_MOST_BRACKETS} open brackets and {_LONGEST_CHAIN} operators in a row"
            return Problem(path, line, column, "nested too deeply", expected=wanted)
    return None


def tokens_of(source: str) -> Iterator[Token]:
    """Cut a file into words; comments and spaces are left out."""
    for match in _TOKEN.finditer(source):
        if match.lastgroup != "skip":
            yield Token(str(match.lastgroup), match.group(), match.start())


def line_and_column(source: str, at: int) -> tuple[int, int]:
    """Count both from 1."""
    return source.count("\n", 0, at) + 1, at - (source.rfind("\n", 0, at) + 1) + 1


def problem_in(path: str, source: str, statement: Statement, message: str, *, known: frozenset[str]) -> Problem:
    """Place a message of Cedar's: at the word that it quotes if that stands in the policy, else at its first word."""
    token = next((found for word in _quoted(message) if (found := _find(statement, word))), None)
    line, column = line_and_column(source, token.start if token else statement.start)
    near = nearest(_bare(token), known | _WORDS) if token else ""
    return Problem(path, line, column, message, nearest=near, policy=identifier(statement))


def syntax_problem(path: str, source: str, statement: Statement, message: str) -> Problem:
    """Place a syntax error: at the first word after which no continuation is a policy."""
    viable, broken = 0, len(statement.tokens)
    while broken - viable > 1:
        middle = (viable + broken) // 2
        viable, broken = (middle, broken) if _is_viable(_prefix(statement, middle)) else (viable, middle)
    if viable == len(statement.tokens) - 1 and _is_viable(statement.text):
        viable = len(statement.tokens)
    misplaced = _misplaced_word(statement.tokens[:viable])
    if misplaced is not None:
        viable = misplaced
    wanted = _expected(statement, viable)
    if viable == len(statement.tokens):
        line, column = line_and_column(source, statement.tokens[-1].end)
        return Problem(path, line, column, "the policy ends too early", expected=wanted, policy=identifier(statement))
    culprit = statement.tokens[viable]
    line, column = line_and_column(source, culprit.start)
    if culprit.text == '"':
        message, wanted = "the string is not closed", '`"`'
    near = nearest(culprit.text, _WORDS) if culprit.kind == "name" else ""
    return Problem(path, line, column, message, expected=wanted, nearest=near, policy=identifier(statement))


def is_syntax_message(message: str) -> bool:
    """Tell a parser's message from one about the meaning of what was parsed."""
    return message.startswith(("unexpected", "invalid token"))


def identifier(statement: Statement) -> str:
    """Read the `@id` annotation, if there is one."""
    words = [token.text for token in statement.tokens]
    for place in range(len(words) - 4):
        if words[place : place + 3] == ["@", "id", "("]:
            return unescaped(words[place + 3])
    return ""


def nearest(word: str, known: frozenset[str]) -> str:
    """Return the known name that looks most like the word, unless the word is known itself."""
    if not word or word in known:
        return ""
    return next(iter(get_close_matches(word, sorted(known), 1, 0.7)), "")


def names_in(source: str) -> frozenset[str]:
    """Return every name and quoted string of a schema or policy."""
    found = (match for match in _TOKEN.finditer(source) if match.lastgroup in {"name", "string"})
    return frozenset(unescaped(match.group()) if match.lastgroup == "string" else match.group() for match in found)


def unescaped(word: str) -> str:
    """Return a name as it is, and the characters of a quoted string with Cedar's escapes undone."""
    if not word.startswith('"'):
        return word
    return _ESCAPE.sub(lambda match: _unescape(match.group(1)), word[1:-1])


def _unescape(code: str) -> str:
    if code[0] in "xu" and len(code) > 1:
        return chr(min(int(code[1:].strip("{}"), 16), sys.maxunicode))
    return _ESCAPES.get(code, code)


def _quoted(message: str) -> Iterator[str]:
    for match in _QUOTED.finditer(message):
        yield match.group(1) or match.group(2) or ""
    yield from re.findall(r"[A-Za-z_@][A-Za-z0-9_]*$", message)


def _find(statement: Statement, quoted: str) -> Token | None:
    """Find the last word of a quoted name: `A::B::"c"` is found by its `"c"`, `m.aa` by its `aa`."""
    inner = [match.group() for match in _TOKEN.finditer(quoted) if match.lastgroup in {"string", "name", "number"}]
    wanted = inner[-1] if inner else quoted
    same: list[Callable[[Token], bool]] = [
        lambda token: token.text == wanted,
        lambda token: token.kind == "string" and unescaped(token.text) == quoted,
    ]
    return next((token for matches in same for token in statement.tokens if matches(token)), None) if wanted else None


def _bare(token: Token) -> str:
    return unescaped(token.text) if token.kind == "string" else token.text


def _prefix(statement: Statement, words: int) -> str:
    end = statement.tokens[words - 1].end - statement.start if words else 0
    return statement.text[:end]


def _is_viable(prefix: str) -> bool:
    """Tell whether some continuation of the text is a policy: the parser complains of its end, or not at all."""
    try:
        cedarpy.policies_to_json_str(prefix)
    except ValueError as error:
        return str(error) == _UNFINISHED or not is_syntax_message(str(error))
    return True


def _words_at(before: tuple[Token, ...]) -> tuple[str, ...]:
    """Return the words that alone have a sense after these; nothing where any name may stand.

    Cedar's grammar takes any name in these places and judges it later; people want to hear of it at once.
    """
    open_brackets, commas, effect = "", 0, False
    for token in before:
        if token.text in _OPENING and token.kind == "sign":
            open_brackets += token.text
        elif token.text in _CLOSING and token.kind == "sign":
            open_brackets = open_brackets[:-1]
        commas += token.text == "," and open_brackets == "("
        effect = effect or (not open_brackets and token.text in _EFFECTS)
    last = before[-1].text if before else ""
    if not open_brackets and last != "@" and (not effect or last in _CLOSING):
        return _CONDITIONS if effect else _EFFECTS
    if effect and open_brackets == "(" and last in {"(", ","} and commas < len(_SCOPE):
        return (_SCOPE[commas],)
    return ()


def _misplaced_word(tokens: tuple[Token, ...]) -> int | None:
    for place, token in enumerate(tokens):
        words = _words_at(tokens[:place])
        after_annotation = place > 1 and tokens[place - 2].text == "@"
        if token.kind == "name" and words and token.text not in words and not after_annotation:
            return place
    return None


def _expected(statement: Statement, words: int) -> str:
    """Say what could stand after so many words: the closed words of that place, and the samples the parser takes."""
    prefix = _prefix(statement, words)
    fitting = [said for said, sample in _SAMPLES if _is_viable(f"{prefix} {sample}")]
    if "a name" in fitting:
        closed = [f"`{word}`" for word in _words_at(statement.tokens[:words])]
        fitting = [said for said in fitting if not said[1:-1].isalpha() and said != "a name"] + (closed or ["a name"])
    if len(fitting) > _MOST_EXPECTED:
        fitting = [*fitting[:_MOST_EXPECTED], "more"]
    return " or ".join(filter(None, [", ".join(fitting[:-1]), *fitting[-1:]]))
