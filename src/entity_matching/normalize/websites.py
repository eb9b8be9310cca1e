"""Web addresses reduced to the host name that an organisation registered."""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
from publicsuffixlist import PublicSuffixList

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/+")
_END_OF_HOST = re.compile(r"[/?#\s\\,;]")
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_LONGEST = 253
_LONGEST_ADDRESS = 4_096
# Hosts that many organisations share: there the name before the host, or the path after it, tells them apart. Most of
# the first kind the list of public suffixes knows.
_SHARED_DOMAINS = frozenset("wordpress.com weebly.com business.site squarespace.com tumblr.com".split())
_SHARED_PAGES = frozenset(
    "facebook.com linkedin.com twitter.com x.com instagram.com youtube.com xing.com tiktok.com sites.google.com".split()
)
_PAGE_DEPTH = 2


def website(value: str, _country: str = "") -> str | None:
    """Return the registered domain of a web address, lower case; ``None`` if it is none.

    ``https://www.example.co.uk/about`` is ``example.co.uk``: what is registered below is said by the list of public
    suffixes (publicsuffix.org), as it came with the installed package. On hosts that many share the sub-domain or the
    first two parts of the path are kept: ``linkedin.com/company/example``.
    """
    address = value.strip().lower()
    if len(address) > _LONGEST_ADDRESS:
        return None
    address = _SCHEME.sub("", address, count=1).lstrip("/")
    end = _END_OF_HOST.search(address)
    authority, path = (address[: end.start()], address[end.start() :]) if end is not None else (address, "")
    host = authority.rpartition("@")[2].partition(":")[0].strip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if len(host) > _LONGEST or _HOST.fullmatch(host) is None:
        return None
    return _registered(host.removeprefix("www."), path)


def own_part(domains: pa.Array) -> pa.Array:
    """Return the part of each registered domain that its owner chose: ``saga-pure`` of ``saga-pure.com``.

    :param domains: as :func:`website` gives them; of a page that many share it is the last part of the path.
    """
    return pc.replace_substring_regex(pc.replace_substring_regex(domains, r"^.*/", ""), r"\..*$", "")


def _registered(host: str, path: str) -> str:
    domain = _suffixes().privatesuffix(host) or host
    if domain in _SHARED_DOMAINS:
        return ".".join(host.split(".")[-3:])
    for page_host in (host, domain):
        if page_host in _SHARED_PAGES:
            folders = [folder for folder in _QUERY.sub("", path).split("/") if folder]
            return "/".join([page_host, *folders[:_PAGE_DEPTH]])
    return domain


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """Return the list of public suffixes, read the first time that an address is."""
    return PublicSuffixList()
