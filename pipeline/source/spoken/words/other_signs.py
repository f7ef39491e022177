"""Signs, addresses, versions and powers of languages other than English.

In: a language. Out: rules for "&" (und), `example.de/a` (example Punkt de Schrägstrich a), `v2.3.1` and `10^6` of
German, French, Spanish, Italian, Portuguese and Dutch; of all languages that have number words, rules for signs that
are numbers, such as "①". A sign without a rule is silent (`scripts.plain`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal

from pipeline.source.spoken.digits.context import rule
from pipeline.source.spoken.digits.numbers import NUMBER_SIGN
from pipeline.source.spoken.digits.units import UNITS
from pipeline.source.spoken.digits.words import converter, measured, number_words, one_by_one
from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.scripts import base_language, plain
from pipeline.source.spoken.words.web import Typist, addresses, named

_LANGUAGES = ("de", "fr", "es", "it", "pt", "nl")
# Each sign, and its words in these languages, in this order.
_TABLE = """
&|und|et|y|e|e|en
+|plus|plus|más|più|mais|plus
=|gleich|égale|igual a|uguale a|igual a|is gelijk aan
≠ !=|ungleich|différent de|distinto de|diverso da|diferente de|ongelijk aan
<|kleiner als|inférieur à|menor que|minore di|menor que|kleiner dan
>|größer als|supérieur à|mayor que|maggiore di|maior que|groter dan
≤ ⩽ <=|kleiner gleich|inférieur ou égal à|menor o igual que|minore o uguale a|menor ou igual a|kleiner of gelijk aan
≥ ⩾ >=|größer gleich|supérieur ou égal à|mayor o igual que|maggiore o uguale a|maior ou igual a|groter of gelijk aan
×|mal|fois|por|per|vezes|keer
÷|geteilt durch|divisé par|dividido entre|diviso|dividido por|gedeeld door
±|plus minus|plus ou moins|más menos|più o meno|mais ou menos|plus of min
≈|etwa|environ|aproximadamente|circa|cerca de|ongeveer
@|at|arobase|arroba|chiocciola|arroba|apenstaartje
% ％ ٪|Prozent|pour cent|por ciento|per cento|por cento|procent
‰|Promille|pour mille|por mil|per mille|por mil|promille
°|Grad|degrés|grados|gradi|graus|graden
℃|Grad Celsius|degrés Celsius|grados Celsius|gradi Celsius|graus Celsius|graden Celsius
℉|Grad Fahrenheit|degrés Fahrenheit|grados Fahrenheit|gradi Fahrenheit|graus Fahrenheit|graden Fahrenheit
§|Paragraf|paragraphe|párrafo|paragrafo|parágrafo|paragraaf
§§|Paragrafen|paragraphes|párrafos|paragrafi|parágrafos|paragrafen
©|Copyright|copyright|copyright|copyright|copyright|copyright
№|Nummer|numéro|número|numero|número|nummer
∞|unendlich|infini|infinito|infinito|infinito|oneindig
√|Wurzel aus|racine carrée de|raíz cuadrada de|radice quadrata di|raiz quadrada de|wortel van
€|Euro|euros|euros|euro|euros|euro
$|Dollar|dollars|dólares|dollari|dólares|dollar
£|Pfund|livres|libras|sterline|libras|pond
¥|Yen|yens|yenes|yen|ienes|yen
¢|Cent|cents|centavos|centesimi|centavos|cent
₹|Rupien|roupies|rupias|rupie|rúpias|roepie
₽|Rubel|roubles|rublos|rubli|rublos|roebel
₿|Bitcoin|bitcoins|bitcoins|bitcoin|bitcoins|bitcoin
#|Raute|dièse|almohadilla|cancelletto|cerquilha|hekje
"""
_TYPED = """
.|Punkt|point|punto|punto|ponto|punt
/|Schrägstrich|slash|barra|barra|barra|slash
-|Bindestrich|tiret|guion|trattino|hífen|streepje
_|Unterstrich|tiret bas|guion bajo|trattino basso|sublinhado|laag streepje
:|Doppelpunkt|deux-points|dos puntos|due punti|dois pontos|dubbele punt
~|Tilde|tilde|virgulilla|tilde|til|tilde
"""
_POWERS = {  # to the power of, squared, cubed
    "de": ("hoch", "hoch zwei", "hoch drei"),
    "fr": ("puissance", "au carré", "au cube"),
    "es": ("elevado a", "al cuadrado", "al cubo"),
    "it": ("elevato a", "al quadrato", "al cubo"),
    "pt": ("elevado a", "ao quadrado", "ao cubo"),
    "nl": ("tot de macht", "kwadraat", "tot de derde"),
}
_VERSION = {"de": "Version", "fr": "version", "es": "versión", "it": "versione", "pt": "versão", "nl": "versie"}
_MINUS = {"de": "minus", "fr": "moins", "es": "menos", "it": "meno", "pt": "menos", "nl": "min"}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")
_EXPONENT = r"(?:\^\{?(?P<typed>[-−]?\d{1,3}|[a-z](?![^\W_]))\}?|(?P<raised>[⁻⁺]?[⁰¹²³⁴-⁹]{1,3}))"
_AREAS = "|".join(unit for unit in UNITS if unit[-1] in "²³" and UNITS[unit][0] != "=")
_AMOUNT = r"[$€£¥₹]?\s?[\d.,]*\d"
_TOUCH_BEFORE = frozenset("\"'“‘«(- ") | {""}
_TOUCH_AFTER = frozenset("\"'”’»).,;:!?- ") | {""}


def _column(table: str, base: str) -> dict[str, str]:
    """The words of one language for the signs in a table."""
    rows = (row.split("|") for row in table.strip().splitlines())
    return {sign: row[1 + _LANGUAGES.index(base)] for row in rows for sign in row[0].split(" ")}


def has_signs(language: str) -> bool:
    """Whether signs such as "&" have words in a language that is not English."""
    return base_language(language) in _LANGUAGES


def typed_families(language: str) -> tuple[Family, ...]:
    """The families that come before numbers: addresses, versions, powers of numbers; () where there are no words."""
    base = base_language(language)
    if base not in _LANGUAGES:
        return ()
    signs = _column(_TABLE, base) | _column(_TYPED, base)
    typist = Typist(signs, lambda part: _typed_word(part, language))
    versions = Family(re.compile(r"\d\.\d"), (_version(language, signs["."]),))
    base_number = r"(?<![\w.,^])(?P<base>\d{1,6})"
    powers = Family(re.compile(r"\d(?:\^|[⁰¹²³⁴-⁹⁻⁺])"), (_power(language, base_number),))
    return (
        *addresses(typist, strict=True),
        *named(typist, "Hashtag" if base == "de" else "hashtag", typist.say),
        versions,
        powers,
    )


def sign_families(language: str) -> tuple[Family, ...]:
    """The families of signs; they come last, as most of the others know more of a sign's place."""
    families: tuple[Family, ...] = ()
    if has_signs(language):
        signs = _column(_TABLE, base_language(language))
        families = (
            Family(
                re.compile(r"[²³¹⁰-⁹^]"),
                (
                    rule(rf"(?<!\w)(?:{_AREAS})(?!\w)", lambda match: _area(match[0], language)),
                    _power(language, r"(?<![^\W_])(?P<base>[^\W\d_]{1,2})"),
                    Rule(r"(?<=[^\W\d_])[²³¹⁰⁴-⁹]+", lambda match: ""),  # the mark of a note
                ),
            ),
            Family(re.compile(r"[^\w\s.,;:!?'\"()“”‘’–—…-]"), _signs(signs)),
        )
    if converter(language) is not None:
        numeral = Rule(f"(?:{NUMBER_SIGN})+", lambda match: _numerals(match, language))
        families = (*families, Family(re.compile(NUMBER_SIGN), (numeral,)))
    return families


