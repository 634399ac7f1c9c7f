"""The documentation keeps to what there is: code that compiles, names that exist, links that lead somewhere."""

import ast
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import moongate

PROJECT = Path(__file__).parent.parent
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")), *sorted(PROJECT.glob("examples/*/README.md"))]
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)")
VOCABULARY = set(moongate.__all__)


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def page(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def blocks(page: Path) -> Iterator[ast.Module]:
    for found in CODE.finditer(page.read_text()):
        line = page.read_text()[: found.start()].count("\n") + 2
        yield ast.parse(textwrap.dedent(found[1]), f"{page.name}, line {line}")


def test_code_is_python(page: Path):
    list(blocks(page))


def test_what_is_imported_is_there(page: Path):
    for tree in blocks(page):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "moongate":
                module = importlib.import_module(str(node.module))
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{page.name} imports {missing} from {node.module}"


def test_decorators_are_ours_or_written_there(page: Path):
    source = page.read_text()
    for tree in blocks(page):
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for decorator in node.decorator_list:
                name = ast.unparse(decorator).partition("(")[0]
                known = name in VOCABULARY or "." in name or name in {"staticmethod", "dataclass"}
                written = f"{name} =" in source or f"def {name}" in source or f"import {name}" in source
                assert known or written or re.search(rf"import .*\b{name}\b", source), f"{page.name}: @{name}"


def test_links_lead_somewhere(page: Path):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target, anchor in LINK.findall(text):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
