"""`glowplug search`: a longer search for hyperparameters than training makes, on validation alone.

Optuna's tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS) over the ranges that the grids of training
span. It starts from what training would choose, so it can only end better on validation; whether it is better on
items and users that no choice has seen, `glowplug train --choices` tells, on the test part.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
import orjson

from glowplug.settings import Settings
from glowplug.training import item_search, user_search
from glowplug.training.choices import CHOICES, write_choices
from glowplug.training.dataset import read_folder
from glowplug.training.factors import Behaviour
from glowplug.training.features import features
from glowplug.training.learned import item_cases, user_cases
from glowplug.training.side_by_side import one_thread_each
from glowplug.training.splits import cold_item, cold_user
from glowplug.training.texts import Progress
from glowplug.training.tuning import Choice, Problem, solved

STUDY = "study.db"
# Each value of these costs a factorisation, kept for the next trial: so they keep to the grid.
STEPPED = frozenset({"smoothing", "weak", "rank", "profile"})


def search_folder(
    settings: Settings,
    folder: Path,
    out: Path,
    *,
    seed: int,
    k: int,
    threshold: float | None,
    trials: int,
    say: Progress,
) -> Iterator[str]:
    """Lines that tell what was found; study and choices are in `out`. Raises BadInputFile, ModelMissing."""
    data = read_folder(folder, settings.domain("default"), threshold)
    read = features(data, settings.encoder, say)
    out.mkdir(parents=True, exist_ok=True)
    of_items, of_users = cold_item(data, seed), cold_user(data, seed)
    channels = read.of_words + read.of_items
    cases = item_cases(data, of_items, Behaviour(data, of_items.train))
    problems = {
        "items": item_search.problem(cases, channels, read.vectors, k),
        "users": user_search.problem(data, user_cases(data, of_users), read.vectors, read.of_users, k),
    }
    best: dict[str, Choice] = {}
    for name, problem in problems.items():
        with one_thread_each():
            default, reached = solved(problem)
            say(f"{name}: what training chooses is worth {reached:.4f} on validation")
            best[name], value, count = _studied(
                out / STUDY, f"{name}, seed {seed}", problem, default, trials, seed, say
            )
        yield (
            f"{name}: {value:.4f} on validation (recall@{k} + NDCG@{k}) after {count} trials, "
            f"{value - reached:+.4f} against what training chooses ({reached:.4f})"
        )
        yield f"  {', '.join(f'{key} {one:.3g}' for key, one in best[name].items() if one)}"
    write_choices(out / CHOICES, best["items"], best["users"])
    yield f"glowplug train {folder} --choices {out / CHOICES} --out head"


def _studied(
    database: Path, name: str, problem: Problem, default: Choice, trials: int, seed: int, say: Progress
) -> tuple[dict[str, float], float, int]:
    """The best choice, its value, and how many trials the study now has, those of earlier runs included."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Another data set or other columns are another study, also in the same folder.
    about = hashlib.sha256(orjson.dumps([problem.start, default], option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy and Optuna warn of each other's coming versions
        study = optuna.create_study(
            storage=f"sqlite:///{database}",
            study_name=f"{name}, {about}",
            direction="maximize",
            load_if_exists=True,
        )
        done = len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))
        # A sampler seeded alike would draw the first run's trials again.
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + done, multivariate=True, warn_independent_sampling=False
        )
        if not done:
            study.enqueue_trial(dict(default))

        def objective(trial: optuna.Trial) -> float:
            value = problem.value(_suggested(trial, problem, default))
            say(f"{name}: trial {trial.number + 1}, {value:.4f}")
            return value

        study.optimize(objective, n_trials=trials)
    return {**default, **study.best_params}, study.best_value, len(study.trials)


def _suggested(trial: optuna.Trial, problem: Problem, default: Choice) -> dict[str, float]:
    """Weights and strengths anywhere in the grid's range; what is not in the grid stays as by default."""
    found = dict(default)
    for name, options in problem.grid.items():
        low, high = min(options), max(options)
        if name in STEPPED:
            found[name] = trial.suggest_categorical(name, tuple(options))
        else:
            found[name] = trial.suggest_float(name, low, high, log=low > 0)
    return found
