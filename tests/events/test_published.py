"""What owners publish becomes canonical tables, in the order of the owner's file."""

import zipfile
from datetime import datetime

import polars as pl
import pytest

from penchant.errors import InputError, MissingExtraError
from penchant.events import published

GENRES_OF_TOY_STORY = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
NO_GENRE = "1" + "|0" * 18


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes files and gives their folder."""

    def write(**files):
        for name, text in files.items():
            content = text if isinstance(text, bytes) else text.encode()
            (tmp_path / name.replace("__", ".").replace("_dash_", "-")).write_bytes(content)
        return tmp_path

    return write


@pytest.fixture
def both_forms(folder):
    """Return three events on three films as GroupLens and as RecBole publish them."""
    return folder(
        u__data="196\t267\t3\t881250949\n22\t1\t1\t878887116\n196\t1412\t5\t881250949\n",
        u__item=(
            f"1|Toy Story (1995)|01-Jan-1995||http://x/?Toy%20Story%20(1995)|{GENRES_OF_TOY_STORY}\n"
            f"267|unknown||||{NO_GENRE}\n"
            f"1412|L\xe1nd III: The (1995) (V)|01-Jan-1995||http://x|{GENRES_OF_TOY_STORY}\n"
        ).encode("latin-1"),
        u__user="22|25|M|writer|40206\n196|49|F|none|A1B2C\n",
        ml_dash_100k__inter=(
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
            "196\t267\t3\t881250949\n22\t1\t1\t878887116\n196\t1412\t5\t881250949\n"
        ),
        ml_dash_100k__item=(
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\r\n"
            "1\tToy Story\t1995\tAnimation Children's Comedy\r\n"
            "267\tunkonwn\tunkonwn\tunknown\r\n"
            "1412\tLánd III: The (1995)\tV\tAnimation Children's Comedy\r\n"
        ),
        ml_dash_100k__user=(
            "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
            "22\t25\tM\twriter\t40206\n196\t49\tF\tnone\tA1B2C\n"
        ),
        ml_dash_100k__kg=(
            "head_id:token\trelation_id:token\ttail_id:token\n"
            "m.9\tfilm.producer.film\tm.2\nm.2\tfilm.film.genre\tm.3\nm.2\tprequel\tm.5\n"
        ),
        ml_dash_100k__link="item_id:token\tentity_id:token\n296\tm.5\n1\tm.2\n",
    )


def test_movielens_100k_keeps_the_order_of_its_file(both_forms):
    tables = published.movielens_100k(both_forms)
    assert tables.events.rows() == [
        ("196", "267", 881250949, 3.0),
        ("22", "1", 878887116, 1.0),
        ("196", "1412", 881250949, 5.0),
    ]
    assert tables.items.rows() == [
        ("1", "Toy Story", 1995, "Animation|Children's|Comedy"),
        ("267", None, None, None),
        ("1412", "Lánd III: The", 1995, "Animation|Children's|Comedy"),
    ]
    assert tables.users is not None
    assert tables.users.rows() == [
        ("22", 25, "M", "writer", "40206"),
        ("196", 49, "F", "none", "A1B2C"),
    ]


def test_both_sources_of_movielens_100k_give_the_same_tables(both_forms):
    ours, copy = published.movielens_100k(both_forms), published.recbole_100k(both_forms)
    assert ours.events.equals(copy.events)
    assert ours.items.equals(copy.items)
    assert ours.users is not None
    assert copy.users is not None
    assert ours.users.equals(copy.users)


def test_the_graph_of_the_package_has_the_ids_of_films(both_forms):
    assert published.recbole_graph(both_forms).rows() == [
        ("m.9", "film.producer.film", "1"),
        ("1", "film.film.genre", "m.3"),
        ("1", "prequel", "296"),
    ]


def test_movielens_1m_is_read(folder):
    tables = published.movielens_1m(
        folder(
            ratings__dat="1::1193::5::978300760\n1::661::3::978302109\n",
            movies__dat="1193::One: Flew::Drama\n".replace("One: Flew", "One Flew (1975)")
            + "661::James and the Giant Peach (1996)::Animation|Children's\n",
            users__dat="1::F::1::10::48067\n",
        )
    )
    assert tables.events.row(0) == ("1", "1193", 978300760, 5.0)
    assert tables.items.rows() == [
        ("1193", "One Flew", 1975, "Drama"),
        ("661", "James and the Giant Peach", 1996, "Animation|Children's"),
    ]
    assert tables.users is not None
    assert tables.users.rows() == [("1", 1, "F", "K-12 student", "48067")]


def test_movielens_csv_is_read(folder):
    tables = published.movielens_csv(
        folder(
            ratings__csv="userId,movieId,rating,timestamp\n7,31,2.5,1260759144\n",
            movies__csv=(
                'movieId,title,genres\n31,"American President, The (1995)",Comedy|Drama\n'
                "32,Untitled,(no genres listed)\n"
            ),
        )
    )
    assert tables.events.rows() == [("7", "31", 1260759144, 2.5)]
    assert tables.items.rows() == [
        ("31", "American President, The", 1995, "Comedy|Drama"),
        ("32", "Untitled", None, None),
    ]
    assert tables.users is None


def test_amazon_is_read_with_the_products_that_have_events(folder):
    tables = published.amazon_2014(
        folder(
            reviews__json=(
                '{"reviewerID": "A3", "asin": "B2", "overall": 5.0, "unixReviewTime": 1391040000}\n'
                '{"reviewerID": "A1", "asin": "B9", "helpful": [3, 4], "reviewText": "so \\"so\\"",'
                ' "overall": 3.0, "unixReviewTime": 1397779200}\n'
            ),
            meta__json=(
                "{'asin': 'B1', 'title': 'no events', 'categories': [['Beauty']]}\n"
                "{'asin': 'B9', 'title': \"Dr. Jart's\", 'price': 5.25, 'brand': '',"
                " 'categories': [['Beauty', 'Hair'], ['Beauty', 'Nails']]}\n"
            ),
        )
    )
    assert tables.events.rows() == [("A3", "B2", 1391040000, 5.0), ("A1", "B9", 1397779200, 3.0)]
    assert tables.items.rows() == [
        ("B2", None, None, None, None, None),
        ("B9", "Dr. Jart's", "Beauty|Hair|Nails", None, 5.25, None),
    ]


def test_a_ragged_line_is_named(folder):
    files = folder(u__data="1\t2\t3\t4\n1\t2\t3\n", u__item="", u__user="")
    with pytest.raises(InputError, match=r"u\.data must have 4 fields .* but line 2 has 3\."):
        published.movielens_100k(files)


def test_a_broken_product_is_named(folder):
    files = folder(
        reviews__json='{"reviewerID": "A", "asin": "B", "overall": 1, "unixReviewTime": 1}\n',
        meta__json="{'asin': 'X'}\n{'asin': 'B', 'title': \n",
    )
    with pytest.raises(InputError, match=r"meta\.json cannot be read: line 2: "):
        published.amazon_2014(files)


def test_broken_reviews_are_named(folder):
    with pytest.raises(InputError, match=r"reviews\.json cannot be read: "):
        published.amazon_2014(folder(reviews__json="no json\n", meta__json=""))


def workbook(rows):
    """Return the least that a workbook can be: one sheet of inline text, numbers and dates."""

    def cell(value):
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        if isinstance(value, datetime):
            days = (value - datetime(1899, 12, 30)).total_seconds() / 86400
            return f'<c s="1"><v>{days!r}</v></c>'
        return "<c/>" if value is None else f"<c><v>{value}</v></c>"

    lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    return {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="sheet.xml"/>'
        f'<Relationship Id="r2" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="22"/></cellXfs></styleSheet>',
        "xl/sheet.xml": f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    }


RETAIL = [
    ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice",
     "CustomerID", "Country"],
    [536365, "85123A", "HOLDER ", 6, datetime(2010, 12, 1, 8, 26), 2.55, 17850, "Norway"],
    ["C536379", 22961, "JAM", -1, datetime(2010, 12, 1, 9, 41), 1.45, 17850, "Norway"],
    ["A563185", "B", "Adjust", 1, datetime(2011, 8, 12, 14, 50), 11062.06, None, "Eire"],
    [536366, "85123A", "T-LIGHT", 2, datetime(2010, 12, 1, 8, 28), 2.95, 13047, "France"],
    [536367, "85123A", "T-LIGHT", 3, datetime(2010, 12, 1, 8, 28), 2.95, 13047, "France"],
]  # fmt: skip


def test_uci_online_retail_is_read(tmp_path):
    pytest.importorskip("fastexcel", reason="the reader for workbooks is not installed")
    with zipfile.ZipFile(tmp_path / "Online Retail.xlsx", "w") as box:
        for name, text in workbook(RETAIL).items():
            box.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    tables = published.uci_online_retail(tmp_path)
    # 2010-12-01 is day 14944 since 1970
    first = 14944 * 86400 + 8 * 3600 + 26 * 60
    assert tables.events.row(0) == ("17850", "85123A", first, "purchase", 6.0, 2.55, "536365")
    assert tables.events["event_type"].to_list() == [
        "purchase", "cancel", "adjust", "purchase", "purchase",
    ]  # fmt: skip
    assert tables.events["user_id"].to_list() == ["17850", "17850", None, "13047", "13047"]
    assert tables.items.rows()[:2] == [("85123A", "T-LIGHT", 2.95), ("22961", "JAM", 1.45)]
    assert tables.users is not None
    assert tables.users.rows() == [("17850", "Norway"), ("13047", "France")]


def test_a_missing_reader_of_workbooks_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fastexcel", None)
    with pytest.raises(MissingExtraError, match=r'pip install "penchant\[excel\]"'):
        published.uci_online_retail(tmp_path)


def test_the_genres_stand_in_the_owners_order():
    flags = dict(zip(published.ML_100K_GENRES, GENRES_OF_TOY_STORY.split("|"), strict=True))
    assert [genre for genre, flag in flags.items() if flag == "1"] == [
        "Animation",
        "Children's",
        "Comedy",
    ]
    assert pl.Series(published.ML_1M_OCCUPATIONS).n_unique() == 21
