"""The pages, as the router lists them: their titles and addresses."""

import ast

from serving import ROOT


def page_paths() -> dict[str, str]:
    """Path of each page's address by its title, in the order of the navigation; the first page's is empty."""
    tree = ast.parse((ROOT / "pages" / "router.py").read_text(encoding="utf-8"))
    found = {}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "st.Page":
            given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
            found[given["title"]] = given.get("url_path", "")
    return found
