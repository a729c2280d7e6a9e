"""Who wants what: negation, double negation, other people, the past, irony; and what weights come of it."""

from __future__ import annotations

import numpy as np
import pytest

from glowplug.profiles.cues import Stance
from glowplug.profiles.lexicon import Lexicon
from glowplug.profiles.pieces import Read
from glowplug.profiles.pieces import read as read_field
from glowplug.profiles.stance import runs
from glowplug.profiles.taxonomy import Label, Taxonomy, built_in
from glowplug.profiles.visible import visible
from glowplug.profiles.weighing import weigh

LEXICON = Lexicon(built_in().labels)
INTERESTS = {row for row, label in enumerate(built_in().labels) if label.kind == "interest"}


def stances(text: str) -> dict[str, Stance]:
    """Of every interest that the text names."""
    seen = visible(text)
    mentions = [mention for mention in LEXICON.mentions(seen) if mention.row in INTERESTS and mention.is_sure]
    out: dict[str, Stance] = {}
    for mention in mentions:
        run = next(run for run in runs(seen.folded, mentions) if run.start <= mention.start < run.end)
        out[built_in().labels[mention.row].id] = run.stance
    return out


@pytest.mark.parametrize(
    ("text", "wanted", "avoided"),
    [
        ("I love chess but not golf.", "chess", "golf"),
        ("Chess, no golf please.", "chess", "golf"),
        ("Golf is not for me; chess is.", "chess", "golf"),
        ("Anything but golf! I play chess.", "chess", "golf"),
        ("I used to love golf, now I can't stand it. Chess instead.", "chess", "golf"),
        ("Schach gern, aber bitte kein Golf.", "chess", "golf"),
        ("Golf mag ich nicht, lieber Schach.", "chess", "golf"),
        ("Tout sauf le golf ; j'aime les échecs.", "chess", "golf"),
        ("El golf me aburre, prefiero el ajedrez.", "chess", "golf"),
        ("Nada de golf, por favor. Juego al ajedrez.", "chess", "golf"),
        ("Golfe não é comigo. Adoro xadrez.", "chess", "golf"),
        ("不喜欢高尔夫，喜欢国际象棋。", "chess", "golf"),
        ("高尔夫就算了，国际象棋可以多推。", "chess", "golf"),
        ("除了高尔夫都行，最爱国际象棋。", "chess", "golf"),
        ("ゴルフは苦手ですが、チェスは好きです。", "chess", "golf"),
        ("ゴルフには興味がありません。チェスが趣味です。", "chess", "golf"),
        ("Не люблю гольф, зато обожаю шахматы.", "chess", "golf"),
        ("Гольф — не моё. Люблю шахматы.", "chess", "golf"),
        ("لا أحب الجولف. أحب الشطرنج.", "chess", "golf"),
        ("गोल्फ पसंद नहीं, शतरंज पसंद है।", "chess", "golf"),
        ("Oh great, another golf tournament. I play chess.", "chess", "golf"),
        ("I play chess. Oh great, another golf tournament.", "chess", "golf"),
        ("Golf has never been my thing, chess has.", "chess", "golf"),
        ("I took up chess and never saw the point of golf.", "chess", "golf"),
        ("Chess for me, and please, no golf.", "chess", "golf"),
        ("Mit Golf hab ich nix am Hut. Schach gern.", "chess", "golf"),
        ("Le golf, très peu pour moi. Par contre les échecs, oui.", "chess", "golf"),
        ("Il golf non fa per me, preferisco gli scacchi.", "chess", "golf"),
        ("Che bello, un altro torneo di golf. Io torno agli scacchi.", "chess", "golf"),
        ("골프는 제 취향이 아니고요, 체스가 좋아요.", "chess", "golf"),
        ("ゴルフは誘われても行きません。チェスなら夜明け前でも。", "chess", "golf"),
    ],
)
def test_wanted_and_avoided_are_told_apart(text: str, wanted: str, avoided: str) -> None:
    assert stances(text) == {wanted: "wanted", avoided: "avoided"}


@pytest.mark.parametrize(
    "text",
    [
        "I can't live without chess.",
        "It's not that I dislike chess.",
        "Never get bored of chess.",
        "没有一天不下国际象棋。",
        "离不开国际象棋。",
        "チェスなしでは生きられません。",
        "No puedo vivir sin ajedrez.",
        "Je ne peux pas me passer des échecs.",
        "Ich kann nicht genug von Schach bekommen.",
        "Не могу жить без шахмат.",
        "Chess is not half bad.",
        "Gli scacchi? Non vivo senza.",
        "체스 없이는 못 살아요.",
    ],
)
def test_two_negations_are_none(text: str) -> None:
    assert stances(text) == {"chess": "wanted"}


@pytest.mark.parametrize(
    "text",
    [
        "My husband plays chess.",
        "My son loves chess, and I knit.",
        "I gave up chess years ago.",
        "儿子下国际象棋，我织毛衣。",
        "夫はチェスに夢中です。",
        "Mein Mann spielt Schach.",
        "Mi hermano juega al ajedrez.",
        "谈不上喜欢也谈不上讨厌国际象棋。",
        "I played chess till I was fifteen.",
        "Já joguei xadrez, hoje não jogo mais.",
        "Mia moglie va matta per gli scacchi.",
        "예전에는 체스를 했는데 지금은 안 해요.",
    ],
)
def test_what_others_love_and_what_is_past_is_neither(text: str) -> None:
    assert stances(text)["chess"] == "neither"


