"""Find and read the configuration file; what it means is checked in `watchword.settings`.

On its own, because `watchword up` looks at one value of it and must not read every room's module for that.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from watchword.kernel import ConfigurationError

CONFIG_VARIABLE: Final = "WATCHWORD_CONFIG"
DATA_VARIABLE: Final = "WATCHWORD_DATA"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where a node's data and configuration lie.

    Attributes:
        data: the data directory, absolute.
        file: the TOML file.
        is_named: somebody named the file, so it has to exist.
    """

    data: Path
    file: Path
    is_named: bool

    @classmethod
    def find(
        cls, config: Path | None = None, *, data: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Configuration:
        """Find both.

        Args:
            config: the TOML file; by default `$WATCHWORD_CONFIG`, else `watchword.toml` in the data directory.
            data: the data directory; by default `$WATCHWORD_DATA`, else `.watchword` here.
            environment: usually the process's own.
        """
        environment = os.environ if environment is None else environment
        directory = (data or Path(environment.get(DATA_VARIABLE, ".watchword"))).absolute()
        named = config or (Path(environment[CONFIG_VARIABLE]) if CONFIG_VARIABLE in environment else None)
        return cls(directory, named or directory / "watchword.toml", named is not None)

    def read(self) -> dict[str, Any]:
        """Return what the file says; nothing where there is none and none was named.

        Raises:
            ConfigurationError: it cannot be read or is not TOML.
        """
        try:
            text = self.file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            if self.is_named:
                raise ConfigurationError(f"the configuration file `{self.file}` does not exist") from None
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the configuration file `{self.file}` cannot be read", hint=str(error)) from error
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"`{self.file}` is not valid TOML: {error}") from error
