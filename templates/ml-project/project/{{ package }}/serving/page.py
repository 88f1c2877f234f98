"""The page in front of the API, run by Streamlit: `python -m PACKAGE frontend`.

The form is made of what the API says of itself at /openapi.json, so the two always agree and this file needs nothing of
the package. Streamlit runs it from top to bottom whenever somebody changes something on the page.
https://docs.streamlit.io/get-started/fundamentals/main-concepts
"""

from __future__ import annotations

import os
from typing import Any

import requests
import streamlit as st

API = os.environ.get("API_URL", "http://127.0.0.1:8000").rstrip("/")
SECONDS = 15
LANGUAGES = {"en": "English", "pt-BR": "Português"}
WORDS = {
    "en": {
        "title": "What is this laptop worth?",
        "language": "Language",
        "ask": "Predict the price",
        "price": "Predicted price",
        "by": "Model: version {model}",
        "unreachable": "The API does not answer at {api}. Is it running? Start it with `python -m {package} serve`.",
        "strange": "The API's answer was not understood (status {status}).",
        "asking": "Asking the model …",
    },
    "pt-BR": {
        "title": "Quanto vale este notebook?",
        "language": "Idioma",
        "ask": "Prever o preço",
        "price": "Preço previsto",
        "by": "Modelo: versão {model}",
        "unreachable": "A API não responde em {api}. Ela está rodando? Inicie com `python -m {package} serve`.",
        "strange": "Não foi possível entender a resposta da API (status {status}).",
        "asking": "Consultando o modelo …",
    },
}
# What the columns of the laptops are called on the page; others go by their own names.
LABELS = {
    "en": {
        "processor_brand": "processor's brand",
        "processor_name": "processor",
        "processor_gnrtn": "processor's generation",
        "ram_gb": "memory (RAM)",
        "ram_type": "kind of memory",
        "ssd": "solid-state disk (SSD)",
        "hdd": "hard disk (HDD)",
        "os": "operating system",
        "os_bit": "32 or 64 bit",
        "graphic_card_gb": "graphic card",
        "weight": "made for",
        "Touchscreen": "touch screen",
        "msoffice": "comes with Office",
        "Number of Ratings": "number of ratings",
        "Number of Reviews": "number of reviews",
    },
    "pt-BR": {
        "brand": "marca",
        "processor_brand": "marca do processador",
        "processor_name": "processador",
        "processor_gnrtn": "geração do processador",
        "ram_gb": "memória (RAM)",
        "ram_type": "tipo de memória",
        "ssd": "disco SSD",
        "hdd": "disco rígido (HDD)",
        "os": "sistema operacional",
        "os_bit": "32 ou 64 bits",
        "graphic_card_gb": "placa de vídeo",
        "weight": "tipo de uso",
        "warranty": "garantia",
        "Touchscreen": "tela sensível ao toque",
        "msoffice": "vem com Office",
        "rating": "avaliação",
        "Number of Ratings": "número de avaliações",
        "Number of Reviews": "número de comentários",
    },
}
PACKAGE = os.environ.get("FRONTEND_PACKAGE", "PACKAGE")


def reais(price: float, language: str) -> str:
    """Return a price as it is written in that language: `R$ 1,234.50` or `R$ 1.234,50`."""
    text = f"{price:,.2f}"
    if language == "pt-BR":
        text = text.translate(str.maketrans(",.", ".,"))
    return f"R$ {text}"


def asked(method: str, path: str, language: str, body: Any = None) -> tuple[int, Any]:
    """Return the API's status and answer; status 0 if it does not answer, and None for what is no JSON."""
    try:
        got = requests.request(method, API + path, json=body, headers={"Accept-Language": language}, timeout=SECONDS)
    except requests.RequestException:
        return 0, None
    try:
        return got.status_code, got.json()
    except ValueError:
        return got.status_code, None


def complain(status: int, said: Any, language: str) -> None:
    """Show in words why there is no price."""
    words, labels = WORDS[language], LABELS[language]
    if status == 0:
        st.error(words["unreachable"].format(api=API, package=PACKAGE))
    elif isinstance(said, dict) and isinstance(said.get("detail"), str):
        wrong = "".join(
            f"\n- **{labels.get(one['column'], one['column'])}** {one['problem']}" for one in said.get("problems", [])
        )
        st.error(said["detail"] + ("\n" + wrong if wrong else ""))
    else:
        st.error(words["strange"].format(status=status))


def field(label: str, about: dict[str, Any]) -> object:
    """Show the field of one column and return what stands in it."""
    example = about.get("example")
    if about.get("type") == "integer":
        return st.number_input(label, value=int(example or 0), min_value=about.get("minimum"), step=1)
    choices = about.get("enum") or about.get("examples")
    if not choices:
        return st.text_input(label, value=str(example or ""))
    index = choices.index(example) if example in choices else 0
    # What a schema calls usual is not all there is: a new brand may be typed in.
    return st.selectbox(label, choices, index=index, accept_new_options="enum" not in about)


def show() -> None:
    """Show the page."""
    wanted = st.query_params.get("lang") or os.environ.get("FRONTEND_LANG") or st.context.locale or "en"
    known = list(LANGUAGES)
    first = "pt-BR" if wanted.lower().startswith("pt") else "en"
    with st.sidebar:
        language = st.selectbox(
            f"{WORDS['en']['language']} / {WORDS['pt-BR']['language']}",
            known,
            index=known.index(first),
            format_func=LANGUAGES.__getitem__,
        )
    assert language is not None  # only a list without choices gives nothing
    words = WORDS[language]
    st.title(words["title"])

    status, description = asked("GET", "/openapi.json", language)
    if status != requests.codes.ok:
        complain(status, description, language)
        return
    columns = description["components"]["schemas"]["Row"]["properties"]
    with st.form("laptop"):
        sides = st.columns(2)
        row = {}
        for place, (name, about) in enumerate(columns.items()):
            with sides[place % 2]:
                row[name] = field(LABELS[language].get(name, name), about)
        pressed = st.form_submit_button(words["ask"], type="primary")
    if pressed:
        with st.spinner(words["asking"]):
            status, answer = asked("POST", "/predict", language, row)
        if status != requests.codes.ok or not isinstance(answer, dict):
            complain(status, answer, language)
            return
        st.metric(words["price"], reais(answer["predictions"][0]["price"], language))
        st.caption(words["by"].format(model=answer["model"]))


show()