@pytest.mark.parametrize(
    "text",
    [
        "Chess is overrated nonsense.",
        "I find chess tedious.",
        "Chess? So boring.",
        "Don’t ever show me chess.",
        "How thrilling, chess, said no one.",
        "I would sooner watch paint dry than chess.",
        "Another chess tournament. I'll stay with what I know.",
        "blocked: chess",
        "象棋太无聊了",
        "别再推象棋！",
        "Schach ist reine Zeitverschwendung.",
        "Bloß kein Schach.",
        "Les échecs, quelle plaie.",
        "El ajedrez me da alergia.",
        "チェスなんて時間の無駄",
        "Шахматы — пустая трата времени",
    ],
)
def test_what_is_judged_badly_is_avoided_whatever_the_words(text: str) -> None:
    assert set(stances(text).values()) == {"avoided"}


@pytest.mark.parametrize(
    "text",
    [
        "I love terrible chess puns.",
        "I hate how much I love chess.",
        "My office job is boring and pays for chess.",
        "我就爱象棋！别再推减肥了",
        "Chess and tea. My knees are awful.",
    ],
)
def test_a_bad_word_about_something_else_takes_nothing_away(text: str) -> None:
    found = stances(text)
    assert (found.get("chess") or found["xiangqi"]) == "wanted"


def test_what_stands_under_a_heading_is_meant_by_it() -> None:
    assert stances("not for me: golf, chess. love: baking") == {
        "golf": "avoided", "chess": "avoided", "baking": "wanted",
    }  # fmt: skip


def test_a_full_width_mark_ends_a_sentence_too() -> None:
    assert stances("别再推减肥！我就爱烤蛋糕。")["cakes-and-pastry"] == "wanted"


def test_a_present_for_somebody_is_wanted() -> None:
    assert stances("Looking for a gift for my niece, she loves chess.") == {"chess": "wanted"}


def test_what_somebody_says_of_the_writer_is_of_the_writer() -> None:
    assert stances("My wife says the chess set has to go.") == {"chess": "wanted"}


def test_a_dislike_goes_on_over_its_list() -> None:
    assert set(stances("I hate golf, chess, tennis and baking.").values()) == {"avoided"}
    assert set(stances("Golf, chess and baking bore me.").values()) == {"avoided"}


def test_a_dislike_ends_where_a_liking_begins() -> None:
    assert stances("I can't stand golf and love chess, baking and tennis") == {
        "golf": "avoided", "chess": "wanted", "baking": "wanted", "tennis": "wanted",
    }  # fmt: skip


def test_a_mere_no_does_not_reach_far() -> None:
    assert stances("There is no hurry at all when I sit down with friends for chess")["chess"] == "wanted"


TINY = Taxonomy(
    (
        Label("sport", "interest", "sport", words=("sport",)),
        Label("chess", "interest", "chess", broader=("sport",), words=("chess",), hints=("board",)),
        Label("nothing", "nothing", "nothing", words=("hello",)),
    )
)
CHESS, NOTHING = 1, 2


def read(text: str) -> Read:
    return read_field("text", text, Lexicon(TINY.labels), frozenset({0, 1}))


def weighed(text: str, **likeness: float) -> list[tuple[str, bool, float]]:
    """likeness: of every piece to the labels."""
    field = read(text)
    rows = np.zeros((len(field.pieces), 3), np.float32)
    rows[:] = [likeness.get(label.id, 0.0) for label in TINY.labels]
    found = weigh([field], [rows], TINY, frozenset({"interest"}))
    return [(TINY.labels[one.row].id, one.is_wanted, one.weight) for one in found]


def test_a_named_label_weighs_more_than_a_likely_one() -> None:
    ((_, _, named),) = weighed("chess", chess=0.6)
    ((_, _, likely),) = weighed("kings and queens of wood", chess=0.6)
    assert named > likely > 0


def test_a_piece_that_is_like_nothing_or_not_like_enough_has_no_label() -> None:
    assert weighed("kings and queens of wood", chess=0.6, nothing=0.6) == []
    assert weighed("kings and queens of wood", chess=0.4) == []


def test_a_hint_counts_only_where_the_clause_bears_it_out() -> None:
    assert weighed("a board", chess=0.1) == []
    assert [label for label, _, _ in weighed("a board", chess=0.5)] == ["chess"]


def test_a_liking_that_is_said_and_repeated_weighs_more() -> None:
    ((_, _, once),) = weighed("chess")
    ((_, _, liked),) = weighed("I love chess")
    ((_, _, twice),) = weighed("chess. Again chess")
    assert liked > once
    assert twice > once


def test_a_broader_word_beside_a_narrower_is_part_of_its_name() -> None:
    assert [label for label, _, _ in weighed("chess sport")] == ["chess"]
    assert {label for label, _, _ in weighed("chess and sport")} == {"chess", "sport"}


def test_a_label_is_wanted_or_not_and_never_both() -> None:
    assert [(label, is_wanted) for label, is_wanted, _ in weighed("no chess. chess")] == [("chess", False)]
