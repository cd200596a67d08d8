"""Spellings: single values as an operator writes them, with the grammar each must keep.

What passes here may reach nginx, a znode path, a command line or the cloud: odd text is refused, never escaped.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticCustomError, core_schema

from hfs_appliance.config import durations, percents
from hfs_appliance.config.keys import quote
from hfs_appliance.model.foundation import MEMBERS, RULE
from hfs_appliance.model.ids import NAME, VERSION
from hfs_appliance.model.shares import PER_MILLE, PerMille
from hfs_appliance.model.traffic import COOKIE, HEADER, VALUE

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

MISSPELT: Final = "hfs"
"""Type of pydantic error that carries `words` and `hint` of ours in its context."""

PLACEHOLDERS: Final = ("address", "port", "version", "service", "server", "venv", "directory", "hfs")

_LOOPBACK: Final = ipaddress.IPv4Network("127.0.0.0/8")
# Server ids are `<pool>-<serial>` and names themselves: the serial needs room.
_POOL_NAME_MAX: Final = 48
_TEXT_MAX: Final = 2000


def misspelt(words: str, hint: str = "") -> PydanticCustomError:
    """Make the error that a reader raises."""
    return PydanticCustomError(MISSPELT, "misspelt", {"words": words, "hint": hint})


@dataclass(frozen=True, slots=True, eq=False)  # hashed as itself: the type system asks for it
class Spelling:
    """How a value is written as a string; used as `Annotated[T, Spelling(…)]` in the shape."""

    read: Callable[[str], Any]
    """Errors: `misspelt`."""
    schema: JsonSchemaValue
    """What an editor may check: a part of `read`'s grammar."""
    write: Callable[[Any], str] = str
    hint: str = ""
    """What to tell somebody who wrote something that is no string at all."""

    def _validate(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "not a string", {"hint": self.hint})
        return self.read(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(self.write, when_used="unless-none")
        return core_schema.no_info_plain_validator_function(self._validate, serialization=written)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", **self.schema}


def _matching(pattern: str, words: str, hint: str = "") -> Spelling:
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise misspelt(f"{quote(text)} {words}", hint)
        return text

    return Spelling(read, {"pattern": f"^{pattern}$"})


@dataclass(frozen=True, slots=True)
class _Words:
    """What is told of a quantity that is not one."""

    name: str
    examples: str
    hint: str


def _between(
    read_one: Callable[[str], int], write: Callable[[Any], str], pattern: str, words: _Words, least: str, most: str
) -> Spelling:
    """Spell a quantity between two others, both included."""
    low, high = read_one(least), read_one(most)

    def read(text: str) -> int:
        try:
            found = read_one(text)
        except ValueError:
            raise misspelt(f"{quote(text)} is not a {words.name}", words.examples) from None
        if not low <= found <= high:
            raise misspelt(f"{quote(text)} is out of bounds", f"from {least} to {most}")
        return found

    schema = {"pattern": f"^{pattern}$", "$comment": f"{words.name}, from {least} to {most}"}
    return Spelling(read, schema, write, hint=words.hint)


def span(least: str, most: str) -> Spelling:
    """Spell a duration between two others, both included."""
    words = _Words("duration", examples='write it like "500ms", "30s" or "1m30s"', hint='write it like "30s"')
    return _between(durations.read, durations.write, durations.PATTERN, words, least, most)


def share(least: str, most: str = "100%") -> Spelling:
    """Spell a percentage between two others, both included."""
    words = _Words("percentage", examples='write it like "10%" or "0.5%"', hint='write it like "10%"')
    return _between(percents.read, percents.write, percents.PATTERN, words, least, most)


def tenths(least: str, most: str) -> Spelling:
    """Spell a percentage with one decimal at most, between two others."""
    whole = share(least, most)

    def read(text: str) -> PerMille:
        found = whole.read(text)
        if found % PER_MILLE:
            raise misspelt(f"{quote(text)} has more than one decimal", 'write it like "5%" or "0.5%"')
        return PerMille(found // PER_MILLE)

    return Spelling(read, whole.schema, percents.write_tenths, hint=whole.hint)


def factor(least: str, most: str) -> Spelling:
    """Spell how many times as much something is, between two others."""
    words = _Words("factor", examples='write it like "1.2x"', hint='write it like "1.2x"')
    return _between(percents.read_factor, percents.write_factor, percents.FACTOR, words, least, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where something listens."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def _read_port(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", text) is None or not 1 <= int(text) <= 65535:
        raise misspelt(f"{quote(text)} is not a port", "from 1 to 65535")
    return int(text)


def read_listen(text: str) -> Listen:
    """Read `ADDRESS:PORT`. Errors: `misspelt`."""
    address, colon, port = text.rpartition(":")
    if not colon:
        raise misspelt(f"{quote(text)} is not an address and a port", 'write it like "127.0.0.1:8080"')
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise misspelt(f"{quote(address)} is not an IPv4 address", "names are not resolved here") from None
    return Listen(address=address, port=_read_port(port))


def _read_registry_host(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host) is None:
        raise misspelt(f"{quote(text)} is not a host and a port", 'write it like "zk1:2181"')
    _read_port(port)
    return text


def _read_network(text: str) -> str:
    if not _network(text, "127.77.0.0/16").subnet_of(_LOOPBACK):
        raise misspelt(f"{quote(text)} is not a loopback network", "choose one inside 127.0.0.0/8")
    return text


def _read_cidr(text: str) -> str:
    return str(_network(text, "10.20.0.0/20"))


def _network(text: str, example: str) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise misspelt(f"{quote(text)} is not an IPv4 network", f'write it like "{example}"') from None
    if str(network) != text:
        raise misspelt(f"{quote(text)} does not begin a network", f"write {quote(str(network))}")
    return network


def _read_address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise misspelt(f"{quote(text)} is not an IPv4 address", 'write it like "9.9.9.9"') from None


def _read_security_rule(text: str) -> str:
    found = RULE.fullmatch(text)
    if found is None:
        hint = 'write it like "tcp/80", "tcp/8000-8099 from 10.0.0.0/8", "udp/53 from members", "icmp"'
        raise misspelt(f"{quote(text)} is not a rule of a security group", hint)
    ports = [int(port) for port in (found["low"], found["high"]) if port]
    if bool(ports) is (found["protocol"] == "icmp"):
        raise misspelt(f"{quote(text)}: tcp and udp have ports, icmp has none", 'write "tcp/80", "icmp"')
    if any(not 1 <= port <= 65535 for port in ports) or sorted(ports) != ports:
        raise misspelt(f"{quote(text)} names no ports", "from 1 to 65535, the lower one first")
    if found["source"] and found["source"] != MEMBERS:
        _read_cidr(found["source"])
    return text


_PATH: Final = r"/[A-Za-z0-9._~/-]*"


def _read_path(text: str) -> str:
    if re.fullmatch(_PATH, text) is None or {".", ".."} & set(text.split("/")):
        raise misspelt(
            f"{quote(text)} is not a plain URL path", 'it begins with "/"; letters, digits and . _ ~ - follow'
        )
    return text


def _read_base_path(text: str) -> str:
    if not _read_path(text).endswith("/"):
        raise misspelt(f"{quote(text)} does not end with a slash", f"write {quote(text + '/')}")
    return text


def _read_document(text: str) -> str:
    return text and _read_path(text)


def _read_text(text: str) -> str:
    if len(text) > _TEXT_MAX:
        raise misspelt(f"is longer than {_TEXT_MAX} characters")
    if any(ord(letter) < ord(" ") and letter != "\n" for letter in text):
        raise misspelt("holds control characters")
    return text


def _read_filled(text: str) -> str:
    if not text or "\0" in text:
        raise misspelt("must not be empty" if not text else "holds a NUL character")
    return text


def _read_template(text: str) -> str:
    if "\0" in text:
        raise misspelt("holds a NUL character")
    for name in re.findall(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", text):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise misspelt(f"{{{name}}} is not a placeholder", f"there are {known}")
    return text


_NAME_HINT: Final = "lower-case letters, digits and hyphens, 63 at most, not beginning with a hyphen"

ANY_NAME: Final = _matching(NAME.pattern, "is not a name", _NAME_HINT)
POOL_NAME: Final = _matching(
    f"[a-z0-9][a-z0-9-]{{0,{_POOL_NAME_MAX - 1}}}",
    "is not a pool's name",
    _NAME_HINT.replace("63", str(_POOL_NAME_MAX)),
)
VERSION_NAME: Final = _matching(
    VERSION.pattern, "is not a version", "letters, digits and . _ + -, 64 at most, beginning with a letter or digit"
)
HEADER_NAME: Final = _matching(HEADER.pattern, "is not the name of a header", "letters, digits and hyphens, 63 at most")
COOKIE_NAME: Final = _matching(
    f"({COOKIE.pattern})?", "is not the name of a cookie", "letters, digits and underscores, 63 at most"
)
MATCH_VALUE: Final = _matching(
    VALUE.pattern, "cannot be matched", "letters, digits and . _ ~ -, 63 at most, beginning with a letter or digit"
)
LISTEN: Final = Spelling(read_listen, {"pattern": r"^[0-9.]+:[0-9]{1,5}$"})
REGISTRY_HOST: Final = Spelling(_read_registry_host, {"pattern": r"^[A-Za-z0-9.-]+:[0-9]{1,5}$"})
NETWORK: Final = Spelling(_read_network, {"pattern": r"^127\.[0-9.]+/[0-9]{1,2}$"})
CIDR: Final = Spelling(_read_cidr, {"pattern": r"^[0-9.]+/[0-9]{1,2}$"})
ADDRESS: Final = Spelling(_read_address, {"format": "ipv4"})
SECURITY_RULE: Final = Spelling(_read_security_rule, {})
URL_PATH: Final = Spelling(_read_path, {"pattern": f"^{_PATH}$"})
BASE_PATH: Final = Spelling(_read_base_path, {"pattern": f"^({_PATH})?/$"})
DOCUMENT: Final = Spelling(_read_document, {"pattern": f"^({_PATH})?$"})
FREE_TEXT: Final = Spelling(_read_text, {"maxLength": _TEXT_MAX})
FILLED: Final = Spelling(_read_filled, {"minLength": 1})
TEMPLATE: Final = Spelling(_read_template, {})
VARIABLE: Final = _matching("[A-Za-z_][A-Za-z0-9_]*", "is not the name of an environment variable")
REQUIREMENT: Final = _matching(
    r"[A-Za-z0-9].*", "is not a requirement", 'write it as for pip, like "httpbin==0.10.4"; options are not possible'
)
HTTP_URL: Final = _matching(
    r"https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._~/-]*)?", "is not a URL", 'write it like "http://10.0.0.5:8000/hfs"'
)
ARCHIVE_URL: Final = _matching(
    r"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._~/%+@-]*",
    "is not a URL",
    'write it like "https://example.com/puppet.tar.gz"',
)
REPOSITORY: Final = _matching(
    r"(https?|ssh|git|file)://[A-Za-z0-9._~/:%+@-]+",
    "is not a git URL",
    'write it like "https://example.com/puppet.git"',
)
REVISION: Final = _matching("[0-9a-f]{40}", "is not a commit id", "40 lower-case hexadecimal digits, no branch")
PUPPET_CLASS: Final = _matching(
    "[a-z][a-z0-9_]*(::[a-z][a-z0-9_]*)*", "is not a Puppet class", 'write it like "profile::api"'
)
SHA256: Final = _matching("[0-9a-f]{64}", "is not a sha256", "64 lower-case hexadecimal digits")
