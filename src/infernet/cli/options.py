"""Options that several commands share, and the files they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from infernet.errors import NodeMisconfigured
from infernet.keys.keystore import load_key_file
from infernet.keys.signer import LocalSigner
from infernet.settings import PASSWORD_VARIABLE, Settings

KEY_VARIABLE = "INFERNET_PRIVATE_KEY"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Config = Annotated[Path, typer.Option("--config", "-c", help="The node's configuration file.")]
Store = Annotated[Path, typer.Option("--store", help="The folder of the model store.")]
CONFIG_FILE = Path("infernet.toml")
MODEL_STORE = Path("models")


def read_password(password_file: Path | None = None, *, prompt: str | None = None, confirm: bool = False) -> str:
    """The keystore's password: from the environment, a file, or the terminal.

    Raises:
        NodeMisconfigured: there is none to be had.
    """
    if (given := os.environ.get(PASSWORD_VARIABLE)) is not None:
        return given
    if password_file is not None:
        try:
            return password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise NodeMisconfigured(
                "key.password_file", f"the password file {password_file} cannot be read: {error.strerror}"
            ) from error
    if prompt is not None and os.isatty(0):
        answer: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
        return answer
    raise NodeMisconfigured(
        "key.no_password", f"no password for the key file: set {PASSWORD_VARIABLE} or account.password_file"
    )


def load_signer(settings: Settings) -> LocalSigner:
    """The node's account."""
    password = read_password(settings.account.password_file, prompt="Password of the key file")
    return load_key_file(settings.account.keystore, password)


def load_user_signer(keystore: Path | None) -> LocalSigner:
    """The account of a person who sends a request: a keystore file, else the key in the environment.

    Raises:
        NodeMisconfigured: neither is given.
    """
    if keystore is not None:
        return load_key_file(keystore, read_password(prompt="Password of the key file"))
    if (key := os.environ.get(KEY_VARIABLE)) is not None:
        return LocalSigner.from_hex(key)
    raise NodeMisconfigured("key.none", f"no account to send from: give --keystore, or set {KEY_VARIABLE}")
