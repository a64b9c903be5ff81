"""Keys as one line of text with a checksum: Bech32m (BIP 350) without its limit of length (docs/format.md, Text forms).

No error here repeats any part of the text, which may be a secret.
"""

from __future__ import annotations

from functools import reduce

from .errors import KeyFileError

TEXT_KEY = "bkr-key"
RAW_KEY = "bkr-raw"
PAIR = "bkr-pair"
SEALED_PAIR = "bkr-sealed"
HOST = "bkr-host"
WRITER = "bkr-writer"
RECIPIENT = "bkr"

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {letter: value for value, letter in enumerate(_LETTERS)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CONSTANT = 0x2BC830A3
_CHECKSUM = 6
MAX_TEXT = 8192


class KeyTextError(KeyFileError):
    """A key in text form was mistyped or cut; it is not a wrong key."""

    usual_hint = "compare it with the original, letter by letter"


def encode_text(prefix: str, data: bytes) -> str:
    """`data` as text under a prefix."""
    values = _regroup(data, 8, 5, pad=True)
    polymod = _polymod(_expanded(prefix) + values + [0] * _CHECKSUM) ^ _CONSTANT
    checksum = [(polymod >> 5 * (5 - place)) & 31 for place in range(_CHECKSUM)]
    return f"{prefix}1{''.join(_LETTERS[value] for value in values + checksum)}"


def decode_text(text: str) -> tuple[str, bytes]:
    """Prefix and data of a text; white space and lines that start with `#` are ignored. Raises KeyTextError."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "".join("".join(lines).split())
    if len(joined) > MAX_TEXT:
        raise KeyTextError("the key text is too long")
    if joined not in (joined.lower(), joined.upper()):
        raise KeyTextError("the key text mixes lower and upper case: one letter was mistyped")
    prefix, letters = _parts(joined.lower())
    if not prefix or len(letters) < _CHECKSUM:
        raise KeyTextError("this is not a key text, or its start is missing")
    values = [_VALUES.get(letter, -1) for letter in letters]
    if -1 in values:
        place = len(prefix) + 2 + values.index(-1)
        raise KeyTextError(f"character {place} of the key text is not allowed: no key has this character")
    if not prefix.isascii():
        raise KeyTextError("this is not a key text, or its start is missing")
    if (polymod := _polymod(_expanded(prefix) + values)) != _CONSTANT:
        places = [str(len(prefix) + 2 + place) for place in _one_wrong(polymod ^ _CONSTANT, len(values))]
        # The code cannot distinguish positions 1,023 letters apart.
        where = f"; if only one letter is wrong, it is character {' or '.join(places)}" if places else ""
        raise KeyTextError(f"the key text has a wrong or missing letter: its checksum does not match{where}")
    return prefix, bytes(_regroup(bytes(values[:-_CHECKSUM]), 5, 8, pad=False))


def _parts(text: str) -> tuple[str, str]:
    """Prefix and letters. In our keys, a later 1 is a mistyped l."""
    for known in (TEXT_KEY, RAW_KEY, PAIR, SEALED_PAIR, HOST, WRITER, RECIPIENT):
        if text.startswith(f"{known}1"):
            return known, text[len(known) + 1 :]
    prefix, _, letters = text.rpartition("1")
    return prefix, letters


def _expanded(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _one_wrong(difference: int, length: int) -> list[int]:
    """The positions where another letter would make the checksum match."""
    found = []
    # What each of the 31 wrong letters adds to the checksum, starting at the last position.
    added = list(range(1, 32))
    for place in range(length - 1, -1, -1):
        if difference in added:
            found.append(place)
        added = [_step(state, 0) for state in added]
    return found[::-1]


def _step(state: int, value: int) -> int:
    top = state >> 25
    state = (state & 0x1FFFFFF) << 5 ^ value
    for place, part in enumerate(_GENERATOR):
        if top >> place & 1:
            state ^= part
    return state


def _polymod(values: list[int]) -> int:
    return reduce(_step, values, 1)


def _regroup(data: bytes, width: int, goal: int, *, pad: bool) -> list[int]:
    bits = count = 0
    found = []
    for value in data:
        bits, count = (bits << width | value) & 0xFFFF, count + width
        while count >= goal:
            count -= goal
            found.append(bits >> count & ((1 << goal) - 1))
    rest = bits & ((1 << count) - 1)
    if pad and count:
        found.append(rest << goal - count)
    elif not pad and (count >= width or rest):
        raise KeyTextError("the key text has too many or too few letters")
    return found