def _typed_word(part: str, language: str) -> str:
    """Digits one by one, and letters that the language has."""
    pieces = re.findall(r"\d+|\D+", part)
    said = (one_by_one(one, language) if one.isdecimal() else plain(one, language, False) for one in pieces)
    return " ".join(filter(None, said))


def _number(written: str, language: str) -> str:
    starts_with_zero = len(written) > 1 and written[0] == "0"
    words = None if starts_with_zero else number_words(int(written), "cardinal", language)
    return words or one_by_one(written, language)


def _version(language: str, point: str) -> Rule:
    """v2.3.1, 2.3.1, 192.168.0.1; not 1.234.567, nor 3.6.21, which may be a date."""
    word = _VERSION[base_language(language)]

    def say(match: re.Match[str]) -> str | None:
        parts = match["parts"].split(".")
        is_named = match["v"] is not None
        if not is_named and (len(parts) < 3 or _is_date(parts)):
            return None
        if not is_named and all(len(part) == 3 for part in parts[1:]):
            return None
        said = f" {point} ".join(_number(part, language) for part in parts)
        return f"{word if len(match['v']) == 1 else match['v'].strip()} {said}" if is_named else said

    parts = r"(?P<parts>\d{1,4}(?:\.\d{1,4}){1,4})"
    return rule(rf"(?<![\w.,/-])(?P<v>[vV](?=\d)|(?i:{word}) (?=\d))?{parts}(?![\w/]|[.,-]\d)", say)


