"""Options that several commands share, and the files they lead to."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.errors import NodeMisconfigured

if TYPE_CHECKING:
    from infernet.keys.signer import LocalSigner
    from infernet.settings import Settings

PASSWORD_VARIABLE = "INFERNET_KEY_PASSWORD"  # noqa: S105 (a variable's name, not its value)
"""The environment variable that holds the keystore's password."""
KEY_VARIABLE = "INFERNET_PRIVATE_KEY"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Config = Annotated[Path, typer.Option("--config", "-c", help="The node's configuration file.")]
TrackingUri = Annotated[
    str | None,
    typer.Option("--tracking-uri", help="MLflow; MLFLOW_TRACKING_URI or sqlite:///mlflow.db unless given."),
]
Store = Annotated[Path, typer.Option("--store", help="The folder of the model store.")]
CONFIG_FILE = Path("infernet.toml")
MODEL_STORE = Path("models")
MAX_SECONDS = 10**7


def check_seconds(value: float) -> float:
    """For options that take a time."""
    if not math.isfinite(value) or not 0 < value <= MAX_SECONDS:
        raise typer.BadParameter(f"{value:g} is not between 0 and {MAX_SECONDS:,} seconds")
    return value


def read_password(password_file: Path | None = None, *, prompt: str | None = None, confirm: bool = False) -> str:
    """The keystore's password: from the environment, a file, or the terminal.

    Raises:
        NodeMisconfigured: there is none to be had.
    """
    if (given := os.environ.get(PASSWORD_VARIABLE)) is not None:
        return _check_password(given, PASSWORD_VARIABLE)
    if password_file is not None:
        try:
            return _check_password(password_file.read_bytes().decode(errors="surrogateescape"), str(password_file))
        except OSError as error:
            raise NodeMisconfigured(
                "key.password_file", f"the password file {password_file} cannot be read: {error.strerror}"
            ) from error
    if prompt is not None and os.isatty(0):
        return _ask_password(prompt, confirm)
    raise _no_password()


def _check_password(text: str, source: str) -> str:
    password = text.rstrip("\r\n")
    if not password or not password.isprintable():  # bytes that are no UTF-8 are not printable either
        raise NodeMisconfigured("key.password_invalid", f"{source} holds no password: put one line of text into it")
    return password


def _ask_password(prompt: str, confirm: bool) -> str:
    try:
        answer: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    except typer.Abort as error:
        if isinstance(error.__context__, EOFError):
            raise _no_password() from None
        raise
    return answer


def _no_password() -> NodeMisconfigured:
    return NodeMisconfigured(
        "key.no_password", f"no password for the key file: set {PASSWORD_VARIABLE} or name a password file"
    )


def load_signer(settings: Settings) -> LocalSigner:
    """The node's account."""
    from infernet.keys.keystore import load_key_file, read_key_address

    read_key_address(settings.account.keystore)  # says what is wrong with the file before it asks for a password
    password = read_password(settings.account.password_file, prompt="Password of the key file")
    return load_key_file(settings.account.keystore, password)


def load_user_signer(keystore: Path | None) -> LocalSigner:
    """The account of a person who sends a request: a keystore file, else the key in the environment.

    Raises:
        NodeMisconfigured: neither is given.
    """
    from infernet.keys.keystore import load_key_file, read_key_address
    from infernet.keys.signer import LocalSigner

    if keystore is not None:
        read_key_address(keystore)
        return load_key_file(keystore, read_password(prompt="Password of the key file"))
    if (key := os.environ.get(KEY_VARIABLE)) is not None:
        return LocalSigner.from_hex(key)
    raise NodeMisconfigured("key.none", f"no account to send from: give --keystore, or set {KEY_VARIABLE}")
