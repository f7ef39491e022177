"""Money in English: signs and codes of currencies with what belongs to the amount, such as "$15 million".

Pounds, shillings and pence, as Britain wrote them until 1971, are rules of their own: their "s." may mean seconds.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from pipeline.source.spoken.digits.context import (
    DASH,
    DASH_AS_MINUS,
    NUMBER,
    PLUS_OR_MINUS,
    WHOLE,
    ends_too,
    rule,
    sign,
    word_after,
    word_before,
)
from pipeline.source.spoken.digits.units import PER, said_per
from pipeline.source.spoken.digits.words import cardinal, currency, numeral, plain, plural
from pipeline.source.spoken.rules import Rule


class _Coin(NamedTuple):
    one: str
    many: str
    cent: str = ""
    cents: str = ""


_DOLLAR = _Coin("dollar", "dollars", "cent", "cents")
_EURO = _Coin("euro", "euros", "cent", "cents")
_POUND = _Coin("pound", "pounds", "penny", "pence")
_COINS = {
    "$": _DOLLAR,
    "USD": _Coin("US dollar", "US dollars", "cent", "cents"),
    "EUR": _EURO,
    "GBP": _POUND,
    "JPY": _Coin("yen", "yen"),
    "INR": _Coin("rupee", "rupees", "paisa", "paise"),
    "KRW": _Coin("won", "won"),
    "RUB": _Coin("ruble", "rubles", "kopeck", "kopecks"),
    "₿": _Coin("bitcoin", "bitcoins"),
    "XBT": _Coin("bitcoin", "bitcoins"),
}
_CENTS = {"CHF": ("centime", "centimes"), "PLN": ("grosz", "groszy"), "BRL": ("centavo", "centavos")}
_CENTS |= {"MXN": ("centavo", "centavos"), "SEK": ("öre", "öre"), "NOK": ("øre", "øre"), "DKK": ("øre", "øre")}
_DOLLARS = {"US": "USD", "U.S.": "USD", "AU": "AUD", "A": "AUD", "CA": "CAD", "C": "CAD", "NZ": "NZD", "HK": "HKD"}
_DOLLARS |= {"S": "SGD", "R": "BRL", "MX": "MXN", "NT": "TWD"}
CODE_OF_SIGN = {
    **{f"{country}$": code for country, code in _DOLLARS.items()},
    **dict(
        zip(
            "€£¥₹₩₽₺₴₦₫₱₪฿₲₡₸₾￥￡",
            "EUR GBP JPY INR KRW RUB TRY UAH NGN VND PHP ILS THB PYG CRC KZT GEL JPY GBP".split(),
            strict=True,
        )
    ),
    "zł": "PLN",
    "Kč": "CZK",
    "Rs.": "INR",
    "Rs": "INR",
    "Fr.": "CHF",
    "₿": "₿",
    "$": "$",
    "＄": "$",
}
CODES = (
    "USD EUR GBP JPY CHF CAD AUD NZD CNY RMB INR KRW RUB BRL MXN SEK NOK DKK PLN CZK HUF TRY UAH ZAR SGD HKD TWD THB"
    " ILS AED SAR IDR MYR PHP VND ARS CLP COP"
).split()
SIGNS = "|".join(re.escape(written) for written in sorted(CODE_OF_SIGN, key=len, reverse=True))
MONEY_SIGN = rf"(?:{SIGNS}|(?<![A-Za-z])(?:{'|'.join(CODES)})(?![A-Za-z]))"
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "mm": "million", "bn": "billion", "b": "billion"}
_SCALES |= {"tn": "trillion", "t": "trillion", "mio": "million", "mrd": "billion", "lakhs": "lakh", "crores": "crore"}
_ANY_SCALE = (
    r"(?:hundred|thousand|million|billion|trillion|(?:lakh|crore)s?\b|[kK](?!\w)|[mM](?:[mMnN])?(?!\w)"
    r"|[mM](?:io|rd)\b\.?|[bB][nN]?(?!\w)|[tT][nN]?(?!\w))"
)
_SCALE = rf"(?:[ \u00a0-]?(?P<scale>{_ANY_SCALE}))?"
# Also as the continent writes: 3,50 and 1.234,56; with three decimals it depends on what stands around.
_SUM = rf"(?:\d{{1,3}}(?:\.\d{{3}})+(?:,\d\d?(?!,?\d)|(?!\d))|\d+,\d\d?(?!,?\d)|{NUMBER})"
_GROUPED = re.compile(r"\d{1,3}(?:\.\d{3})+")


def _coin(written: str, count: Decimal) -> _Coin:
    code = "EUR" if written[1:].startswith("uro") else CODE_OF_SIGN.get(written, written).replace("RMB", "CNY")
    if code in _COINS:
        return _COINS[code]
    one, many = (currency(code, amount, "en") or code for amount in (Decimal(1), count))
    return _Coin(one, many, *(("cent", "cents") if one.endswith("dollar") else _CENTS.get(code, ())))


def _amount(match: re.Match[str]) -> str | None:
    written = match["sign"].strip()
    parted = match.end("sign") < match.start("amount") or match.start("sign") > match.start("amount")
    digits = _plain_sum(match["amount"], parted=parted)
    if written == "PHP" and re.fullmatch(r"\d(?:\.\d)?", match["amount"]):  # a version of what was the language
        return None
    coin = _coin(written, Decimal(2))
    scale = _said_scale(match["scale"])
    attributive = _is_attributive(match)
    unit = coin.one if attributive or (Decimal(digits) == 1 and not scale) else coin.many
    minus = sign(match["minus"] or "")
    last = _plain_sum(match["last"], parted=parted) if match["last"] else ""
    if not scale and not match["first_scale"] and any(map(_HAS_CENTS.search, (digits, last))):
        sums = " to ".join(
            _with_cents(coin, part, unit if part == digits else coin.many) for part in (digits, last) if part
        )
        return minus + sums + said_per(match["per"], "en")
    first = cardinal(digits)
    if last:
        of_first = _said_scale(match["first_scale"])
        first += f"{of_first if of_first != scale else ''} to {cardinal(last)}"
        unit = coin.one if attributive else coin.many
    return f"{minus}{first}{scale} {unit}{said_per(match['per'], 'en')}"


def _is_attributive(match: re.Match[str]) -> bool:
    """a $5 bill, his $44B deal, the £5bn pension fund: the coin is singular before what is worth so much."""
    text, end = match.string, match.end()
    if word_before(match) in ("a", "an") and re.match(r"[- ][a-z]", text[end : end + 2]):
        return True
    return _WORTH.match(text, end) is not None


def _in_red(match: re.Match[str]) -> str:
    """$(3.2)m, as accounts write a loss."""
    return f"minus {_amount(match)}"


def _round(match: re.Match[str]) -> str:
    """$100s, $10s of millions: hundreds of dollars, tens of millions of dollars"""
    words = plural(cardinal(match[2]).removeprefix("one "))
    coins = f" of {_coin(match[1].strip(), Decimal(2)).many}"
    says_coins = match.string.startswith(coins, match.end())  # "$1000s of dollars"
    return f"{words}{match[3] or ''}{'' if says_coins else coins}"


def _said_scale(written: str | None) -> str:
    scale = (written or "").rstrip(".")
    return f" {_SCALES.get(scale.lower(), scale)}" if scale else ""


def _plain_sum(written: str, *, parted: bool) -> str:
    """The digits, with a point before decimals. 1.500 is a group where the sign is parted, and so is 1.000."""
    written = plain(written)
    whole, comma, decimals = written.partition(",")
    if comma and "," not in decimals and len(decimals) < 3 and ("." not in whole or _GROUPED.fullmatch(whole)):
        return f"{re.sub(r'[^0-9]', '', whole)}.{decimals}"
    if _GROUPED.fullmatch(written) and (parted or written.count(".") > 1 or written.endswith("000")):
        return written.replace(".", "")
    return re.sub(r"[^\d.]", "", written)


def _with_cents(coin: _Coin, digits: str, unit: str) -> str:
    whole, _, decimals = digits.partition(".")
    whole = whole or "0"
    if len(decimals) != 2 or not int(decimals):
        return f"{cardinal(digits if len(decimals) != 2 else whole)} {unit}"
    if not coin.cent:
        return f"{cardinal(f'{whole}.{decimals}')} {coin.many}"
    cents = f"{cardinal(str(int(decimals)))} {coin.cent if int(decimals) == 1 else coin.cents}"
    return f"{cardinal(whole)} {coin.one if int(whole) == 1 else coin.many} and {cents}" if int(whole) else cents


def _cents(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} {'cent' if match[1] == '1' else 'cents'}{said_per(match[2], 'en')}"


_MINUS = rf"(?P<minus>(?<![\w)\]])(?:{PLUS_OR_MINUS}|[-−+])|{DASH_AS_MINUS})?"
_HAS_CENTS = re.compile(r"\.\d\d$")
# Nouns that cost so much; "the $5 million raised" is plural. None that may be a verb or an adverb ("took $5 home").
_WORTH = re.compile(
    r" (?:(?!(?:the|an?|his|her|their|its|our|my|your|of|in|for|to|per|from|by|on|at|with|and|or|he|she|they|we|you|it"
    r"|that|this|was|is|were|are)\b)[a-z]+[ -])?(?:deal|fund|contract|bill|budget|project|prize|loan|bond|house|mansion"
    r"|lawsuit|settlement|penalty|grant|gift|donation|acquisition|takeover|merger|buyout|buyback|investment|package"
    r"|program(?:me)?|industry|business|market|company|firm|startup|empire|fortune|fee|salary|bonus|debt|deficit|surplus"
    r"|loss|profit|windfall|jackpot|lottery|valuation|rescue|bailout|stimulus|facility|factory|stadium|bridge|tunnel"
    r"|campus|hotel|yacht|painting|necklace|ring|ticket|note|coin|cheque|reward|ransom|bounty|stake|dividend|expansion"
    r"|scheme|endowment|estate|inheritance|mortgage|shortfall|tariff|subsidy|deposit|payment|payout|instalment|scholarship"
    r"|campaign|film|movie|blockbuster|franchise|fine|plan|bid|question"
    r"|(?:ticket|note|coin|bill|cheque|bond|loan|fee|fine|prize|contract|deal|house|mansion|home)s)\b(?![-'’])"
)
_LAST = (
    rf"(?:(?:[ \u00a0]?(?P<first_scale>{_ANY_SCALE}))?(?:{DASH}(?:{MONEY_SIGN})?| [–—] (?:{MONEY_SIGN}))"
    rf"\s?(?P<last>{_SUM}))?"
)

_NEEDS = r"[^\x00-\x7f]|\$|[A-Z]{3}|R[sd]|Fr\.|[Ee]uro"  # a sign, a code or a name
MONEY: tuple[Rule, ...] = (
    rule(
        rf"(?P<minus>(?!))?(?<!\w)(?P<sign>{MONEY_SIGN})\((?P<amount>{_SUM})\)(?P<last>(?!))?(?P<first_scale>(?!))?"
        rf"{_SCALE}(?P<per>{PER})",
        _in_red,
        needs=_NEEDS,
    ),
    rule(
        rf"(?<!\w)({MONEY_SIGN})(10{{1,2}}|1,?0{{3}})s( of (?:thousand|million|billion|trillion)s)?(?!\w)",
        _round,
        needs=_NEEDS,
    ),
    rule(
        rf"{_MINUS}(?<!\w)(?P<sign>{MONEY_SIGN})[ \u00a0]?(?P<amount>{_SUM})(?:[.,][-–](?!\w))?"
        rf"{_LAST}{_SCALE}(?P<per>{PER})",
        _amount,
        needs=_NEEDS,
    ),
    rule(
        rf"{_MINUS}(?<![\w.])(?P<amount>{_SUM}){_LAST}{_SCALE}[ \u00a0]?"
        rf"(?P<sign>[€£¥₹₩₽₺₴₦₫₱₪$](?!\d)|zł|Kč|(?:{'|'.join(CODES)})\b"
        r"|(?<=[iIrR][oOdD] )[Ee]uros?\b|(?<=[iIrR][oOdD]\. )[Ee]uros?\b)"
        rf"(?P<per>{PER})",
        _amount,
        needs=_NEEDS,
    ),
    rule(rf"(?<![\w.])({WHOLE})[ \u00a0]?[¢￠]({PER})", _cents),
)

_PARTS = "¼½¾"
_PENCE = rf"\d{{0,2}}[{_PARTS}]|\d{{1,3}}"
_NEAR = 60  # characters in which other words of money tell shillings from seconds
_OLD_COINS = rf"£|\b(?:shilling|pence|penny|guinea)|\d[{_PARTS}]?[sdl]\.(?: [a-z\d(&]|[,;:)\]?!—–-])|[{_PARTS}]d\."
_WITH_COINS = rf"\d/-|\d ?s\.? \d{{1,2}} ?d\b|[{_PARTS}]d\b|\d[sd]\.(?: [a-z\d(&]|[,;:)])"
_OF_OLD_COINS = re.compile(rf"{_OLD_COINS}|{_WITH_COINS}")
_OF_COINS_ALONE = re.compile(_WITH_COINS)
_OF_MONEY = re.compile(
    rf"{_OLD_COINS}|\b(?:pound|cost|pa(?:y|id)\b|price|worth|spen[dt]|lent|lend|g[ia]ve|debt|wage|fare|fee|sold|sell"
    rf"|bought|buy|charge|bill)"
)
_DECADE_OF = frozenset("in the his her their my our your its early mid late".split())


def _near(match: re.Match[str], words: re.Pattern[str]) -> bool:
    return words.search(match.string, max(0, match.start() - _NEAR), match.end() + _NEAR) is not None


def _pounds(written: str) -> str:
    return f"{cardinal(written)} {'pound' if written == '1' else 'pounds'}"


def _pence(written: str) -> str:
    if written[-1] not in _PARTS:
        number = int(plain(written))
        return f"{cardinal(str(number))} {'penny' if number == 1 else 'pence'}"
    if len(written) == 1:
        return {"½": "a halfpenny", "¼": "a farthing", "¾": "three farthings"}[written]
    return f"{cardinal(written[:-1])} and {numeral(written[-1]).replace('one ', 'a ')} pence"


def _old_money(match: re.Match[str]) -> str | None:
    """£1 10s. 6d., 3s. 6d., £1-10-0, 8/6"""
    parts = []
    if (pounds := match["pounds"]) and re.search(r"[1-9]", pounds):
        parts.append(_pounds(pounds))
    if (shillings := match["shillings"]) and int(shillings):
        parts.append(f"{cardinal(str(int(shillings)))} {'shilling' if int(shillings) == 1 else 'shillings'}")
    if (pence := match["pence"]) and pence.strip("0-–—"):
        parts.append(_pence(pence))
    words = " and ".join(parts[-2:]) if pence and pence.strip("0-–—") else " ".join(parts)
    if len(parts) == 3:
        words = f"{parts[0]} {words}"
    return f"{words}{'.' * ends_too(match)}" if words else None


def _by_slash(match: re.Match[str]) -> str | None:
    """8/6 near other coins; 1/3 only near shillings and pence, and "3/4 of it" never."""
    pence = int(match["pence"])
    if pence > 11 or word_after(match) in ("of", "cup", "pint", "mile", "hour"):
        return None
    is_fraction = pence in (2, 3, 4, 8) and int(match["shillings"]) < pence
    return _old_money(match) if _near(match, _OF_COINS_ALONE if is_fraction else _OF_OLD_COINS) else None


def _one_coin(match: re.Match[str]) -> str | None:
    """12s., 6d., 100l.; but "in his 30s." and "It took 5s." are of time, and "the 3d." may be a day."""
    what, written = match["coin"], match["count"]
    before = word_before(match)
    if what == "s" and before in _DECADE_OF and written[-1] == "0" and len(written) == 2 and ends_too(match):
        return None
    is_decade = what == "s" and re.fullmatch(r"1\d\d0|20\d0", written)
    if is_decade or not _near(match, _OF_MONEY):
        return None
    if what == "d":
        words = _pence(written)
    elif written[-1] in _PARTS:
        words = f"{cardinal(written[:-1])} and {numeral(written[-1]).replace('one ', 'a ')} {_COIN[what]}s"
    else:
        attributive = before in ("a", "an") and re.match(r" [a-z]", match.string[match.end() : match.end() + 2])
        words = f"{cardinal(written)} {_COIN[what]}{'' if written == '1' or attributive else 's'}"
    if match["since"]:
        words = f"{cardinal(match['since'])} to {words}"
    return f"{words}{'.' * ends_too(match)}"


_COIN = {"s": "shilling", "l": "pound"}
_NO_POUNDS = r"(?<![\w.,/£])(?P<pounds>(?!))?"

OLD_MONEY: tuple[Rule, ...] = (
    rule(
        rf"(?:(?<!\w)£ ?(?P<pounds>{WHOLE})\.?,? |(?<![\w.,/£]))"
        rf"(?P<shillings>\d{{1,3}}) ?s\.?,? ?(?P<pence>{_PENCE}) ?d\b\.?",
        _old_money,
    ),
    rule(rf"(?<!\w)£ ?(?P<pounds>{WHOLE})\.?,? (?P<shillings>\d{{1,2}}) ?s\b\.?(?P<pence>(?!))?", _old_money),
    rule(
        rf"(?<!\w)£ ?(?P<pounds>{WHOLE})([-–./:])(?P<shillings>\d{{1,2}})\2(?P<pence>{_PENCE}|[-–—])(?![\w/]|[.,:-]\d)",
        _old_money,
    ),
    rule(rf"{_NO_POUNDS}(?P<shillings>\d{{1,3}})/(?P<pence>[-–—])(?![\w-])", _old_money),
    rule(rf"{_NO_POUNDS}(?P<shillings>\d{{1,2}})/(?P<pence>{_PENCE}) ?d\b\.?", _old_money),
    rule(rf"{_NO_POUNDS}(?P<shillings>\d{{1,2}})/(?P<pence>\d{{1,2}})(?![\w/]|[.,:-]\d)", _by_slash),
    rule(
        rf"(?<![\w.,/£])(?:(?P<since>\d{{1,3}}){DASH})?(?P<count>(?:{WHOLE})?[{_PARTS}]|{WHOLE})(?P<coin>(?:[sdl](?=\.)|(?<=[{_PARTS}])d(?!\.)))(?:\.(?!\w)|(?!\w))",
        _one_coin,
    ),
)
