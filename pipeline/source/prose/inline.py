"""Inline: markup within a paragraph, marked where it stands.

In: a `Stretch` of a source. Out: nothing; emphasis, links, pictures, code, HTML's own elements, entities, and bare
addresses are marked in the source. The parser is markdown-it's, whose rules are made to tell their places.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from pipeline.source.ledger import Reason, Source, Stretch, display

References = dict[str, dict[str, str]]

_MARKS = re.compile(r"[*_\[\]\\`<&]")
_ELEMENT = re.compile(
    r"</?([a-zA-Z][a-zA-Z0-9-]*)((?:\s+[a-zA-Z_:@][\w:.@-]*\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))*)\s*/?>"
)
ELEMENTS = frozenset(
    """
    a abbr acronym address article aside audio b bdi bdo big blockquote body br button canvas caption center cite code
    col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer
    form h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label legend li link main map mark
    menu meta meter nav noscript object ol optgroup option output p param picture pre progress q rp rt ruby s samp
    section select slot small source span strike strong sub summary sup svg table tbody td template textarea tfoot th
    thead time title tr track tt u ul var video wbr
    """.split()
)
_SPACED = frozenset(
    """
    br p div li ul ol dd dt dl td th tr table h1 h2 h3 h4 h5 h6 hr blockquote section article header footer figure
    figcaption main nav aside pre details summary center
    """.split()
)
_WIKI = re.compile(r"(!?)\[\[([^\[\]|\n]*)(?:\|([^\[\]\n]*))?\]\]")
_STRUCK = re.compile(r"(?<!~)~~(?=[^\s~])[^~\n]{1,400}?(?<=[^\s~])~~(?!~)")
_HIGHLIGHTED = re.compile(r"(?<![\w=])==(?=[^\s=])[^=\n]{1,400}?(?<=[^\s=])==(?![\w=])")
_MOST_BRACKETS = 5000  # in one paragraph; one with more has no links, which take long to look for
_SUPERSCRIPTS = str.maketrans("0123456789+-−in", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁱⁿ")
_RAISED_SIGNS = frozenset(map(chr, _SUPERSCRIPTS))
_RAISED = re.compile(r"(?:\d|(?<![^\W_])[^\W\d_])$")  # a number, or a letter alone
_SQUARED = re.compile(  # a unit, a term of letters, a function, a bracket around terms
    r"(?:(?<![^\W_])(?:[kcdmnµμ]m|yd|ft|sq|sin|cos|tan|log|ln)|\d[a-z]{2,3}|(?<!\w)[xyz]{2,3}"
    r"|\d[  ]?(?:in|mi|ha|feet|foot|inch(?:es)?|yards?|miles?|\w{0,5}met(?:re|er)s?)|[\w²³][)\]])$"
)
_WORDS_IN_BRACKETS = re.compile(r"[^\W\d_]{3}[^()\[\]]*[)\]]$")
_EXPONENT = re.compile(r"[-+−]?\d+|[a-z]|[-+−]\d{0,3}[a-z]|[-+−]?[\da-z]{1,3}(?:[-+−·/*][\da-z]{1,3})+")
_FOOTNOTE_MARK = re.compile(r"[\[(]?(?:\d{1,3}|[a-z*†‡])[\])]?", re.IGNORECASE)


def is_power(before: str, raised: str) -> bool:
    """Whether what is `raised` after a text (its last 40 characters do) is no mark of a note: "x²", "10⁻³", "km²".

    A number behind a word is the mark of one: "it²".
    """
    if _RAISED.search(before) is not None and _EXPONENT.fullmatch(raised) is not None:
        return True
    is_term = _SQUARED.search(before) is not None and _WORDS_IN_BRACKETS.search(before) is None
    return raised in ("2", "3") and is_term


def power(raised: str) -> str:
    """What is `raised`, as it stands in a plain text: "²", "⁻³"; "^x", "^(x+1)" where there are no such characters."""
    if _RAISED_SIGNS.issuperset(raised) and (len(raised) == 1 or raised.lstrip("+-−").isdigit()):
        return raised.translate(_SUPERSCRIPTS)
    return f"^{raised}" if raised.isalnum() else f"^({raised})"


def is_note_mark(raised: str) -> bool:
    """Whether it may be the mark of a note: "1", "[12]", "*", "b"."""
    return _FOOTNOTE_MARK.fullmatch(raised) is not None


class _PlacedState(StateInline):
    """A state of the parser in which every token knows where in the text it stands."""

    def __init__(self, text: str, parser: MarkdownIt, references: References) -> None:
        super().__init__(text, parser, {"references": references}, [])
        self.left_out: list[tuple[int, int, Reason]] = []
        self.replaced: list[tuple[int, int, str, str]] = []
        self.emphasis: list[tuple[Token, int]] = []
        self._labels: list[list[int]] = []

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        token = super().push(ttype, tag, nesting)
        if ttype == "link_open":
            self._labels.append([self.pos])
        elif ttype == "link_close":
            self._labels[-1].append(self.pos)
        return token

    def mark(self, rule: str, start: int, tokens: int) -> None:
        """Note what `rule` has read from `start` to where the state stands; it began after `tokens` tokens."""
        end, text = self.pos, self.src
        match rule:
            case "escape":
                self.left_out.append((start, start + 1, "markup"))
            case "backticks" if self.tokens[tokens:] and self.tokens[-1].type == "code_inline":
                ticks = end - start - len(text[start:end].lstrip("`"))
                self.left_out += (start, start + ticks, "markup"), (end - ticks, end, "markup")
            case "emphasis":
                new = self.tokens[tokens:][start - end :]
                self.emphasis += ((token, start + index) for index, token in enumerate(new))
            case "link":
                label_start, label_end = self._labels.pop()
                if label_end == end - 1 and text[start - 1 : start].isalnum():  # "notes[ep]", of a definition
                    self.left_out.append((start, end, "link target"))
                    return
                self.left_out += (start, label_start, "markup"), (label_end, end, "link target")
            case "image":
                self.left_out.append((start, end, "picture"))
            case "autolink":
                self.left_out += (start, start + 1, "markup"), (end - 1, end, "markup")
            case "entity":
                self.replaced.append((start, end, self.tokens[-1].content, "entity"))
            case "html_inline":
                self._mark_element(start, end)

    def _mark_element(self, start: int, end: int) -> None:
        """HTML's own elements are markup; "<fire ward>" and "a<b and c>d" are words."""
        if self.src[start + 1] in "!?":
            self.left_out.append((start, end, "comment"))
            return
        match = _ELEMENT.fullmatch(self.src, start, end)
        if match is None or match[1].lower() not in ELEMENTS:
            return
        name, closes = match[1].lower(), self.src[start + 1] == "/"
        if name == "sup" and not closes and (close := self.src.find("</sup>", end, end + 40)) > 0:
            inner = self.src[end:close]
            raised = is_power(self.src[max(start - 40, 0) : start], inner)
            if not raised and is_note_mark(inner):
                self.replaced.append((start, close + 6, "", "footnote"))
            elif raised:
                self.replaced.append((start, close, power(inner), "power"))
                return
        if name in _SPACED:
            self.replaced.append((start, end, " ", "markup"))
        else:
            self.left_out.append((start, end, "markup"))


