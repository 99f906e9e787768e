"""New ids in the manner of the chain."""

from __future__ import annotations

import re

import pytest

from flask_chainfix.diagnosis.numbering import LONGEST_ID, NewIds
from tests.support import Rev, chain, stamped


def next_ids(*specs: str | Rev, number: int = 2) -> list[str]:
    new_ids = NewIds(chain(*specs))
    return [new_ids.next(b"seed", "merge 2 heads") for _ in range(number)]


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (["0032", "0033 <- 0032", "0034 <- 0033"], ["0035", "0036"]),
        (["8", "9 <- 8"], ["10", "11"]),
        (["098", "099 <- 098"], ["100", "101"]),
        (["rev0001", "rev0002 <- rev0001"], ["rev0003", "rev0004"]),
        (["0001"], ["0002", "0003"]),
        (["0010", "0020 <- 0010", "0030 <- 0020"], ["0031", "0032"]),
        (
            ["0032_agents", "0033_log <- 0032_agents", "0033_tag <- 0032_agents"],
            ["0034_merge_2_heads", "0035_merge_2_heads"],
        ),
        (
            ["0033_2fa", "0034_2_factors <- 0033_2fa"],
            ["0035_merge_2_heads", "0036_merge_2_heads"],
        ),
    ],
)
def test_a_chain_that_counts_goes_on(specs: list[str], expected: list[str]) -> None:
    assert next_ids(*specs) == expected


@pytest.mark.parametrize(
    "specs",
    [
        ["02ce03a86f9d", "f06194fddb07 <- 02ce03a86f9d"],
        ["aa11", "aa22 <- aa11", "bb22 <- aa22"],  # digits, and no numbers
        ["a", "b1 <- a", "b2 <- a"],
        ["123456789012"],  # a hexadecimal id can look so
        ["users", "0001 <- users", "tags <- 0001", "posts <- tags"],
        ["0002", "0001 <- 0002"],
        ["v1_2_0", "v1_2_1 <- v1_2_0", "v1_3_0 <- v1_2_1"],
        ["2024_03_30", "2024_03_31 <- 2024_03_30"],
        ["20240228", "20240229 <- 20240228"],
        ["20240301_users", "20240302_tags <- 20240301_users"],
        ["202403012300", "202403012359 <- 202403012300"],
    ],
)
def test_other_ids_look_like_those_of_alembic(specs: list[str]) -> None:
    first, second = next_ids(*specs)
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert re.fullmatch("[0-9a-f]{12}", second)
    assert first != second
    assert next_ids(*specs) == [first, second]


def test_the_latest_ids_decide() -> None:
    assert next_ids("20200101", "0001 <- 20200101", "0002 <- 0001", "0003 <- 0002")[0] == "0004"
    counted = ["0001", "0002 <- 0001", "c1f00000000d <- 0002", "c2f00000000d <- c1f00000000d"]
    assert re.fullmatch("[0-9a-f]{12}", next_ids(*counted, "c3f00000000d <- c2f00000000d")[0])


def test_no_id_is_used_that_a_database_has() -> None:
    snapshot = stamped(chain("0001", "0002 <- 0001"), prod=["0003"])
    assert NewIds(snapshot).next(b"", "") == "0004"


def test_words_stay_and_fit_into_the_version_table() -> None:
    new_ids = NewIds(chain("0032_agents", "0033_log <- 0032_agents"))
    assert new_ids.next(b"", "0033 log", "0033_log") == "0034_log"
    long = new_ids.next(b"", "a message that is much longer than any id may be")
    assert long == "0035_a_message_that_is_much_long"
    assert len(long) <= LONGEST_ID
