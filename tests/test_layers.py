"""The plan of the house, enforced: a file imports only from lower layers and its own folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "moongate"
LINES = 400

# From the ground up. Files of one layer that lie in the package's own folder may import each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "types", "config", "ids", "hints"),
    ("wire",),
    ("schema", "unknown", "hooks"),
    ("transport",),
    ("engine",),
    ("cluster",),
    ("namespace",),
    ("di",),
    ("pipeline",),
    ("gateway",),
    ("server",),
    ("app",),
    ("asyncapi", "auth", "observe", "integrations", "testing", "throttling", "cli", "__init__"),
    ("__main__",),
)
LEVELS = {part: level for level, parts in enumerate(LAYERS) for part in parts}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(file: Path) -> str:
    """The folder or the file of the package that *file* belongs to, as LAYERS names it."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every module that is imported anywhere in *tree*, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: write absolute imports"
            assert node.module
            if node.module == "moongate":
                yield from ((node.lineno, f"moongate.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def own_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for line, module in imported_modules(tree):
        package, _, rest = module.partition(".")
        if package == "moongate":
            yield line, rest.partition(".")[0] or "__init__"


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.fixture(params=FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def file(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def test_every_part_has_a_layer():
    assert {part_of(file) for file in FILES} <= LEVELS.keys()


def test_imports_go_down(file: Path):
    part = part_of(file)
    is_root_file = file.parent == PACKAGE
    wrong = []
    for line, target in own_imports(parse(file)):
        target_is_root_file = (PACKAGE / f"{target}.py").exists()
        is_neighbour = is_root_file and target_is_root_file and LEVELS[target] == LEVELS[part]
        if target != part and not is_neighbour and LEVELS.get(target, len(LAYERS)) >= LEVELS[part]:
            wrong.append(f"line {line}: {part} (layer {LEVELS[part]}) imports {target}")
    assert not wrong


def test_nothing_of_the_package_is_imported_for_types_only(file: Path):
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            assert not list(own_imports(node)), f"line {node.lineno}"


def test_one_noun_a_file(file: Path):
    assert len(file.read_text(encoding="utf-8").splitlines()) < LINES


def test_every_module_says_what_it_exports(file: Path):
    if file.name == "__main__.py":
        return
    tree = parse(file)
    is_marker_only = all(isinstance(node, ast.Expr) for node in tree.body)  # the docstring of a folder
    names = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert is_marker_only or "__all__" in names