@cache
def _parser(*, links: bool, only_emphasis: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark")
    if only_emphasis:
        parser.disable(["link", "image", "autolink", "html_inline", "entity", "backticks", "escape"])
    elif not links:
        parser.disable(["link", "image"])
    ruler = parser.inline.ruler
    for rule in list(ruler.__rules__):
        ruler.at(rule.name, _placing(rule.name, rule.fn))
    return parser


def _placing(name: str, rule: Any) -> Any:
    def placed(state: StateInline, silent: bool) -> bool:
        start, tokens = state.pos, len(state.tokens)
        matched = bool(rule(state, silent))
        if matched and not silent and isinstance(state, _PlacedState):
            state.mark(name, start, tokens)
        return matched

    return placed


def mark_inline(span: Stretch, references: References | None = None, *, only_emphasis: bool = False) -> None:
    """Mark the markup of a paragraph, a heading or a cell; in a document nothing but emphasis is written in signs."""
    text = span.text
    if "[[" in text and not only_emphasis:
        _mark_wiki_links(span)
    if _MARKS.search(text):
        parser = _parser(links=text.count("[") < _MOST_BRACKETS, only_emphasis=only_emphasis)
        state = _PlacedState(text, parser, references or {})
        parser.inline.tokenize(state)
        for rule in parser.inline.ruler2.getRules("")[:-1]:  # all but the one that joins tokens
            rule(state)
        _mark_emphasis(state, span)
        for start, end, reason in state.left_out:
            span.leave_out(start, end, reason)
        for start, end, words, rule_name in state.replaced:
            if rule_name == "footnote":
                span.leave_out(start, end, "footnote")
            else:
                span.replace(start, end, words, rule_name)
    if "~~" in text:
        for match in _STRUCK.finditer(text):
            span.leave_out(*match.span(), "struck out")
    if "==" in text:
        for match in _HIGHLIGHTED.finditer(text):
            span.leave_out(match.start(), match.start() + 2, "markup")
            span.leave_out(match.end() - 2, match.end(), "markup")


def _mark_emphasis(state: _PlacedState, span: Stretch) -> None:
    """The signs of emphasis go; those in the middle of a word are no emphasis ("f**k", "2*3*4")."""
    places = {id(token): place for token, place in state.emphasis}
    runs = _runs(set(places.values()))
    opened: list[list[int]] = []
    for token in state.tokens:
        place = places.get(id(token))
        if place is None:
            continue
        other = len(token.markup) - 1  # the parser keeps the inner sign of two
        if token.type.endswith("_open"):
            opened.append([place - other, place])
        elif token.type.endswith("_close") and opened:
            pair = (*opened.pop(), place, place + other)
            start, end = runs.get(min(pair), pair)[0], runs.get(max(pair), pair)[-1]
            if not (state.src[start - 1 : start].isalnum() and state.src[end + 1 : end + 2].isalnum()):
                for sign in set(pair):
                    span.leave_out(sign, sign + 1, "markup")


def _runs(signs: set[int]) -> dict[int, tuple[int, int]]:
    """The first and the last sign of the run in which each stands."""
    runs: dict[int, tuple[int, int]] = {}
    run: list[int] = []
    for sign in [*sorted(signs), -2]:
        if run and sign != run[-1] + 1:
            runs.update(dict.fromkeys(run, (run[0], run[-1])))
            run = []
        run.append(sign)
    return runs


def _mark_wiki_links(span: Stretch) -> None:
    for match in _WIKI.finditer(span.text):
        start, end = match.span()
        if match[1]:
            span.leave_out(start, end, "picture")
            continue
        shown = 3 if match[3] else 2
        span.leave_out(start, match.start(shown), "link target" if shown == 3 else "markup")
        span.leave_out(match.end(shown), end, "markup")


def plain(text: str) -> str:
    """Inline Markdown as its display text; brackets that are no links are still there."""
    source = Source(text)
    mark_inline(source.stretch(0, len(text)))
    return display(source.stretch(0, len(text)).text)
