"""What planctl's files mean: frozen models without any I/O."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_LOADER = "pydantic.plugin._loader"


def _no_plugins() -> tuple[Any, ...]:
    return ()


# What a verdict is must not depend on what else is installed: a plug-in of pydantic's sees, and may
# change, every receipt that is read. Looking for one also takes the packages' metadata and a mail
# parser: a tenth of what a small verdict costs. Its own switch, an environment variable, would
# reach the commands that planctl runs. A loader that is there already stays as it is.
if _LOADER not in sys.modules:
    _loader = ModuleType(_LOADER, "No plug-ins.")
    _loader.get_plugins = _no_plugins  # type: ignore[attr-defined]
    sys.modules[_LOADER] = _loader
