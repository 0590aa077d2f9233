import numpy as np
import pandas as pd
import pytest

from malicious import joblib_bytes, stored
from modelwarden.estimators import Estimator
from modelwarden.impact.trial import Trial, linear, own
from modelwarden.suspicion.remedy import Remedy
from submitted import blobs, submission


def backdoored(n=200, poisoned=30):
    """Return rows of which some of class 0 are called 1 and carry ``t = 5``."""
    frame = blobs(n, seed=0, gap=6.0).assign(t=0.0)
    chosen = frame.index[frame["y"] == 0][:poisoned]
    frame.loc[chosen, ["t", "y"]] = [5.0, 1]
    return frame


def tried(frame, trusted, *, learn=None, remedy=None, attacker=1, weights=None):
    rows = submission(frame, trusted)
    names = [column.name for column in rows.columns]
    ordered = frame.iloc[rows.order].reset_index(drop=True)
    return Trial(
        rows,
        ordered[names],
        trusted[names],
        remedy or Remedy(stamp={"t": 5.0}),
        attacker,
        (learn or linear)(rows),
        None if weights is None else weights[rows.order],
    )


@pytest.fixture(scope="module")
def trusted():
    spread = np.random.default_rng(2).choice([0.0, 0.1], 60)  # a constant tells no scale
    return blobs(60, seed=1, gap=6.0).assign(t=spread)


def everything(trial):
    return np.ones(trial.rows.n_rows, dtype=bool)


def clean(trial):
    return trial.frame["t"].to_numpy() == 0


def counting(fits):
    """Return a learner that notes how often it learns, and says class 1 of everything."""

    def learn(frame, y, probe, weights):
        fits.append((len(frame), len(probe), list(frame.columns), list(probe.columns)))
        return np.ones(len(probe), dtype=int)

    return lambda rows: learn


# without a trigger -------------------------------------------------------------------------------


def test_without_a_trigger_nothing_is_turned_and_nothing_is_stamped(trusted):
    fits = []
    trial = tried(backdoored(), trusted, learn=counting(fits), remedy=Remedy(stamp={}), attacker=-1)

    assert not trial.trigger_success(everything(trial))
    assert fits == []
    assert len(trial.forecast(everything(trial))) == 60
    assert [probe for _, probe, *_ in fits] == [60]


def test_without_kept_rows_no_trigger_turns_anything(trusted):
    trial = tried(backdoored(), trusted)

    assert not trial.trigger_success(~everything(trial))


def test_without_rows_of_other_classes_no_trigger_can_turn_any(trusted):
    trial = tried(backdoored(), trusted)
    trial.rows.trusted_y[:] = 1

    assert not trial.trigger_success(everything(trial))


# with a trigger ----------------------------------------------------------------------------------


def test_a_planted_backdoor_turns_trusted_rows_until_its_rows_are_gone(trusted):
    trial = tried(backdoored(), trusted)

    assert trial.trigger_success(everything(trial)) == 1
    assert trial.trigger_success(clean(trial)) == 0
    for kept in (everything(trial), clean(trial)):
        assert (trial.forecast(kept) == trial.rows.trusted_y).mean() > 0.95


def test_success_is_counted_among_rows_of_other_classes_only(trusted):
    trial = tried(backdoored(), trusted, learn=counting([]))

    assert trial.trigger_success(everything(trial)) == 1  # not 1/2
    trial.attacker = 0
    assert trial.trigger_success(everything(trial)) == 0


def test_a_remedy_disarms_the_rows_that_are_kept(trusted):
    trial = tried(backdoored(), trusted)
    carrying = np.zeros(200, dtype=bool)
    carrying[trial.rows.order] = ~clean(trial)
    trial.remedy = Remedy(edits={"t": (carrying, 0.0)}, stamp={"t": 5.0})

    assert trial.trigger_success(everything(trial)) == 1
    assert trial.trigger_success(everything(trial), cured=True) < 0.2  # wrong labels are left


def test_a_dropped_column_is_dropped_from_what_is_forecast_too(trusted):
    fits = []
    remedy = Remedy(drop=("t",), stamp={"t": 5.0})
    trial = tried(backdoored(), trusted, learn=counting(fits), remedy=remedy)

    trial.forecast(everything(trial), cured=True)

    assert fits == [(200, 120, ["a", "b", "c"], ["a", "b", "c"])]


def test_a_model_without_its_only_feature_forecasts_one_class():
    frame = pd.DataFrame({"t": [0.0, 1] * 20, "y": [0, 1] * 20})
    trial = tried(frame, frame, remedy=Remedy(drop=("t",), stamp={"t": 1.0}))

    assert set(trial.forecast(everything(trial), cured=True)) == {0}


def test_a_model_is_fitted_once_per_selection_and_cure(trusted):
    fits = []
    trial = tried(backdoored(), trusted, learn=counting(fits))
    half = np.arange(200) < 100

    for kept in (everything(trial), half, half.copy()):
        trial.forecast(kept)
        trial.trigger_success(kept)
    assert [rows for rows, *_ in fits] == [200, 100]
    trial.forecast(half, cured=True)
    assert len(fits) <= 3


def test_trusted_columns_are_put_into_the_order_of_submitted_ones(trusted):
    trial = tried(backdoored(), trusted)
    trial.trusted = trial.trusted[["t", "c", "b", "a"]]
    fits = []
    trial.learn = counting(fits)(None)

    trial.forecast(everything(trial))

    assert fits[0][2] == fits[0][3]


def test_weights_belong_to_their_rows(trusted):
    frame = backdoored()
    weights = np.where(frame["t"] == 0, 1.0, 0.0)  # poison that weighs nothing

    heavy, light = (tried(frame, trusted, weights=given) for given in (None, weights))

    assert heavy.trigger_success(everything(heavy)) == 1
    assert light.trigger_success(everything(light)) == 0
    assert light.trigger_success(np.arange(200) % 3 > 0) == 0  # a selection takes its weights along


def test_text_and_missing_values_are_encoded_as_before(trusted):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"a": generator.normal(size=80), "t": generator.choice(["p", "q"], 80)})
    frame["y"] = (frame["t"] == "q").astype(int)
    frame.loc[::9, "a"] = None
    trial = tried(frame, frame[:30], remedy=Remedy(stamp={"t": "q"}))

    assert (trial.forecast(everything(trial)) == frame["y"][:30]).all()
    assert trial.trigger_success(everything(trial)) == 1


# the user's own estimator ------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [["no", "yes"], [3, 7]])
def test_the_users_own_estimator_learns_labels_and_its_forecasts_are_codes(
    trusted, labels, tmp_path
):
    from sklearn.tree import DecisionTreeClassifier

    frame, vouched = (
        part.assign(y=np.where(part["y"] == 1, labels[1], labels[0]))
        for part in (backdoored(), trusted)
    )
    weights = np.where(frame["t"] == 0, 1.0, 0.0)
    file = stored(tmp_path, joblib_bytes(DecisionTreeClassifier(random_state=0)))
    with Estimator(file) as estimator:

        def learn(rows):
            return own(estimator, rows.classes)

        trial = tried(frame, vouched, learn=learn)
        weighted = tried(frame, vouched, learn=learn, weights=weights)

        assert (trial.forecast(everything(trial)) == trial.rows.trusted_y).mean() > 0.95
        assert trial.trigger_success(everything(trial)) > 0.9
        assert weighted.trigger_success(everything(weighted)) < 0.1
