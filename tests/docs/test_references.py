"""What the documents name exists."""

from __future__ import annotations

import re
import shlex
from functools import cache

import docs_cli
import pytest
from docs_errors import list_codes
from docs_make import list_targets
from documents import FENCE, PAGES, ROOT, list_blocks, list_commands, list_words, read_page

MADE_BY_THE_READER = {
    "contracts/src/Adder.sol",
    "contracts/src/Florist.sol",
    "contracts/src/Shelf.sol",
    "contracts/node_modules",
    "deployments/verification",
}
TOP = ("contracts/", "deployments/", "examples/", "src/", "tests/", "docs/", "vectors/", "tools/", "bench/", ".ci/")
PATHS = re.compile(r"^[\w./-]+$")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_document_names_exists(page: str) -> None:
    words = [word.split(":")[0] for word in list_words(page)]
    words += [part for command in list_commands() for part in command.split()]
    named = {word for word in words if word.startswith(TOP) and PATHS.match(word)} - MADE_BY_THE_READER
    missing = sorted(path for path in named if not (ROOT / path).exists())
    assert not missing, f"{page} names {missing}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", FENCE.sub("", read_page(page))):
        if target.startswith("https://"):
            continue
        place, _, heading = target.partition("#")
        path = (ROOT / page).parent / place if place else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert heading in slugs, f"{page} links to {target}"


def test_every_make_target_exists_and_is_explained() -> None:
    named = {words[1] for command in list_commands() if (words := command.split())[:1] == ["make"] and words[1:]}
    assert named <= set(list_targets())


@cache
def _read_identifiers() -> frozenset[str]:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "contracts/src").rglob("*.sol"), *(ROOT / "src").rglob("*.sql")]
    return frozenset(word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8")))


def test_every_name_in_the_architecture_is_in_the_code() -> None:
    words = [word for word in list_words("ARCHITECTURE.md") if "/" not in word and not word.startswith("make ")]
    missing = [w for w in words if not (ROOT / w).exists() and not set(re.findall(r"\w+", w)) <= _read_identifiers()]
    assert not missing


def test_every_folder_of_the_package_is_in_the_architecture() -> None:
    rooms = [path.parent.name for path in (ROOT / "src/infernet").glob("*/__init__.py")]
    assert [room for room in rooms if f"`src/infernet/{room}`" not in read_page("ARCHITECTURE.md")] == []


def test_every_file_of_the_node_is_in_the_path_of_a_request() -> None:
    files = [path for path in (ROOT / "src/infernet/node").glob("*.py") if path.name != "__init__.py"]
    missing = [path.name for path in files if f"`src/infernet/node/{path.name}`" not in read_page("ARCHITECTURE.md")]
    assert len(files) > 5
    assert missing == []


def test_every_command_and_option_of_the_documents_is_the_programs() -> None:
    known = {c.name: set() for c in docs_cli.list_commands()}
    for command in docs_cli.list_commands():
        for parameter in docs_cli.list_parameters(command):
            known[command.name] |= set(re.findall(r"-[\w-]+", parameter.word.split(" ")[0] + " " + parameter.word))
    for line in list_commands():
        for part in line.split("&&"):
            words = shlex.split(part.replace("'", "")) if part.strip().startswith("infernet ") else []
            if len(words) < 2 or not words[1].islower() or words[1].startswith("-") or words[1] == "COMMAND":
                continue
            name = " ".join(words[1:3]) if " ".join(words[1:3]) in known else words[1]
            if name == "models":
                continue
            assert name in known, line
            used = {re.split("[= ]", w)[0] for w in words[2:] if w.startswith("--")} - {"--help", "--json"}
            assert used <= known[name], line


def test_every_error_code_of_the_documents_is_in_the_code() -> None:
    codes = {"revert.CallbackFailed", *(code for code, _ in list_codes())}
    first_cells = re.findall(r"^\| ((?:`[a-z]+\.\w+`(?:, )?)+) \|", read_page("docs/node.md"), re.MULTILINE)
    named = {code for cell in first_cells for code in re.findall(r"`([^`]+)`", cell)}
    refused = re.findall(r"`([a-z]+\.[a-z_]+)`", read_page("docs/workflows.md").partition("## What is refused")[2])
    assert len(named) > 15
    assert len(refused) > 8
    named.update(refused)
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert [code for code in named - codes if f'"{code}"' not in sources] == []


def test_every_contract_test_that_a_table_names_is_in_the_file_beside_it() -> None:
    found = 0
    for row in re.findall(r"^\| .*$", read_page("docs/contracts.md"), re.MULTILINE):
        paths = re.findall(r"`(contracts/test/[\w/]+\.t\.sol)`", row)
        sources = "".join((ROOT / path).read_text(encoding="utf-8") for path in paths)
        for name in re.findall(r"`((?:test|invariant|check)\w*_\w+)`", row):
            assert f"function {name}(" in sources, f"{name} is not in {paths}"
            found += 1
    assert found > 20


def test_the_command_and_its_output_stand_before_line_30_of_the_readme() -> None:
    beginning = "\n".join(read_page("README.md").splitlines()[:29])
    assert "$ make demo" in beginning
    assert "nothing is left behind" in beginning


def test_every_python_block_is_python() -> None:
    for block in list_blocks("python"):
        compile(block.text, str(block), "exec")


def test_the_configuration_that_the_documents_show_is_valid(tmp_path) -> None:
    from infernet.layer_settings import read_layer
    from infernet.settings import read_settings

    for number, block in enumerate(list_blocks("toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(block.text)
        assert (
            read_layer(path).precompiles
            if block.info in ("toml layer", "toml witnesses")
            else read_settings(path).containers
        )
