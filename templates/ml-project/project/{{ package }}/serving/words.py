"""What the API says when a request is wrong, in English and in Portuguese."""

from __future__ import annotations

LANGUAGES = ("en", "pt-BR")

_WORDS = {
    "en": {
        "not_json": "The request is not JSON: {reason}.",
        "no_rows": "Send one row as a JSON object, or a list of rows.",
        "too_many": "At most {most} rows at a time; these are {count}.",
        "too_large": "The request is too large: {most} bytes at most.",
        "problems": "{count} of {rows} rows cannot be used; nothing was predicted.",
        "no_row": "a row is an object with a value for each column",
        "missing": "is missing",
        "unknown": "is no column of the model",
        "close": "is no column of the model; did you mean '{close}'?",
        "unread": "{value} cannot be read; write it as in {example!r}",
        "loading": "The model is still being loaded. Try again in a moment.",
        "no_model": "There is no model to ask: {reason}",
        "failed": "The model could not answer. The server's log says why.",
    },
    "pt-BR": {
        "not_json": "O pedido não é JSON: {reason}.",
        "no_rows": "Envie uma linha como objeto JSON, ou uma lista de linhas.",
        "too_many": "No máximo {most} linhas por vez; aqui são {count}.",
        "too_large": "O pedido é grande demais: no máximo {most} bytes.",
        "problems": "{count} de {rows} linhas não podem ser usadas; nada foi previsto.",
        "no_row": "uma linha é um objeto com um valor para cada coluna",
        "missing": "está faltando",
        "unknown": "não é uma coluna do modelo",
        "close": "não é uma coluna do modelo; você quis dizer '{close}'?",
        "unread": "{value} não pode ser lido; escreva como em {example!r}",
        "loading": "O modelo ainda está sendo carregado. Tente de novo daqui a pouco.",
        "no_model": "Não há modelo para consultar: {reason}",
        "failed": "O modelo não conseguiu responder. O registro do servidor diz por quê.",
    },
}


def language_of(accept_language: str) -> str:
    """Return the one of LANGUAGES that a browser's header asks for first; English if it asks for neither.

    Weights (`;q=`) are not looked at: browsers list languages by preference.
    https://www.rfc-editor.org/rfc/rfc9110#field.accept-language
    """
    for one in accept_language.lower().split(","):
        if one.strip().startswith("pt"):
            return "pt-BR"
        if one.strip().startswith("en"):
            return "en"
    return "en"


def say(language: str, word: str, **values: object) -> str:
    """Return what `word` stands for, filled in."""
    return _WORDS[language][word].format(**values)
