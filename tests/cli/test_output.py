import json

import numpy as np

from penchant.cli.output import Output, jsonable


def test_a_table_sets_numbers_to_the_right(capsys):
    Output().table(["item", "score", "share"], [["a", 1.5, "5%"], ["bcd", "-12", "11%"]])
    assert capsys.readouterr().out.splitlines() == [
        "item  score  share",
        "----  -----  -----",
        "a       1.5     5%",
        "bcd     -12    11%",
    ]


def test_a_document_claims_standard_output(capsys):
    out = Output(as_json=True)
    out.line("for people")
    out.table(["a"], [[1]], title="A")
    out.document({"value": np.float32(0.5), "none": float("nan"), "counts": np.arange(2).tolist()})
    said = capsys.readouterr()
    assert json.loads(said.out) == {"schema": 1, "value": 0.5, "none": None, "counts": [0, 1]}
    assert "for people" in said.err


def test_without_json_no_document_is_printed(capsys):
    out = Output()
    out.document({"value": 1})
    out.warn("odd")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "warning: odd\n")


def test_what_is_no_json_becomes_text():
    assert jsonable({"path": __import__("pathlib").Path("a/b"), "big": float("inf")}) == {
        "path": "a/b",
        "big": None,
    }
