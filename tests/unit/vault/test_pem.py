"""Certificates within text that somebody else wrote."""

from time import process_time

from vso.vault import certificates_in

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def test_certificates_are_found_whatever_stands_around_them() -> None:
    """Keys, comments in any language, a block that is cut off; a block that cannot be PEM is none."""
    one, other = f"{BEGIN}\none\n{END}", f"{BEGIN}\nother\n{END}"
    key = "-----BEGIN EC PRIVATE KEY-----\nkey\n-----END EC PRIVATE KEY-----"
    odd = f"{BEGIN}\nodd: \u00fc\n{END}"
    assert certificates_in(f"{END}Autorit\u00e9\n{one}\n{key}{other}{odd}{BEGIN}\ncut") == [one, other]
    assert certificates_in(f"{BEGIN[:-5]}{END}") == []
    assert certificates_in("") == []


def test_a_megabyte_of_beginnings_holds_up_nothing() -> None:
    """A tenant's CA is read on the loop that serves everybody; looking for an end from each beginning takes minutes."""
    text = BEGIN * (1024 * 1024 // len(BEGIN))
    started = process_time()
    assert certificates_in(text) == []
    assert certificates_in(text + END) == [text + END]
    assert process_time() - started < 10
