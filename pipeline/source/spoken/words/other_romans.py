"""Roman numerals in German, French, Spanish, Italian, Portuguese and Dutch.

In: display text. Out: rules for rulers (Heinrich der Vierte, Henri quatre, Felipe segundo), centuries, parts of works,
wars, headings. As in `romans`, letters that may be something else stay: "CD", "MIX", "Vitamin C", "Georg V. Müller".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from pipeline.source.spoken.digits.ordinals import german_ordinal, opens_german, ordinal_words
from pipeline.source.spoken.digits.words import number_words
from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.scripts import base_language
from pipeline.source.spoken.sentences import ends_sentence
from pipeline.source.spoken.words.numerals import roman_value


class _Forms(NamedTuple):
    """Words of one language, in lower case but for names: rulers, and nouns before or behind a numeral."""

    rulers: str
    parts: str  # a numeral behind them is a cardinal
    ordered: str = ""  # here it is an ordinal
    feminine: str = ""  # of `ordered`
    counted: str = ""  # nouns with a numeral before them, where that may be one letter
    shorts: str = ""  # what stands for some of these nouns
    joined: str = ""  # between two numerals
    to: str = ""  # for a dash there


_LATIN_NAMES = (
    "Alexander Alexandre Leopold Otto Philippe Robert Napoleon Constantin Konstantin Boris Olaf Harald Hassan"
)
_FORMS = {
    "de": _Forms(
        "Heinrich Ludwig Karl Carl Friedrich Wilhelm Konrad Lothar Rudolf Albrecht Sigismund Maximilian Ferdinand"
        " Joseph Josef Franz Georg Eduard Jakob Richard Philipp Johann Johannes Peter Paul Nikolaus Iwan Katharina"
        " Elisabeth Elizabeth Maria Anna Christina Margarethe Wilhelmina Viktoria Isabella Johanna Kleopatra Beatrix"
        " Pius Leo Gregor Innozenz Bonifaz Benedikt Clemens Klemens Urban Sixtus Julius Hadrian Viktor Gustav Adolf"
        " Erik Christian Haakon Alfons Ramses Thutmosis Amenophis Ptolemäus Darius Xerxes Mehmed Murad Selim Stephan"
        " Ladislaus Kasimir August Ernst Welf Philip Theodosius Michael Andreas Béla Emanuel Manuel Pedro Umberto"
        " Juan Carlos Felipe Louis Henri Charles George Henry Edward James William Johannes Alexios Basileios"
        " Tiglatpileser Charles",
        "kapitel akt teil band buch szene artikel abschnitt anhang klasse stufe typ phase folge staffel kategorie"
        " abteilung aufzug auftritt gesang nummer seite titel tafel abbildung apollo",
        counted="Akt Aufzug Auftritt Szene Kapitel Buch Teil Band Jahrhundert Weltkrieg Gesang Abteilung Abschnitt Satz"
        " Internationale Republik Dynastie Armee Klasse Jahrtausend",
        shorts="Kap.=Kapitel Bd.=Band Abb.=Abbildung Art.=Artikel Nr.=Nummer",
        joined="und oder bis",
        to="bis",
    ),
    "fr": _Forms(
        "Henri Louis Charles François Philippe Jean Paul Pie Léon Grégoire Clément Innocent Urbain Benoît Boniface"
        " Jules Édouard Édward Edward Georges George Jacques Guillaume Élisabeth Elisabeth Catherine Marie Anne"
        " Isabelle Victoria Frédéric Ferdinand Alphonse Pierre Nicolas Ivan Gustave Christian Napoléon Albert"
        " Baudouin Rainier Joseph Charles-Albert Victor-Emmanuel Ramsès Philip Conrad Rodolphe Maximilien Sixte"
        " Jean-Paul Juan-Carlos Léopold Édmond Étienne Thibaut Raymond Amédée Humbert Childéric Clovis Dagobert"
        " Thierry Lothaire Mohammed",
        "acte chapitre tome livre partie volume scène titre article section annexe chant page phase saison épisode"
        " apollo type classe groupe numéro",
        counted="république siècle",
        shorts="chap.=chapitre vol.=volume art.=article liv.=livre",
        joined="et ou à",
        to="à",
    ),
    "es": _Forms(
        "Felipe Carlos Fernando Isabel Alfonso Juan Luis Enrique Pedro Sancho Ramiro Jaime Pablo Pío León Gregorio"
        " Clemente Inocencio Urbano Benedicto Bonifacio Julio Sixto Eduardo Jorge Jacobo Guillermo María Ana Catalina"
        " Victoria Federico Francisco Nicolás Iván Napoleón Ramsés Alberto Amadeo Berenguer Ordoño Bermudo García"
        " Teobaldo José Guillermo Margarita Cristina Leopoldo Maximiliano Rodolfo Manuel Enriqueta Cleopatra Darío"
        " Jerjes Alejandro Constantino Víctor Humberto",
        "capítulo acto tomo volumen parte escena libro artículo título sección anexo fase tipo temporada episodio"
        " página clase grupo número apollo apolo",
        ordered="siglo siglos",
        counted="guerra siglo congreso edición república centenario aniversario legión legislatura jornada milenio"
        " dinastía cruzada internacional conferencia",
        shorts="s.=siglo ss.=siglos cap.=capítulo vol.=volumen art.=artículo núm.=número",
        joined="y e o a al",
        to="a",
    ),
    "it": _Forms(
        "Luigi Enrico Carlo Filippo Ferdinando Federico Vittorio Emanuele Umberto Francesco Giovanni Paolo Pio Leone"
        " Gregorio Clemente Innocenzo Urbano Benedetto Bonifacio Giulio Sisto Eduardo Edoardo Giorgio Giacomo"
        " Guglielmo Elisabetta Maria Anna Caterina Vittoria Isabella Cristina Margherita Pietro Nicola Ivan Napoleone"
        " Alfonso Ottone Corrado Alessandro Costantino Massimiliano Giuseppe Leopoldo Amedeo Ramses Carlo Cosimo"
        " Ludovico Ruggero Manfredi Celestino Adriano Eugenio Callisto Niccolò Martino Baldovino Riccardo Dario Serse"
        " Cleopatra Tolomeo",
        "volume tomo tipo episodio pagina classe gruppo numero apollo articolo allegato titolo livello",
        ordered="capitolo atto libro canto secolo secoli parte scena sezione stagione fase",
        feminine="parte scena sezione stagione fase",
        counted="guerra secolo congresso edizione repubblica centenario anniversario legione legislatura giornata"
        " millennio dinastia crociata internazionale atto",
        shorts="sec.=secolo secc.=secoli cap.=capitolo vol.=volume art.=articolo",
        joined="e o a al",
        to="a",
    ),
    "pt": _Forms(
        "Pedro João Maria Manuel Afonso Sancho Dinis Fernando Duarte Sebastião Henrique Filipe Luís Carlos Luiz José"
        " Miguel Isabel Paulo Pio Leão Gregório Clemente Inocêncio Urbano Bento Bonifácio Júlio Sisto Eduardo Jorge"
        " Jaime Guilherme Ana Catarina Vitória Frederico Francisco Nicolau Ivan Napoleão Ramsés Alberto Filipa Leonor"
        " Felipe Alexandre Constantino Leopoldo Cristina Margarida",
        "capítulo ato acto tomo volume parte cena livro artigo título seção secção anexo fase tipo temporada episódio"
        " página classe grupo número apollo",
        ordered="século séculos",
        counted="guerra século congresso edição república centenário aniversário legião legislatura jornada"
        " milênio milénio dinastia cruzada internacional conferência",
        shorts="séc.=século sécs.=séculos cap.=capítulo vol.=volume art.=artigo",
        joined="e ou a ao",
        to="a",
    ),
    "nl": _Forms(
        "Willem Lodewijk Karel Hendrik Filips Frederik Johan Jan Maria Elizabeth Elisabeth Catharina Anna Wilhelmina"
        " Christiaan Gustaaf Adolf Peter Paul Johannes Paulus Pius Leo Gregorius Clemens Innocentius Urbanus"
        " Benedictus Bonifatius Julius Sixtus Eduard Edward George Jacobus Nicolaas Ivan Frans Jozef Maximiliaan"
        " Rudolf Ferdinand Albert Boudewijn Filip Floris Reinoud Arnold Margaretha Ramses Henry Charles Napoleon"
        " Isabella",
        "hoofdstuk deel akte bedrijf boek scène artikel bijlage klasse type fase seizoen aflevering pagina"
        " nummer apollo",
        counted="",
        shorts="hfst.=hoofdstuk dl.=deel art.=artikel",
        joined="en of tot",
        to="tot",
    ),
}  # fmt: skip
_MASCULINE = frozenset("Nicola Béla Andrea Luca Joshua Attila".split())
_FEMININE = frozenset("Isabel Elisabeth Elizabeth Élisabeth Margarethe Beatrix Catherine Marie Anne Leonor".split())
_ARTICLES = {  # before a numeral: the gender they show, or Spanish's short form
    "es": {"el": "short", "del": "short", "al": "short", "un": "short", "la": "f", "una": "f", "su": "m"},
    "it": {"la": "f", "della": "f", "nella": "f", "alla": "f", "dalla": "f", "sulla": "f", "una": "f"}
    | dict.fromkeys("il del nel al dal sul un".split(), "m"),
    "pt": {"a": "f", "da": "f", "na": "f", "à": "f", "pela": "f", "uma": "f"}
    | dict.fromkeys("o do no ao pelo um".split(), "m"),
}
_OPENERS = frozenset(
    "Il Elle Le La Les Un Une En Et Mais Ce On El Los Las Una Su Sus Pero Con Ella Lo Gli Ma Si Egli Nel O A Os As Um"
    " Uma Ele Ela Mas Em De Het Hij Zij Een Maar Dat Zijn".split()
)
_GERMAN_ARTICLES = {  # of a ruler, by the case that the word before him asks for: masculine, feminine
    "": ("der", "e", "die", "e"),
    "dative": ("dem", "en", "der", "en"),
    "accusative": ("den", "en", "die", "e"),
    "genitive": ("des", "en", "der", "en"),
}
_CASES = dict.fromkeys("von unter mit zu bei nach aus seit vom zum".split(), "dative")
_CASES |= dict.fromkeys("für gegen durch ohne um".split(), "accusative")
_GERMAN_TITLES = r"(?:(?:Kaiser(?:in)?|König(?:in)?|Papst|Zar(?:in)?|Herzog|Kurfürst|Fürst|Prinz|Pharao|Sultan) )?"
_TITLE_BEFORE = re.compile(r"(?:Kaiser|König|Papst|Zar|Herzog|Fürst|Prinz|[Rr]oi|[Rr]e[yi]?|[Pp]apa|[Kk]oning) $")
_CASE_BEFORE = re.compile(rf"([^\W\d_]+) {_GERMAN_TITLES}(?:[A-Z][^\W\d_]+[ -])?$")
_A_NAME = r"(?<![^\W_])[^\W\d_a-z][^\W\d_]*+(?:-[^\W\d_]++){0,3}+"
_NUMERAL = r"[IVXL]+"
_SEVERAL = r"(?:[IVX]{2,6}|L[IVX]{1,5})"
_END = r"(?![^\W_]|[-–’'][^\W_]|\.[^\W_])"
_SMALL = r"(?:i{2,3}|iv|vi{2,3}|ix|xi{2,3}|xi?v)"  # no "vi", "xi" and "li", which are words
_TRIGGER = re.compile(rf"(?<![^\W_])(?:[IVXL]+(?:ers?|res?|[eè]mes?|es?|ste|de)?|{_SMALL})(?![^\W_])")


def has_romans(language: str) -> bool:
    """Whether Roman numerals of a language are said in words, English aside."""
    return base_language(language) in _FORMS


def other_romans(language: str) -> tuple[Family, ...]:
    """The family of a language's numerals; () where there is none."""
    forms = _FORMS.get(base_language(language))
    if forms is None:
        return ()
    return (Family(_TRIGGER, _Romans(language, forms).rules()),)


