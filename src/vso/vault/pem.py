"""Certificates within text that somebody else wrote."""

from typing import Final

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


def certificates_in(text: str) -> list[str]:
    """The PEM blocks of certificates in `text`, in order; what is within them may still be anything in ASCII.

    Takes time in proportion to the text: a regular expression looks for the end anew from each beginning, which takes
    minutes where a megabyte has nothing but beginnings.
    """
    found = []
    begin = text.find(_BEGIN)
    while begin >= 0 and (end := text.find(_END, begin + len(_BEGIN))) >= 0:
        block = text[begin : end + len(_END)]
        if block.isascii():
            found.append(block)
        begin = text.find(_BEGIN, end + len(_END))
    return found
