"""Who deploys."""

from __future__ import annotations

import getpass
import os
import re
import unicodedata
import uuid
from dataclasses import dataclass

_NOT_DASH = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class User:
    """A user of a workspace, or of this machine.

    :param name: the user's name as Databricks writes it, an address; of a service principal its application id.
    :param display_name: what a service principal is called.
    """

    name: str
    display_name: str = ""

    @classmethod
    def of_this_machine(cls) -> User:
        """Return the user of the operating system; one whose number has no name goes by the number."""
        try:
            return cls(getpass.getuser())
        except (KeyError, OSError):
            return cls(f"user{os.getuid()}")

    @property
    def short_name(self) -> str:
        """The name as the Databricks CLI shortens it.

        What is before the '@', in lower case, each run of characters that are neither letters (of any language) nor
        digits as one '_': ``Ann.O'Neil+test@x.com`` is ``ann_o_neil_test``.
        """
        name = self.display_name if self.display_name and self.is_service_principal else self.name
        letters = (char if char.isalpha() or char.isdecimal() else "_" for char in name.partition("@")[0].lower())
        return re.sub(r"_+", "_", "".join(letters)).strip("_")

    @property
    def domain_friendly_name(self) -> str:
        """The short name with plain letters and '-' only, as it may stand in the name of a host."""
        bare = "".join(c for c in unicodedata.normalize("NFD", self.short_name) if unicodedata.category(c) != "Mn")
        return _NOT_DASH.sub("-", unicodedata.normalize("NFC", bare).lower())

    @property
    def is_service_principal(self) -> bool:
        """Whether it is a program's identity, which goes by a UUID."""
        try:
            uuid.UUID(self.name)
        except ValueError:
            return False
        return True
