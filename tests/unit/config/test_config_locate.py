"""Where files are found, what is shipped, and what any file is."""

import pytest
from toys import BOOK, STUDY, WORLD, write

from riskengine.config import locate
from riskengine.config.check import check_file
from riskengine.config.models import margin_model
from riskengine.errors import InputError, UsageError


def test_a_name_is_a_shipped_file_and_a_path_is_the_users(tmp_path, monkeypatch):
    assert locate.find("scenarios", "btc_eth") == locate.shipped("scenarios")["btc_eth"]
    (tmp_path / "btc_eth.yaml").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    assert locate.find("scenarios", "btc_eth.yaml").resolve() == tmp_path / "btc_eth.yaml"
    assert locate.find("scenarios", "btc_eth") != tmp_path / "btc_eth.yaml"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "btc_eth.yaml").write_text(WORLD)
    assert locate.find("scenarios", "btc_eth.yaml", tmp_path / "sub") == tmp_path / "sub" / "btc_eth.yaml"


def test_an_installed_package_reads_what_the_wheel_holds(tmp_path, monkeypatch):
    inside = tmp_path / "riskengine" / "_shipped" / "configs" / "books"
    inside.mkdir(parents=True)
    (inside / "mine.csv").write_text("x")
    monkeypatch.setattr(locate, "_PACKAGE", tmp_path / "riskengine")
    assert locate.shipped("books") == {"mine": inside / "mine.csv"}
    assert locate.shipped("studies") == {}
    with pytest.raises(InputError, match="study must be a file or one of none shipped, got 'x'"):
        locate.find("studies", "x")


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(InputError, match="got 'margin_bok'; did you mean 'margin_book'"):
        locate.find("books", "margin_bok")
    with pytest.raises(UsageError, match="got 'bocks'; did you mean 'books'"):
        locate.shipped_file("bocks", "margin_book")


@pytest.mark.parametrize("kind", list(locate.FOLDERS))
def test_every_shipped_file_is_in_order(kind):
    assert locate.shipped(kind)
    expected = {"scenarios": "world", "studies": "study", "books": "book", "protocols": "parameter set"}[kind]
    for file in locate.shipped(kind).values():
        assert expected in check_file(file)


def test_a_file_is_known_by_its_content(tmp_path):
    write(tmp_path)
    assert [check_file(tmp_path / f"{n}.yaml") for n in ("study", "backtest", "world", "book")] == [
        "study",
        "study",
        "world",
        "margin book",
    ]
    (tmp_path / "l.csv").write_text("borrower,A_collateral\nx,1\n")
    assert check_file(tmp_path / "l.csv") == "borrower book"
    (tmp_path / "what.yaml").write_text("colour: red\n")
    with pytest.raises(InputError, match="what.yaml: file must be a study, a world, a book or a parameter set"):
        check_file(tmp_path / "what.yaml")
    for name, text in (("world", WORLD), ("book", BOOK), ("study", STUDY)):
        (tmp_path / "bad.yaml").write_text(text + "extra: 1\n")
        with pytest.raises(InputError, match="extra: unknown key"):
            check_file(tmp_path / "bad.yaml")
        assert check_file(tmp_path / f"{name}.yaml")


def test_a_margin_model_by_name_takes_what_it_knows():
    model = margin_model("ewma_var", levels=[0.9], margin_period_hours=12.0, parameters=None)
    assert (model.levels, model.margin_period_hours) == ((0.9,), 12.0)
    assert margin_model("derive_pmrm_v2", levels=[0.9]).levels == ()
    with pytest.raises(InputError, match="levels must lie in"):
        margin_model("historical_var", levels=[1.0])
    with pytest.raises(UsageError, match="did you mean 'ewma_var'"):
        margin_model("ewma_vra")
