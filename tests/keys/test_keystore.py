from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.keys.keystore import SCRYPT_WORK, create_key_file, load_key_file, read_key_address
from infernet.keys.signer import LocalSigner

WORK = 2**4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "node.json"


def _code(path: Path, password: str = "secret") -> str:
    with pytest.raises(NodeMisconfigured) as caught:
        load_key_file(path, password)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    return caught.value.code


def test_a_new_key_is_written_and_read_again(path: Path) -> None:
    signer = create_key_file(path, "secret", scrypt_work=WORK)
    assert load_key_file(path, "secret").address == signer.address
    assert read_key_address(path) == signer.address


def test_other_tools_read_our_file_and_we_read_theirs(path: Path) -> None:
    signer = create_key_file(path, "pässword", scrypt_work=WORK)
    assert Account.decrypt(path.read_text(), "pässword") == signer.export_key()
    for kdf in ("scrypt", "pbkdf2"):
        theirs = path.with_name(f"{kdf}.json")
        theirs.write_text(json.dumps(Account.encrypt(signer.export_key(), "x", kdf=kdf, iterations=WORK)))
        theirs.chmod(0o600)
        assert load_key_file(theirs, "x").address == signer.address


def test_the_file_is_its_owners_alone_and_nothing_else_is_left(path: Path) -> None:
    create_key_file(path, "secret", scrypt_work=WORK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["node.json"]


def test_the_file_does_not_hold_the_key(path: Path) -> None:
    signer = create_key_file(path, "secret", scrypt_work=WORK)
    assert signer.export_key().hex() not in path.read_text()
    assert json.loads(path.read_text())["crypto"]["kdf"] == "scrypt"


def test_an_existing_file_is_never_replaced(path: Path) -> None:
    signer = create_key_file(path, "secret", scrypt_work=WORK)
    before = path.read_bytes()
    with pytest.raises(NodeMisconfigured, match="left as it is") as caught:
        create_key_file(path, "other", LocalSigner.generate(), scrypt_work=WORK)
    assert caught.value.code == "key.exists"
    assert path.read_bytes() == before
    assert load_key_file(path, "secret").address == signer.address
    assert os.listdir(path.parent) == ["node.json"]


def test_a_file_that_appears_meanwhile_is_not_replaced_either(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    path.write_text("another's")
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(NodeMisconfigured) as caught:
        create_key_file(path, "secret", scrypt_work=WORK)
    assert caught.value.code == "key.exists"
    assert path.read_text() == "another's"


def test_a_dangling_link_counts_as_a_file(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "nowhere")
    with pytest.raises(NodeMisconfigured):
        create_key_file(path, "secret", scrypt_work=WORK)


def test_a_wrong_password_is_one_line_and_loses_nothing(path: Path) -> None:
    create_key_file(path, "secret", scrypt_work=WORK)
    before = path.read_bytes()
    assert _code(path, "wrong") == "key.wrong_password"
    assert _code(path, "") == "key.wrong_password"
    assert path.read_bytes() == before


def test_an_empty_password_is_refused(path: Path) -> None:
    with pytest.raises(InvalidInput):
        create_key_file(path, "", scrypt_work=WORK)
    assert not path.exists()


def test_a_missing_file_says_how_to_make_one(path: Path) -> None:
    assert _code(path) == "key.missing"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        '{"version": 1}',
        '{"version": 3}',
        '{"version": 3, "crypto": {}}',
        "\ufeffx",
        "[" * 9999,
        '{"version": 3, "crypto": {"kdf": "none", "cipher": "x", "ciphertext": "zz"}}',
    ],
)
def test_a_file_that_is_no_key_file_is_one_line(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    path.chmod(0o600)
    assert _code(path) == "key.malformed"


def test_a_folder_is_no_key_file(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    assert _code(path) == "key.unreadable"


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    create_key_file(path, "secret", scrypt_work=WORK)
    path.chmod(0o644)
    assert _code(path) == "key.exposed"


def test_a_file_whose_address_is_not_its_keys_is_refused(path: Path) -> None:
    create_key_file(path, "secret", scrypt_work=WORK)
    parsed = json.loads(path.read_text())
    parsed["address"] = "00" * 20
    path.write_text(json.dumps(parsed))
    assert _code(path) == "key.malformed"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeMisconfigured) as caught:
        create_key_file(tmp_path / "file" / "key.json", "secret", scrypt_work=WORK)
    assert caught.value.code == "key.unwritable"


def test_a_file_that_asks_for_a_terabyte_is_refused(path: Path) -> None:
    create_key_file(path, "secret", scrypt_work=WORK)
    parsed = json.loads(path.read_text())
    parsed["crypto"]["kdfparams"]["n"] = 2**40
    path.write_text(json.dumps(parsed))
    assert _code(path) == "key.malformed"


def test_the_default_work_is_that_of_other_wallets() -> None:
    assert SCRYPT_WORK == 2**18


def test_what_we_import_leaves_the_recursion_limit_alone() -> None:
    code = (
        "import sys; before = sys.getrecursionlimit()\n"
        "import infernet.keys.keystore, infernet.chain.rpc, infernet.chain.anvil, infernet.client\n"
        "infernet.keys.signer.LocalSigner.generate()\n"
        "sys.exit(sys.getrecursionlimit() != before)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
