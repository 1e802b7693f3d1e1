"""Each module imports only from lower layers, so that it can be read without those above it."""

import ast

from conftest import ROOT

LAYERS = [
    [
        "errors",
        "choices",
        "checks",
        "search_config",
        "mbr",
        "sentences",
        "cutting",
        "translation",
        "markup",
        "text_grid",
        "config",
        "data_config",
        "storage",
        "progress",
        "logs",
        "signals",
        "random",
        "data.translation_memory",
        "data.noise",
        "pruning",
    ],
    [
        "config_file",
        "tokenizer",
        "data.batch",
        "data.sampler",
        "data.sources",
        "model.attention",
        "model.cache",
        "model.dropout",
        "model.layers",
        "loss",
        "optim",
        "metrics",
        "plotting",
        "pages.page",
        "profiling",
        "devices",
        "distributed",
        "limits",
    ],
    [
        "tracking",
        "data.variation",
        "terminology",
        "data.cleaning",
        "model.lora",
        "model.parts",
        "model.transformer",
        "search.live",
        "search.rules",
        "checkpoint",
        "update",
        "reporting",
        "export.huggingface_names",
    ],
    ["data.store"],
    ["data.corpus"],
    ["data.mixture", "data.statistics"],
    [
        "data.loader",
        "objective",
        "averaging",
        "model.ensemble",
        "search.required",
        "scorer",
        "alignment",
        "export.to_ctranslate2",
        "export.to_huggingface",
        "export.from_huggingface",
    ],
    ["search.hypotheses"],
    ["search.beam", "search.sampling"],
    ["search.configured", "transfer"],
    ["translator"],
    ["validator", "scoring", "export.ctranslate2_engine"],
    ["explanation", "evaluation.test_sets", "evaluation.comet", "evaluation.differences"],
    ["evaluation.breakdown"],
    ["evaluation.results"],
    ["evaluation.evaluation"],
    ["trainer"],
    ["commands.search_options"],
    [
        "commands.composition",
        "commands.packages",
        "commands.documents",
        "commands.lines",
        "commands.prompt",
        "commands.output",
        "commands.run_folder",
        "commands.starting_point",
        "commands.testing",
        "commands.preparation",
    ],
    ["commands.data_report"],
    [
        "commands.train",
        "commands.prepare",
        "commands.translate",
        "commands.evaluate",
        "commands.report",
        "commands.explain",
        "commands.score",
        "commands.export",
        "commands.import_",
        "commands.average",
        "commands.sweep_summary",
    ],
    ["__main__"],
]
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
SAME_LAYER = {
    ("model.attention", "model.dropout"),
    ("config", "errors"),
    ("config", "choices"),
    ("config", "checks"),
    ("config", "data_config"),
    ("data_config", "checks"),
    ("data_config", "choices"),
    ("data_config", "errors"),
    ("config", "search_config"),
    ("checks", "errors"),
    ("search_config", "checks"),
    ("search_config", "choices"),
    ("model.layers", "model.dropout"),
    ("config_file", "config"),
    ("markup", "errors"),
    ("data.translation_memory", "errors"),
    ("data.translation_memory", "sentences"),
}


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((ROOT / "mt").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "mt").with_suffix("").parts)
        if not name.endswith("__init__") and name != "cli":  # cli only names the commands
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def test_every_module_has_a_layer():
    assert set(modules()) == set(HEIGHT)


def test_modules_import_from_lower_layers_only():
    for name, tree in modules().items():
        for node in ast.walk(tree):
            imported = node.module if isinstance(node, ast.ImportFrom) else None
            if imported and imported.startswith("mt.") and imported != "mt.cli":
                target = imported.removeprefix("mt.")
                assert HEIGHT[target] < HEIGHT[name] or (name, target) in SAME_LAYER, f"{name} imports {target}"


def test_configuration_stops_at_the_commands():
    for name, tree in modules().items():
        if not name.startswith("commands.") and name != "config_file":
            names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert "hydra" not in names
            assert "DictConfig" not in ast.dump(tree), name


def test_files_and_functions_are_short():
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{name}.{node.name}"
