"""Legal forms in the words of a name."""

from __future__ import annotations

import pytest

from entity_matching.normalize.legal_forms import find_forms, split_forms
from entity_matching.normalize.names import normalize_name


def _split(text: str) -> tuple[str, str]:
    words = text.split()
    rest, forms = split_forms(words, find_forms(words))
    return " ".join(rest), " ".join(forms)


@pytest.mark.parametrize(
    ("words", "rest", "form"),
    [
        ("siemens ag", "siemens", "ag"),
        ("siemens aktiengesellschaft", "siemens", "ag"),
        ("bosch gmbh", "bosch", "gmbh"),
        ("china vanke co ltd", "china vanke", "coltd"),
        ("yext incorporated", "yext", "inc"),
        ("vodafone group public limited company", "vodafone group", "plc"),
        ("borussia dortmund gmbh and co kgaa", "borussia dortmund", "gmbhcokgaa"),
        ("grupo bimbo sab de cv", "grupo bimbo", "sabcv"),
        ("pt telkom indonesia tbk", "telkom indonesia", "pt tbk"),
        ("sasseur real estate investment trust", "sasseur", "reit"),
        ("koc holding anonim sirketi", "koc holding", "as"),
        ("tokyo electric power co holdings inc", "tokyo electric power holdings", "co inc"),
        ("lufthansa ag vna", "lufthansa vna", "ag"),
        ("borussia dortmund gmbh and co kommanditgesellschaft auf aktien", "borussia dortmund", "gmbhcokgaa"),
        ("lucas bols bv", "lucas bols", "bv"),
        ("banco santander s a", "banco santander", "sa"),
        ("gazprom public joint stock company", "gazprom", "pjsc"),
        ("obshchestvo s ogranichennoy otvetstvennostyu romashka", "romashka", "ooo"),
        ("kabushiki kaisha hitachi", "hitachi", "kk"),
        ("zions bancorporation national association", "zions bancorporation", "na"),
        ("agroton mchj", "agroton", "mchj"),
    ],
)
def test_a_form_is_told_apart_and_brought_to_one_spelling(words: str, rest: str, form: str) -> None:
    assert _split(words) == (rest, form)


@pytest.mark.parametrize(
    "words",
    [
        "as creation tapeten",
        "sa sa international",
        "interpublic group of companies",
        "railtel corporation of india",
        "arab company for asset management",
        "ag growth international",
        "limited",
        "co",
        "is at in secs",
        "thermal spa hotels",
        "toyota motor u s a",
        "u s a truck",
        "dream unlimited",
        "ao smith",
        "sia engineering",
    ],
)
def test_words_that_only_look_like_forms_stay(words: str) -> None:
    assert _split(words) == (words, "")


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("Muster Gesellschaft mit beschränkter Haftung", "gmbh"),
        ("Muster UG (haftungsbeschränkt)", "ug"),
        ("Muster GmbH & Co. KG", "gmbhcokg"),
        ("Muster Ges.m.b.H.", "gmbh"),
        ("Exemple S.à r.l.", "sarl"),
        ("Exemple société par actions simplifiée", "sas"),
        ("Esempio S.r.l.", "srl"),
        ("Esempio Società per Azioni", "spa"),
        ("Ejemplo Sociedad Limitada", "sl"),
        ("Ejemplo S.A. de C.V.", "sacv"),
        ("Ejemplo S. de R.L. de C.V.", "srlcv"),
        ("Exemplo Ltda.", "ltda"),
        ("Exemplo, Unipessoal Lda.", "unipessoallda"),
        ("Voorbeeld B.V.", "bv"),
        ("Voorbeeld BVBA", "bvba"),
        ("Exempel Aktiebolag (publ)", "ab"),
        ("Eksempel ApS", "aps"),
        ("Eksempel A/S", "as"),
        ("Eksempel Allmennaksjeselskap", "asa"),
        ("Esimerkki Osakeyhtiö", "oy"),
        ("Dæmi ehf.", "ehf"),
        ("Näide OÜ", "ou"),
        ("Piemērs SIA", "sia"),
        ("UAB Pavyzdys", "uab"),
        ("Przykład Sp. z o.o.", "spzoo"),
        ("Przykład spółka z ograniczoną odpowiedzialnością", "spzoo"),
        ("Příklad s.r.o.", "sro"),
        ("Příklad, spol. s r.o.", "sro"),
        ("Příklad akciová společnost", "as"),
        ("Példa Kft.", "kft"),
        ("Példa Zártkörűen Működő Részvénytársaság", "zrt"),
        ("Primjer d.o.o.", "doo"),
        ("Пример ЕООД", "eood"),
        ("Παράδειγμα Ανώνυμη Εταιρεία", "ae"),
        ("ООО Ромашка", "ooo"),
        ("Публичное акционерное общество Новатэк", "pjsc"),
        ("Örnek Limited Şirketi", "ltdsti"),
        ("Örnek Anonim Şirketi", "as"),
        ("株式会社 日立", "kk"),
        ("삼성전자 주식회사", "jusikhoesa"),
        ("Contoh Sdn. Bhd.", "sdnbhd"),
        ("Example Pte. Ltd.", "ltd"),
        ("Example Pvt Ltd", "ltd"),
        ("Example (Pty) Ltd", "ltd"),
        ("Example L.L.C.", "llc"),
        ("Example LLP", "llp"),
        ("Example Designated Activity Company", "dac"),
    ],
)
def test_the_forms_of_many_countries_are_known(raw: str, form: str) -> None:
    assert normalize_name(raw).form == form


def test_each_form_that_decides_an_identity_keeps_its_own_name() -> None:
    forms = (
        "ag gmbh se ltd co-ltd plc inc corp co llc llp lp sa sarl sas spa srl nv bv ab asa as aps oy oyj kk pt tbk "
        "bhd sdn-bhd pjsc ojsc cjsc jsc ooo kgaa kg gmbh-and-co-kg gmbh-and-co-kgaa sp-z-oo sro kft nyrt zrt doo dd"
    ).split()
    names = [_split(f"muster {form.replace('-', ' ')}") for form in forms]
    assert {rest for rest, _ in names} == {"muster"}
    assert len({form for _, form in names}) == len(forms)


def test_ag_and_gmbh_of_one_name_differ() -> None:
    assert _split("muster ag")[0] == _split("muster gmbh")[0]
    assert _split("muster ag")[1] != _split("muster gmbh")[1]


def test_very_many_forms_take_time_in_proportion() -> None:
    words = "alpha ltd gmbh " * 50_000
    rest, forms = split_forms(words.split(), find_forms(words.split()))
    assert rest[0] == "alpha"
    assert len(forms) > 50_000