def _is_date(parts: list[str]) -> bool:
    return len(parts) == 3 and len(parts[2]) in (2, 4) and 0 < int(parts[0]) < 32 and 0 < int(parts[1]) < 13


def _power(language: str, base: str) -> Rule:
    to_power, squared, cubed = _POWERS[base_language(language)]

    def say(match: re.Match[str]) -> str:
        number = _number(match["base"], language) if match["base"].isdecimal() else match["base"]
        exponent = (match["raised"] or match["typed"]).translate(_RAISED)
        if exponent in ("2", "3"):
            return f"{number} {squared if exponent == '2' else cubed}"
        digits = exponent.lstrip("-+")
        minus = f"{_MINUS[base_language(language)]} " * (exponent[0] == "-")
        return f"{number} {to_power} {minus}{_number(digits, language) if digits.isdecimal() else digits}"

    return rule(rf"{base}{_EXPONENT}(?!\d)", say)


def _area(written: str, language: str) -> str | None:
    return measured("", Decimal(1), UNITS[written], language)


def _numerals(match: re.Match[str], language: str) -> str | None:
    """½ as a decimal, ① as a number; None where there is something else among them."""
    said: list[str] = []
    for char in match[0]:
        if unicodedata.category(char) not in ("No", "Nl"):
            return None
        value = Decimal(str(round(unicodedata.numeric(char), 2)))
        number = int(value) if value == int(value) else value
        said.append(number_words(number, "cardinal", language) or "")
    words = " ".join(filter(None, said))
    text, start, end = match.string, match.start(), match.end()
    return f"{' ' * text[:start][-1:].isalnum()}{words}{' ' * text[end : end + 1].isalnum()}"


def _sign(words: str) -> Callable[[re.Match[str]], str]:
    """The words, with spaces where a word or a sign that may be one touches the sign."""

    def apart(match: re.Match[str]) -> str:
        text, start, end = match.string, match.start(), match.end()
        before, after = text[max(0, start - 1) : start], text[end : end + 1]
        return f"{' ' * (before not in _TOUCH_BEFORE)}{words}{' ' * (after not in _TOUCH_AFTER)}"

    return apart


def _signs(signs: dict[str, str]) -> tuple[Rule, ...]:
    alone = {sign: words for sign, words in signs.items() if sign not in ("<", ">", "#", "@")}
    any_alone = "|".join(sorted(map(re.escape, alone), key=len, reverse=True))
    return (
        Rule(r"<->|<-(?!\d)|[=-]>|[←→↔⇒⇔➔➜]", lambda match: " "),
        Rule(r"<([^\W\d_][\w-]*)>", lambda match: _sign(match[1])(match)),
        Rule(rf"<(?!=)(?={_AMOUNT})|(?<= )<(?= )|(?<=[^\W_])<(?=[^\W_])(?!\w+>)", _sign(signs["<"])),
        Rule(rf"(?<![-=])>(?!=)(?={_AMOUNT})|(?<=\S )>(?= )|(?<=[^\W_])>(?=[^\W_])", _sign(signs[">"])),
        Rule(rf"(?<!\w)~(?={_AMOUNT})", _sign(signs["≈"])),
        Rule(r"(?<=\d)(?: ?)[*⋅·](?: ?)(?=\d)", _sign(signs["×"])),
        Rule(r"(?<![\d#])#(?=\d)", _sign(signs["№"])),
        Rule(r"(?<![\w#])#(?![\w#])", _sign(signs["#"])),
        Rule(r"(?<![@])@(?![@])", _sign(signs["@"])),
        Rule(any_alone, lambda match: _sign(alone[match[0]])(match)),
    )
