"""The model that is always there: near where words or their parts are shared, in any process."""

import subprocess
import sys

import numpy as np
import pytest

from penchant.texts.hashing import HashingTextModel

MODEL = HashingTextModel()


def cosine(first: str, second: str) -> float:
    one, other = MODEL.encode([first, second])
    return float(one @ other)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("Lavender soap bar", "Lavender soaps, 2 bars", "Steel comb for men"),
        ("Crème brûlée", "CREME BRULEE", "Creme caramel"),
        ("洗发水 500毫升", "护发洗发水", "不锈钢梳子"),
        ("シャンプー 500ml", "シャンプー 詰替", "ブラシ 木製"),
        ("мыло лавандовое", "Мыло с лавандой", "стальная расчёска"),
        ("Nail lacquer, red", "Nail lacquer, green", "Hair spray, red wine"),
    ],
)
def test_what_shares_words_or_their_parts_is_near(text, near, far):
    assert cosine(text, near) > 0.3 + cosine(text, far)


def test_the_order_of_words_tells_something():
    assert 0.7 < cosine("soap of hand cream", "cream hand of soap") < 0.99


def test_unlike_texts_are_nearly_at_right_angles():
    letters = np.random.default_rng(5).integers(97, 123, (400, 12)).astype(np.uint8)
    vectors = MODEL.encode([bytes(row).decode() for row in letters])
    others = (vectors @ vectors.T)[~np.eye(400, dtype=bool)]
    assert abs(others.mean()) < 0.01
    assert others.std() < 1.3 / 16  # signs at random: 1 / sqrt(256)


def test_vectors_have_unit_length_or_none():
    vectors = MODEL.encode(["soap", "a", "中", "", "!?", "soap " * 20_000])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0, 0, 1], atol=1e-6)
    assert MODEL.encode([]).shape == (0, 256)


def test_a_vector_does_not_depend_on_its_company():
    texts = ["soap bar", "中文 soap", "", "a", "x y z", "steel comb"] * 800
    together = MODEL.encode(texts)  # more than are read at once
    alone = np.concatenate([MODEL.encode([text]) for text in texts[:6]])
    np.testing.assert_array_equal(together, np.tile(alone, (800, 1)))


def test_what_stands_behind_the_last_token_is_not_read():
    texts = ["soap bar of green", "soap bar of steel", "中文洗发", "中文洗水"]
    first, second, third, fourth = MODEL.encode(texts, max_tokens=3)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(third, fourth)


def test_every_process_makes_the_same_vectors():
    code = (
        "from penchant.texts.hashing import HashingTextModel\n"
        "print(HashingTextModel().encode(['Soap, 中文'])[0].astype('<f4').tobytes().hex())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = MODEL.encode(["Soap, 中文"])[0]
    np.testing.assert_array_equal(np.frombuffer(bytes.fromhex(told.stdout), "<f4"), expected)
