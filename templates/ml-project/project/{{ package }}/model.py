"""The model: from the texts of a laptop's row to a price in reais, in one pipeline that holds all of it.

A linear model adds things up, and prices do not add up: a better processor makes a dear laptop dearer by more than a
cheap one. So it learns the logarithm of the price: there a factor is a sum, and being 10 % off counts the same for a
laptop of R$ 2 000 and for one of R$ 60 000, which is what MAPE asks. Sizes double rather than grow by one, so they
go in as logarithms too. Products of two properties let the model say that memory costs more in one brand than in
another.

To use another model, change `build`; all else stays. https://scikit-learn.org/stable/modules/compose.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from .errors import ProjectError
from .schema import BY_NAME, FEATURES, TARGET

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.compose import TransformedTargetRegressor

# How many laptops of a kind it takes until the model learns anything about the kind alone.
_RARE = 5


class Typed(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Texts → numbers (NaN: nobody knows) and words. Columns that are missing altogether count as unknown.

    `transform` raises ValueError, with the column and the reason, for a text that the schema cannot read.
    """

    def fit(self, X: pd.DataFrame, y: object = None) -> Typed:  # noqa: ARG002 - scikit-learn hands it over
        """Learn nothing; mark it as fitted."""
        self.fitted_ = True
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with the columns of FEATURES, in their order."""
        columns: dict[str, Any] = {}
        for column in FEATURES:
            cells = X[column.name] if column.name in X.columns else pd.Series([""] * len(X), index=X.index)
            texts = ["" if cell is None or cell != cell else str(cell) for cell in cells]
            read = {}
            for text in set(texts):
                try:
                    read[text] = column.parse(text)
                except ValueError as error:
                    raise ValueError(f"{column.name}: {error}") from None
            if column.numeric:
                values = [read[text] for text in texts]
                columns[column.name] = np.array([np.nan if value is None else value for value in values], dtype=float)
            else:
                columns[column.name] = np.array([read[text] or "unknown" for text in texts], dtype=object)
        typed: pd.DataFrame = pd.DataFrame(columns, index=X.index)
        return typed

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:  # noqa: ARG002 - scikit-learn's
        """Return the names of what `transform` gives."""
        return np.array([column.name for column in FEATURES], dtype=object)


def prices(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the prices of a frame of texts, in reais."""
    return np.array([BY_NAME[TARGET].parse(text) for text in frame[TARGET]], dtype=float)


def build(params: Mapping[str, Any]) -> TransformedTargetRegressor:
    """Return the model, not yet fitted. It takes raw columns and gives reais.

    `params`: `alpha` (how strongly Ridge pulls to simple answers; more than 0) and `interactions` (how much weight the
    products of two features have beside the features alone, from 0 to 1; 0: there are none). Raises ProjectError for
    anything else.
    """
    from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler

    alpha, interactions = params.get("alpha"), params.get("interactions")
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or alpha <= 0:
        raise ProjectError(f"`model.alpha` in params.yaml should be a number above 0, not {alpha!r}.")
    if isinstance(interactions, bool) or not isinstance(interactions, (int, float)) or not 0 <= interactions <= 1:
        raise ProjectError(f"`model.interactions` in params.yaml should be a number from 0 to 1, not {interactions!r}.")
    numbers = make_pipeline(
        FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    words = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=_RARE, sparse_output=False)
    steps: list[Any] = [
        Typed(),
        make_column_transformer(
            (numbers, make_column_selector(dtype_include=np.number)),
            (words, make_column_selector(dtype_exclude=np.number)),
            verbose_feature_names_out=False,
        ),
    ]
    if interactions:
        pairs = PolynomialFeatures((2, 2), interaction_only=True, include_bias=False)
        # Made smaller, the products are what Ridge would rather do without: there are more of them than laptops.
        weights = {"alone": 1.0, "pairs": float(interactions)}
        steps.append(FeatureUnion([("alone", "passthrough"), ("pairs", pairs)], transformer_weights=weights))
    steps.append(Ridge(alpha=alpha))
    return TransformedTargetRegressor(make_pipeline(*steps), func=np.log, inverse_func=np.exp)


def scores(actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """Return how good predictions are, in reais and in shares.

    `r2`: the share of the differences in price that is explained, `mape`: how far off on average, `median_ape`: how far
    off half of them are at most (both as shares of the price), `mae` and `rmse` in reais. Six decimals: beyond those,
    two machines may differ.
    """
    from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, r2_score, root_mean_squared_error

    return {
        "r2": round(float(r2_score(actual, predicted)), 6),
        "mape": round(float(mean_absolute_percentage_error(actual, predicted)), 6),
        "median_ape": round(float(np.median(np.abs(predicted / actual - 1))), 6),
        "mae": round(float(mean_absolute_error(actual, predicted)), 2),
        "rmse": round(float(root_mean_squared_error(actual, predicted)), 2),
    }


@dataclass(frozen=True)
class Loaded:
    """A fitted model, whence it is, and its version: of a registered one the number, else the file's SHA-256, cut."""

    estimator: Any
    version: str
    source: str

    def predict(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return prices in reais for a frame of raw columns. Raises ValueError for a text that cannot be read."""
        return np.asarray(self.estimator.predict(frame), dtype=float)


def load(uri_or_path: str | Path) -> Loaded:
    """Return a model: of a file such as models/model.joblib, or of MLflow, such as models:/team.laptops@champion.

    MLflow is imported for the second alone. A model is a program: load only files that you or your team made. Raises
    ProjectError if there is none.
    """
    text = str(uri_or_path)
    if text.startswith(("models:/", "runs:/")):
        from .registry import load_registered

        estimator, version = load_registered(text)
        return Loaded(estimator, version, text)
    import joblib

    path = Path(text)
    if not path.is_file():
        raise ProjectError(f"There is no model at {path}.", "`dvc repro` trains one; `dvc pull` fetches your team's.")
    try:
        estimator = joblib.load(path)
    # What is no pickle fails in any of a dozen ways.
    except Exception as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ProjectError(f"{path} is no model that can be loaded ({reason}).", "`dvc repro` makes one.") from None
    if not hasattr(estimator, "predict"):
        raise ProjectError(f"{path} is no model: it cannot predict.", "`dvc repro` makes one.")
    return Loaded(estimator, digest(path, "sha256")[:12], text)


def digest(path: Path, kind: str) -> str:
    """Return a file's digest in hexadecimal; with `md5` it is the one that DVC knows the file by."""
    return hashlib.new(kind, path.read_bytes(), usedforsecurity=False).hexdigest()
