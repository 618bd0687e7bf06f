"""The built-in types of this release, by the name of their section. To add one: a file beside this, a line below."""

from monitoring.checks.builtin import erc4626, host, http
from monitoring.checks.types import Registry, registry

TYPES: Registry = registry(
    erc4626.TYPE,
    host.TYPE,
    http.TYPE,
)
