"""Money in English: signs and codes of currencies with what belongs to the amount, such as "$15 million"."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from pipeline.source.spoken.digits.context import DASH, NUMBER, WHOLE, rule, sign, word_before
from pipeline.source.spoken.digits.words import cardinal, currency, plain
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
    "INR": _Coin("rupee", "rupees"),
    "KRW": _Coin("won", "won"),
    "RUB": _Coin("ruble", "rubles"),
    "₿": _Coin("bitcoin", "bitcoins"),
    "XBT": _Coin("bitcoin", "bitcoins"),
}
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
_SCALES |= {"tn": "trillion", "t": "trillion", "mio": "million", "mrd": "billion"}
_SCALE = (
    r"(?:[ \u00a0-]?(?P<scale>hundred|thousand|million|billion|trillion|[kK](?!\w)|[mM](?:[mMnN]|io)?(?!\w)"
    r"|[bB][nN]?(?!\w)|[tT][nN]?(?!\w)))?"
)


def _coin(written: str, count: Decimal) -> _Coin:
    code = CODE_OF_SIGN.get(written, written).replace("RMB", "CNY")
    if code in _COINS:
        return _COINS[code]
    one, many = (currency(code, amount, "en") or code for amount in (Decimal(1), count))
    return _Coin(one, many)


def _amount(match: re.Match[str]) -> str | None:
    written = match["sign"].strip()
    digits = re.sub(r"[^\d.]", "", plain(match["amount"]))
    coin = _coin(written, Decimal(2))
    scale = match["scale"] or ""
    scale = f" {_SCALES.get(scale.lower(), scale)}" if scale else ""
    attributive = word_before(match) in ("a", "an") and re.match(
        r"[- ][a-z]", match.string[match.end() : match.end() + 2]
    )
    unit = coin.one if attributive or (Decimal(digits) == 1 and not scale) else coin.many
    minus = sign(match["minus"] or "")
    whole, _, decimals = digits.partition(".")
    if len(decimals) == 2 and not scale and not match["last"]:
        return minus + _with_cents(coin, whole or "0", decimals, unit)
    first = cardinal(match["amount"])
    if match["last"]:
        first += f" to {cardinal(match['last'])}"
        unit = coin.one if attributive else coin.many
    return f"{minus}{first}{scale} {unit}"


def _with_cents(coin: _Coin, whole: str, decimals: str, unit: str) -> str:
    if not int(decimals):
        return f"{cardinal(whole)} {unit}"
    if not coin.cent:
        return f"{cardinal(f'{whole}.{decimals}')} {coin.many}"
    cents = f"{cardinal(str(int(decimals)))} {coin.cent if int(decimals) == 1 else coin.cents}"
    return f"{cardinal(whole)} {coin.one if int(whole) == 1 else coin.many} and {cents}" if int(whole) else cents


def _cents(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} {'cent' if match[1] == '1' else 'cents'}"


_MINUS = r"(?P<minus>(?<![\w)\]])[-−+]\s?)?"
_LAST = rf"(?:{DASH}(?:{MONEY_SIGN})?\s?(?P<last>{NUMBER}))?"

MONEY: tuple[Rule, ...] = (
    rule(rf"{_MINUS}(?<!\w)(?P<sign>{MONEY_SIGN})[ \u00a0]?(?P<amount>{NUMBER}){_LAST}{_SCALE}", _amount),
    rule(
        rf"{_MINUS}(?<![\w.])(?P<amount>{NUMBER}){_LAST}{_SCALE}[ \u00a0]?"
        rf"(?P<sign>[€£¥₹₩₽₺₴₦₫₱₪$](?!\d)|zł|Kč|(?:{'|'.join(CODES)})\b)",
        _amount,
    ),
    rule(rf"(?<![\w.])({WHOLE})[ \u00a0]?[¢￠]", _cents),
)
