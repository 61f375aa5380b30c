"""The tokens of whisper-words: Whisper's special ones in Whisper's order, byte-level BPE that knows our words whole.

The ids are not those of OpenAI's models (there are some two thousand tokens here, not 51865): whoever assumes those is
found out. That the model is multilingual, ctranslate2 4.8 sees by the empty token that Whisper's vocabulary has.
"""

from __future__ import annotations

import functools

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from scripts.test_models.whisper_words.words import ALL_WORDS, WORDS

TIMESTAMP_S = 0.02
"""What one timestamp token stands for."""
TIMESTAMPS = 1501
LATEST_S = 12
"""The model tells times up to here, to a tenth of a second."""
_LANGUAGES = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk
te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo
ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su
"""
LANGUAGES = tuple(_LANGUAGES.split())
"""Whisper's 99 languages in the order of their tokens."""


@functools.cache
def byte_characters() -> tuple[str, ...]:
    """Return the 256 characters that stand for bytes, in GPT-2's order: printable ones first, as themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return tuple(map(chr, printable)) + tuple(chr(256 + place) for place in range(256 - len(printable)))


SPACE = byte_characters().index("\u0120")
"""The id of a lone space, which Whisper never begins with."""


@functools.cache
def merges() -> tuple[tuple[str, str], ...]:
    """Return merges that build each word, with the space before it, letter by letter into one token."""
    pairs: dict[tuple[str, str], None] = {}
    for word in ALL_WORDS:
        left = byte_characters()[SPACE]
        for letter in word:
            pairs[left, letter] = None
            left += letter
    return tuple(pairs)


@functools.cache
def text_tokens() -> tuple[str, ...]:
    """Return the tokens that text is made of, and the empty one; the place of each is its id."""
    return (*byte_characters(), *(left + right for left, right in merges()), "")


@functools.cache
def special_tokens() -> tuple[str, ...]:
    """Return the tokens from <|endoftext|> to the last timestamp, in the order of their ids."""
    return (
        *("<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES)),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
        *(f"<|{place * TIMESTAMP_S:.2f}|>" for place in range(TIMESTAMPS)),
    )


def all_tokens() -> list[str]:
    """Return every token in the order of the ids: ctranslate2's vocabulary."""
    return [*text_tokens(), *special_tokens()]


def special_id(name: str) -> int:
    """Return the id of a special token by what stands between its bars, such as "en" or "notimestamps"."""
    return len(text_tokens()) + special_tokens().index(f"<|{name}|>")


def timestamp_id(seconds: float) -> int:
    """Return the token nearest to a time."""
    return special_id("0.00") + round(seconds / TIMESTAMP_S)


@functools.cache
def word_id(word: str) -> int:
    """Return the one token of a word that the model knows."""
    return text_tokens().index(byte_characters()[SPACE] + word)


@functools.cache
def said_ids() -> tuple[int, ...]:
    """Return the ids, ascending, that the model may say: words, times, and what stands at the edges of a transcript."""
    names = ("endoftext", "transcribe", "nospeech", *WORDS)
    times = (timestamp_id(tenth / 10) for tenth in range(10 * LATEST_S))
    return tuple(sorted([*map(word_id, ALL_WORDS), *map(special_id, names), *times]))


def tokenizer() -> Tokenizer:
    """Return the tokenizer that becomes tokenizer.json."""
    made = Tokenizer(models.BPE({token: place for place, token in enumerate(text_tokens())}, list(merges())))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, normalized=False) for token in special_tokens()])
    return made
