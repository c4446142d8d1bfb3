"""Where a request comes from: a page of another site in the same browser, or another machine."""
import contextlib
import ipaddress
import re
from urllib.parse import urlsplit

LOCAL = {"localhost", "127.0.0.1", "::1"}       # names of this machine, on which other services may have other ports


def foreign_host(headers, names):
    """The host name that a request uses if it is none of the service's, else None.

    headers: of werkzeug; names: as scripts.web.application.host_names has them, perhaps with a port; None for any name.
    A site may point its own name at this machine (DNS rebinding), and then read the answers as its own.
    """
    host = _without_port(headers.get("Host", "localhost").lower())
    return None if names is None or host in {_without_port(name) for name in names} else host


def foreign_page(method, headers, names):
    """Whether a page of another site made the browser send the request: browsers say so in one header or two.

    A page's origin is the service's if it is the host, with port, that the request uses, or one of --name: a front
    server may use another host. Links send no Origin and may come from anywhere.
    """
    if method == "POST" and headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("Origin")
    if origin is None:
        return False
    found, host = _netloc(origin), headers.get("Host", "localhost").lower()
    named = set(names or ()) - LOCAL
    return found is None or (found != _plain(host) and found not in named)


def local_request(environ):
    """Whether a request comes from this machine, and no front server says that it passes it on.

    environ: of WSGI, with SERVER_ADDR, the address that was asked, if the server says it.
    """
    passed_on = any(f"HTTP_{name}" in environ for name in ("FORWARDED", "VIA", "X_FORWARDED_FOR", "X_REAL_IP"))
    address = environ.get("REMOTE_ADDR", "")
    with contextlib.suppress(ValueError):
        return not passed_on and (address == environ.get("SERVER_ADDR") or ipaddress.ip_address(address).is_loopback)
    return False


def _netloc(origin):
    """Host and port of an origin in lower case, without its scheme's own port; None of "null" and what is no origin."""
    try:
        parts = urlsplit(origin.lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
        return None
    return _plain(parts.netloc) if port else parts.netloc


def _plain(netloc):
    """Without a port that browsers leave out."""
    return re.sub(r":(80|443)?$", "", netloc)


def _without_port(host):
    """A host of a header, or a name, without its port and brackets."""
    found = re.fullmatch(r"(\[[^]]*\]|[^:]*):\d*", host)
    return (found[1] if found else host).strip("[]")
