"""The pages, as the router lists them: their titles, addresses and headings."""

import ast

from serving import ROOT


def _calls(script: str, name: str) -> list[ast.Call]:
    tree = ast.parse((ROOT / "pages" / script).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == name]


def page_paths() -> dict[str, str]:
    """Path of each page's address by its title, in the order of the navigation; the first page's is empty."""
    found = {}
    for call in _calls("router.py", "st.Page"):
        given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        found[given["title"]] = given.get("url_path", "")
    return found


def page_headings() -> dict[str, str]:
    """The heading that each page begins with, by the name of its script, in the order of the navigation."""
    scripts = [ast.literal_eval(call.args[0]) for call in _calls("router.py", "st.Page")]
    return {script: ast.literal_eval(_calls(script, "st.title")[0].args[0]) for script in scripts}