class _Romans:
    def __init__(self, language: str, forms: _Forms) -> None:
        self.language, self.base, self.forms = language, base_language(language), forms
        self.rulers = frozenset(f"{forms.rulers} {_LATIN_NAMES}".split())
        self.shorts = dict(pair.split("=") for pair in forms.shorts.split())
        self.ordered, self.feminine = frozenset(forms.ordered.split()), frozenset(forms.feminine.split())

    def rules(self) -> tuple[Rule, ...]:
        nouns = [*self.forms.parts.split(), *self.ordered]
        shorts = "|".join(map(re.escape, self.shorts))
        joined = "|".join(self.forms.joined.split())
        more = rf"(?:(?:[-–]|(?:, ?| (?:{joined}) )){_NUMERAL}(?![^\W_]))*"
        rules: list[tuple[str, Callable[[re.Match[str]], str | None]]] = [
            (
                rf"(?<![\w.])(?P<noun>(?i:{'|'.join(nouns)}|{shorts}))"
                rf" (?P<numerals>(?:{_NUMERAL}|{_SMALL})(?![^\W_]){more}){_END}",
                self.part,
            ),
            (rf"(?P<name>{_A_NAME}) (?P<numeral>{_NUMERAL})(?P<ending>er|re)?{_END}(?P<dot>\.?)", self.ruler),
            (
                r"(?<![\w.])(?P<numeral>[IVX]+|[XLC][IVXLC]+)(?:ers?|[eè]mes?|es?|ste|de)(?![^\W_])(?P<s> s\.)?",
                self.century,
            ),
            (r"(?<![\w.])(?P<numeral>[IVX]+)(?P<dot>\.?) (?=(?P<noun>[^\W\d_]+))", self.counted),
            (rf"(?P<name>{_A_NAME}) (?P<numeral>{_SEVERAL}){_END}", self.after_name),
            (r"^(?:[IVX]|[IVXLC]{2,9})(?=\.?$)", self.cardinal),
            (rf"(?<![\w.&'’-])(?:II|(?!XXX)[IVX]{{3,9}}){_END}", self.cardinal),
        ]
        return tuple(Rule(pattern, say) for pattern, say in rules)

    def part(self, match: re.Match[str]) -> str | None:
        noun = match["noun"]
        if short := self.shorts.get(noun.lower()) or self.shorts.get(noun):
            noun = short.capitalize() if noun[0].isupper() else short
        key = noun.lower()
        numerals = re.split(rf"({_NUMERAL}|{_SMALL})(?![^\W_])", match["numerals"])
        values = [roman_value(numeral) for numeral in numerals[1::2]]
        if not all(values) or any(numeral in ("L", "XL") for numeral in numerals[1::2]):
            return None
        gender = "f" if key in self.feminine else "m"
        words = [
            self._ordinal(value, gender) if key in self.ordered else number_words(value, "cardinal", self.language)
            for value in values
        ]
        between = [f" {self.forms.to} " if sign in ("-", "–") else sign for sign in numerals[2::2]]
        return f"{noun} " + "".join(f"{word}{sign}" for word, sign in zip(words, between, strict=True))

    def _ordinal(self, value: int, gender: str) -> str | None:
        """Spanish and Portuguese count on from eleven."""
        if self.base in ("es", "pt") and value > 10:
            return number_words(value, "cardinal", self.language)
        return ordinal_words(value, self.language, gender)

    def ruler(self, match: re.Match[str]) -> str | None:
        name, numeral, ending = match["name"], match["numeral"], match["ending"]
        value = roman_value(numeral)
        is_genitive = self.base == "de" and name not in self.rulers and name.endswith("s")
        stem = name[:-1] if is_genitive else name
        if stem.rsplit("-")[-1] not in self.rulers and name not in self.rulers:
            return None
        if not 0 < value < 60 or (ending and (self.base != "fr" or value != 1)):
            return None
        if len(numeral) == 1 and not ending and self._is_initial(match):
            return None
        is_woman = stem in _FEMININE or (stem.endswith(("a", "ía")) and stem not in _MASCULINE)
        gender = "f" if ending == "re" or is_woman else "m"
        if self.base == "fr":
            words = ordinal_words(1, "fr", gender) if value == 1 else number_words(value, "cardinal", "fr")
        elif self.base == "nl":
            words = f"de {ordinal_words(value, 'nl')}"
        elif self.base == "de":
            words = self._german_ruler(match, value, gender, genitive=is_genitive)
        else:
            words = self._ordinal(value, gender)
        return f"{name} {words}{self._stop(match)}"

    def _german_ruler(self, match: re.Match[str], value: int, gender: str, *, genitive: bool) -> str:
        before = _CASE_BEFORE.search(match.string, max(0, match.start() - 60), match.start())
        case = "genitive" if genitive else _CASES.get(before[1].lower(), "") if before else ""
        forms = _GERMAN_ARTICLES[case][2 * (gender == "f") :]
        words = (number_words(value, "ordinal", "de") or "").removesuffix("e")
        return f"{forms[0]} {words.capitalize()}{forms[1]}"

    def _stop(self, match: re.Match[str]) -> str:
        """The stop behind a numeral, where the sentence ends; in German it is the sign of the ordinal, too."""
        if not match["dot"] or self.base != "de":
            return match["dot"]
        following = re.match(r"[\"'”’»)]* ([^\W\d_]+)", match.string[match.end() : match.end() + 40])
        if following is None:
            return "." * ends_sentence(match.string, match.end())
        return "." * opens_german(following[1])

    def _is_initial(self, match: re.Match[str]) -> bool:
        """Whether a letter behind a name is an initial ("Georg V. Müller"), or an Italian article ("Carlo I"
        " figli")."""
        text, end = match.string, match.end()
        if self.base == "it" and match["numeral"] == "I" and re.match(r" [^\W\dA-Z_]{3,}i\b", text[end:]):
            return True
        following = re.match(r" ([A-Z][^\W\d_]+)", text[end:]) if match["dot"] else None
        if following is None or _TITLE_BEFORE.search(text, max(0, match.start() - 8), match.start()):
            return False
        return not opens_german(following[1]) and following[1] not in _OPENERS

    def century(self, match: re.Match[str]) -> str | None:
        numeral = match["numeral"]
        value = roman_value(numeral)
        if self.base not in ("fr", "nl") or not value or (len(numeral) == 1 and numeral not in "IVX"):
            return None
        words = ordinal_words(value, self.language)
        plural = "s" if self.base == "fr" and re.search(r"s$", match[0]) else ""
        return words and f"{words}{plural}{' siècle' if match['s'] else ''}"

    def counted(self, match: re.Match[str]) -> str | None:
        """XX. Jahrhundert, la II Guerra Mundial, il XIX secolo."""
        numeral, noun, text = match["numeral"], match["noun"], match.string
        value = roman_value(numeral)
        if not value or (len(numeral) == 1 and noun not in self._counted and noun.lower() not in self._counted):
            return None
        if self.base == "de" and match["dot"]:
            words = german_ordinal(value, match, noun) if noun[0].isupper() and not opens_german(noun) else None
            return words and f"{words} "
        before = re.search(r"(?<![^\W\d_])([^\W\d_]+) $", text[max(0, match.start() - 12) : match.start()])
        gender = _ARTICLES.get(self.base, {}).get(before[1].lower()) if before else None
        if gender is None or match["dot"]:
            return None
        words = ordinal_words(value, self.language, gender)
        return words and f"{words} "

    @property
    def _counted(self) -> frozenset[str]:
        return frozenset(self.forms.counted.split())

    def after_name(self, match: re.Match[str]) -> str | None:
        value = roman_value(match["numeral"])
        if not value or match["numeral"] in ("XX", "XXX") or len(match["name"]) < 2:
            return None
        return f"{match['name']} {number_words(value, 'cardinal', self.language)}"

    def cardinal(self, match: re.Match[str]) -> str | None:
        value = roman_value(match[0])
        return number_words(value, "cardinal", self.language) if value else None
