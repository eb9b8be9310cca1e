"""Web addresses reduced to the registered domain."""

from __future__ import annotations

import pytest

from entity_matching.normalize.websites import website


@pytest.mark.parametrize(
    ("raw", "domain"),
    [
        ("http://www.vanke.com", "vanke.com"),
        ("HTTPS://VANKE.COM/", "vanke.com"),
        ("vanke.com", "vanke.com"),
        ("www.kyungbang.co.kr", "kyungbang.co.kr"),
        ("http://www.iij.ad.jp", "iij.ad.jp"),
        ("www.city.kawasaki.jp", "city.kawasaki.jp"),
        ("co.uk", "co.uk"),
        ("acme.myshopify.com/shop", "acme.myshopify.com"),
        ("www.acme.github.io", "acme.github.io"),
        ("deep.acme.tumblr.com", "acme.tumblr.com"),
        ("http://investor.apple.com/faq", "apple.com"),
        ("//user:pw@example.org:8080/x", "example.org"),
        ("https://www.linkedin.com/company/acme/about/", "linkedin.com/company/acme"),
        ("https://acme.wordpress.com/2020", "acme.wordpress.com"),
        ("http://www.müller.de", "xn--mller-kva.de"),
        ("http://example.com?x=1", "example.com"),
        ("localhost", None),
        ("", None),
        ("10.0.0.1", None),
        ("a" * 10_000 + ".com", None),
    ],
)
def test_the_registered_domain(raw: str, domain: str | None) -> None:
    assert website(raw) == domain
