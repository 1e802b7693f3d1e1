"""Import of translation models of Hugging Face transformers: Marian, such as OPUS-MT, M2M-100 and NLLB-200."""

import warnings

from mt.config.schema import Config
from mt.errors import UserError, first_line
from mt.interop.from_m2m import M2M, convert_m2m
from mt.interop.from_marian import MARIAN, check_files, convert_marian
from mt.model.transformer import Transformer
from mt.text.tokenizer import Tokenizer


def import_huggingface(
    origin: str, src_lang: str | None, tgt_lang: str | None
) -> tuple[Config, Tokenizer, Transformer]:
    """Load a model from a folder or the hub; languages default to those that it states.

    Raises:
        UserError: it is no such model, has a feature that ours lacks, or does not state its languages.
    """
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
    try:
        config = transformers.AutoConfig.from_pretrained(origin, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        raise UserError(f"{origin} is not a model of transformers: {first_line(error)}") from error
    match config.model_type:
        case "marian":
            check_files(origin)
            return convert_marian(MARIAN.load(origin, config), (src_lang, tgt_lang))
        case "m2m_100":
            return convert_m2m(M2M.load(origin, config), (src_lang, tgt_lang))
        case other:
            raise UserError(f"{origin} is of the type {other}; mt imports marian and m2m_100 (also NLLB-200).")
