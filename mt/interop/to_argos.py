"""Export to a package of Argos Translate, which LibreTranslate serves: a zip archive with a model for CTranslate2."""

import json
import tempfile
import zipfile
from pathlib import Path

from mt.interop.to_ctranslate2 import save_ctranslate2
from mt.model.transformer import Transformer
from mt.text.language_names import language_name, two_letters
from mt.text.tokenizer import Tokenizer

PACKAGE_VERSION = "1.0"
ARGOS_VERSION = "1.5"
"""the oldest version that reads such a package"""


def save_argos(
    model: Transformer, tokenizer: Tokenizer, file: Path, quantization: str, n_positions: int, langs: tuple[str, str]
) -> None:
    """Write a package.

    Argos cuts text into pieces, and joins those of the translation, with the source's SentencePiece model, which can
    also join pieces that only the target has. It downloads a model that finds sentences itself.

    Args:
        quantization, n_positions: as for `save_ctranslate2`.
        langs: source and target language.
    """
    codes = [two_letters(lang) for lang in langs]
    names = [language_name(code) for code in codes]
    metadata = {
        "package_version": PACKAGE_VERSION, "argos_version": ARGOS_VERSION, "type": "translate",
        "from_code": codes[0], "from_name": names[0], "to_code": codes[1], "to_name": names[1],
    }  # fmt: skip
    name = f"translate-{codes[0]}_{codes[1]}-{PACKAGE_VERSION.replace('.', '_')}"
    with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        folder = Path(temporary) / "model"
        save_ctranslate2(model, tokenizer, folder, quantization, n_positions)
        for path in sorted(folder.iterdir()):
            if path.suffix != ".spm":
                archive.write(path, f"{name}/model/{path.name}")
        archive.writestr(f"{name}/sentencepiece.model", tokenizer.protos[0])
        archive.writestr(f"{name}/metadata.json", json.dumps(metadata, ensure_ascii=False, indent=2))
        archive.writestr(f"{name}/README.md", f"{names[0]} to {names[1]}. Trained with mt.\n")
