"""The judge: missing, old, foreign or differently asked evidence denies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.checks import CHECKS
from modelwarden.errors import PolicyError
from modelwarden.policy import Policy
from modelwarden.policy import judge as judge_by
from modelwarden.report import Claim, canonical

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODEL, KEPT, RAW, TRUSTED, ROWS = (letter * 64 for letter in "abcde")
RONI = {
    "check": "roni",
    "metric": "rejected_fraction",
    "op": "<=",
    "value": 0.05,
    "options": {"target": "label"},
    "inputs": {"trusted": TRUSTED},
}
EVASION = {
    "check": "evasion",
    "metric": "robust_accuracy_low",
    "op": ">=",
    "value": 0.7,
    "options": {"target": "label", "epsilon": 0.2},
    "inputs": {"evaluation": ROWS},
}


def policy(*rules, **more):
    body = canonical({"version": 1, "rules": list(rules) or [RONI, EVASION], **more})
    return Policy.read(body, "policy.yaml", CHECKS)


def claim(check, **changes):
    base = Claim(
        check=check,
        subjects={},
        options={},
        inputs={},
        outputs={},
        metrics={},
        failed=False,
        finished=(NOW - timedelta(hours=1)).isoformat(),
        attempt=1,
        signer="tester",
        uri=f"s3://e/{check}",
        sha256=check,
    )
    return replace(base, **changes)


TRAINED = claim("trained", subjects={"model": MODEL}, inputs={"model": MODEL, "data": KEPT})
FILTERED = claim(
    "roni",
    subjects={"train": RAW, "kept": KEPT},
    options={**CHECKS["roni"].options, "target": "label"},
    inputs={"train": RAW, "trusted": TRUSTED},
    outputs={"kept": KEPT, "quarantine": "f" * 64},
    metrics={"rejected_fraction": 0.05},
)
ATTACKED = claim(
    "evasion",
    subjects={"model": MODEL},
    options={**CHECKS["evasion"].options, "target": "label", "epsilon": 0.2},
    inputs={"model": MODEL, "evaluation": ROWS},
    metrics={"robust_accuracy_low": 0.7},
)
GOOD = [TRAINED, FILTERED, ATTACKED]


def judge(claims, rules=None):
    return judge_by(rules or policy(), MODEL, claims, CHECKS, NOW)


def test_allows_when_every_rule_holds_on_the_bound():
    decision = judge(GOOD)

    assert decision.allowed, decision.reasons
    assert decision.used == ("evasion", "roni", "trained")
    assert decision.notes == ("training data: claimed by tester",)


def test_denies_without_any_evidence():
    assert len(judge([]).reasons) == 3


@pytest.mark.parametrize("left_out", range(3))
def test_denies_when_one_statement_is_missing(left_out):
    assert not judge([c for i, c in enumerate(GOOD) if i != left_out]).allowed


@pytest.mark.parametrize("value", [0.0501, None, float("nan"), float("inf")])
def test_denies_what_is_not_within_the_bound(value):
    assert not judge(
        [TRAINED, replace(FILTERED, metrics={"rejected_fraction": value}), ATTACKED]
    ).allowed


def test_denies_a_metric_that_was_not_measured():
    assert "not measured" in judge([TRAINED, replace(FILTERED, metrics={}), ATTACKED]).reasons[0]


def test_denies_a_check_that_failed_whatever_it_measured():
    assert (
        "must not be used" in judge([TRAINED, replace(FILTERED, failed=True), ATTACKED]).reasons[0]
    )


@pytest.mark.parametrize(
    "options", [{"epsilon": 1e-6}, {"rows": 1}, {"seed": 7}, {"queries": 1}, {"seed": False}]
)
def test_denies_a_check_that_was_asked_otherwise(options):
    weak = replace(ATTACKED, options={**ATTACKED.options, **options})
    reasons = judge([TRAINED, FILTERED, weak]).reasons

    assert len(reasons) == 1
    assert f"asked otherwise: {next(iter(options))}=" in reasons[0]


def test_denies_other_evaluation_rows_than_the_policy_pins():
    weak = replace(ATTACKED, inputs={"model": MODEL, "evaluation": "0" * 64})

    assert "asked otherwise: evaluation=" in judge([TRAINED, FILTERED, weak]).reasons[0]


def test_any_leaves_an_option_and_an_input_open():
    open_rule = {
        **EVASION,
        "options": {"target": "any", "epsilon": "any"},
        "inputs": {"evaluation": "any"},
    }
    weak = replace(ATTACKED, options={**ATTACKED.options, "epsilon": 9.0, "target": "x"})

    assert judge([TRAINED, FILTERED, weak], policy(open_rule)).allowed


def test_denies_evidence_about_another_model():
    other = replace(ATTACKED, subjects={"model": "9" * 64})

    assert "no trusted statement of evasion" in judge([TRAINED, FILTERED, other]).reasons[0]


def test_denies_a_model_that_was_trained_on_the_unfiltered_rows():
    twin = replace(TRAINED, inputs={"model": MODEL, "data": RAW})

    assert "not trained on the rows that roni kept" in judge([twin, FILTERED, ATTACKED]).reasons[0]


def test_denies_a_model_that_was_trained_on_rows_nobody_checked():
    twin = replace(TRAINED, inputs={"model": MODEL, "data": "9" * 64})

    assert "no trusted statement of roni" in judge([twin, FILTERED, ATTACKED]).reasons[0]


def test_follows_a_chain_of_filters_back_to_the_first_table():
    middle = "7" * 64
    first = replace(
        FILTERED, outputs={"kept": middle}, subjects={"train": RAW, "kept": middle}, sha256="1"
    )
    second = replace(
        FILTERED,
        subjects={"train": middle, "kept": KEPT},
        inputs={"train": middle, "trusted": TRUSTED},
        sha256="2",
    )

    assert judge([TRAINED, second, first, ATTACKED]).used == ("1", "2", "evasion", "trained")


def test_denies_builders_that_contradict_each_other():
    other = replace(TRAINED, inputs={"model": MODEL, "data": RAW}, sha256="other")

    assert "contradict" in judge([*GOOD, other]).reasons[0]


@pytest.mark.parametrize("age", [timedelta(days=8), timedelta(minutes=-2)])
def test_denies_what_is_too_old_or_from_the_future(age):
    stale = replace(ATTACKED, finished=(NOW - age).isoformat())

    assert "it is from" in judge([TRAINED, FILTERED, stale]).reasons[0]


@pytest.mark.parametrize("text", ["yesterday", "", "2026-11-23T11:00:00"])
def test_denies_an_unreadable_time(text):
    assert not judge([TRAINED, FILTERED, replace(ATTACKED, finished=text)]).allowed


def test_the_worst_of_several_answers_counts():
    lucky = replace(ATTACKED, metrics={"robust_accuracy_low": 0.9}, attempt=2, sha256="again")
    unlucky = replace(ATTACKED, metrics={"robust_accuracy_low": 0.5})

    assert not judge([TRAINED, FILTERED, unlucky, lucky]).allowed
    assert "evasion: attempt 2" in judge([*GOOD, lucky]).notes


def test_an_old_answer_still_counts_beside_a_new_one_but_need_not_be_fresh():
    old = replace(ATTACKED, finished=(NOW - timedelta(days=30)).isoformat(), sha256="old")

    assert judge([*GOOD, old]).allowed
    assert not judge([*GOOD, replace(old, metrics={"robust_accuracy_low": 0.1})]).allowed


def test_a_filter_run_that_kept_other_rows_does_not_lock_the_model_out():
    other = replace(
        FILTERED, outputs={"kept": "7" * 64}, subjects={"train": RAW, "kept": "7" * 64}, sha256="x"
    )

    assert judge([*GOOD, other]).allowed


def test_a_warning_rule_does_not_deny():
    strict = {**EVASION, "value": 0.99, "severity": "warn"}

    assert judge(GOOD, policy(RONI, strict)).allowed


def test_a_policy_that_only_records_never_allows():
    assert not judge(GOOD, policy(enforce=False)).allowed


@given(st.permutations(GOOD))
def test_the_order_of_evidence_never_matters(claims):
    assert judge(claims) == judge(GOOD)


@given(
    st.sets(st.sampled_from(range(3))),
    st.floats(0, 1) | st.none(),
    st.floats(0, 1) | st.none(),
)
def test_less_or_worse_evidence_never_allows(present, rejected, robust):
    claims = [
        TRAINED,
        replace(FILTERED, metrics={"rejected_fraction": rejected}),
        replace(ATTACKED, metrics={"robust_accuracy_low": robust}),
    ]
    decision = judge([c for i, c in enumerate(claims) if i in present])
    good = len(present) == 3 and rejected is not None and rejected <= 0.05
    good = good and robust is not None and robust >= 0.7

    assert decision.allowed is good


def test_the_identity_of_a_policy_is_its_bytes():
    assert policy().sha256 != policy(RONI).sha256


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"check": "rony"}, "did you mean roni"),
        ({"metric": "rejected_fractoin"}, "did you mean rejected_fraction"),
        ({"options": {"target": "label", "alhpa": 1}}, "did you mean alpha"),
        ({"options": {}}, "option target.*expected a value"),
        ({"options": {"target": "label", "alpha": "high"}}, "option alpha.*type float"),
        ({**EVASION, "inputs": {}}, "input evaluation.*a pinned digest"),
        ({"inputs": {"trusted": "abc"}}, "SHA-256"),
        ({"inputs": {"trusted": TRUSTED, "train": RAW}}, "pinned input of roni"),
        ({"op": "=="}, "op"),
        ({"value": "1e-3"}, "value"),
        ({"value": True}, "value"),
        ({"sevrity": "warn"}, "sevrity"),
    ],
)
def test_refuses_a_rule_that_says_nothing(change, problem):
    with pytest.raises(PolicyError, match=problem):
        policy({**RONI, **change})


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "policy"),
        (b"version: 1\nrules: []", "rules"),
        (b"version: 2\nrules: [{}]", "version"),
        (b"version: 1\nrules: 3", "rules"),
        (b"version: 1\nversion: 1", "twice"),
        (b"version: 1\nrule: []", "rule"),
    ],
)
def test_refuses_a_malformed_policy(body, problem):
    with pytest.raises(PolicyError, match=problem):
        Policy.read(body, "policy.yaml", CHECKS)


@pytest.mark.parametrize("age", ["7", "0d", "-1d", "1w", "1.5h", "d"])
def test_refuses_an_age_it_cannot_read(age):
    with pytest.raises(PolicyError, match="30m, 24h or 7d"):
        policy(evidence={"max_age": age})


def test_rules_of_one_check_agree_about_what_was_asked():
    other = {**RONI, "metric": "rows", "options": {"target": "other"}}

    with pytest.raises(PolicyError, match="two that differ"):
        policy(RONI, other)


def test_a_second_rule_of_a_check_need_not_repeat_what_was_asked():
    short = {"check": "roni", "metric": "rows", "op": ">=", "value": 10}

    assert policy(RONI, short).asked["roni"]["options"]["target"] == "label"


@pytest.mark.parametrize("measured", [None, float("nan")])
def test_a_rule_never_holds_for_what_is_undefined(measured):
    for rule in policy().rules:
        assert not rule.holds(measured)


def test_one_undefined_answer_among_good_ones_denies():
    undefined = replace(ATTACKED, metrics={"robust_accuracy_low": None}, sha256="undefined")

    assert not judge([*GOOD, undefined]).allowed


def test_a_statement_about_the_data_is_none_about_the_model():
    elsewhere = replace(ATTACKED, subjects={"model": KEPT})

    assert not judge([TRAINED, FILTERED, elsewhere]).allowed


# Inputs that may be left out

CODE = "6" * 64
WITH_CODE = replace(FILTERED, inputs={**FILTERED.inputs, "estimator": CODE})


def pinning(**inputs):
    return policy({**RONI, "inputs": inputs}, EVASION)


@pytest.mark.parametrize(
    ("said", "rules", "otherwise"),
    [
        (
            WITH_CODE,
            pinning(trusted=TRUSTED),
            "estimator=666666666666..., the policy wants nothing",
        ),
        (FILTERED, pinning(trusted=TRUSTED, estimator=CODE), "estimator=nothing, the policy wants"),
        (
            FILTERED,
            pinning(trusted=TRUSTED, estimator="any"),
            "estimator=nothing, the policy wants",
        ),
        (FILTERED, pinning(), "trusted=dddddddddddd..., the policy wants nothing"),
        (
            replace(WITH_CODE, inputs={"train": RAW, "trusted": TRUSTED, "estimator": "0" * 64}),
            pinning(trusted=TRUSTED, estimator=CODE),
            "estimator=000000000000",
        ),
    ],
)
def test_denies_an_optional_input_that_is_there_or_not_against_the_policy(said, rules, otherwise):
    assert f"asked otherwise: {otherwise}" in judge([TRAINED, said, ATTACKED], rules).reasons[0]


@pytest.mark.parametrize("pin", [CODE, "any"])
def test_allows_an_optional_input_that_the_policy_pins_or_opens(pin):
    rules = pinning(trusted=TRUSTED, estimator=pin)

    assert judge([TRAINED, WITH_CODE, ATTACKED], rules).allowed


@pytest.mark.parametrize(
    ("change", "otherwise"),
    [
        ({"inputs": {**FILTERED.inputs, "hints": CODE}}, "hints=666666666666"),
        ({"options": {**FILTERED.options, "trust_me": True}}, "trust_me=True"),
        ({"options": {"target": "label"}}, "alpha=nothing"),
    ],
)
def test_denies_a_question_that_the_card_does_not_know(change, otherwise):
    odd = replace(FILTERED, **change)

    assert f"asked otherwise: {otherwise}" in judge([TRAINED, odd, ATTACKED]).reasons[0]


def test_denies_an_option_that_is_open_but_was_not_said():
    rules = policy(RONI, {**EVASION, "options": {"target": "label", "epsilon": "any"}})
    silent = {name: value for name, value in ATTACKED.options.items() if name != "epsilon"}
    claims = [TRAINED, FILTERED, replace(ATTACKED, options=silent)]

    assert "asked otherwise: epsilon=nothing" in judge(claims, rules).reasons[0]


# Rows that were put back

BACK, ROWS_OF_RONI = "7" * 64, "8" * 64
RESTORE = {
    "check": "restore",
    "metric": "restored_rows",
    "op": "<=",
    "value": 5,
    "options": {"restore": "any"},
}
SIFTED = replace(FILTERED, outputs={**FILTERED.outputs, "rows": ROWS_OF_RONI})
RESTORED = claim(
    "restore",
    subjects={"filtered": KEPT, "kept": BACK},
    options={"restore": "17"},
    inputs={"filtered": KEPT, "train": RAW, "rows": ROWS_OF_RONI},
    outputs={"kept": BACK},
    metrics={"restored_rows": 5},
)
ON_BACK = replace(TRAINED, inputs={"model": MODEL, "data": BACK})
CHAIN = [ON_BACK, RESTORED, SIFTED, ATTACKED]
RULES = policy(RONI, RESTORE, EVASION)


def test_follows_a_restore_that_a_rule_speaks_about():
    decision = judge(CHAIN, RULES)

    assert decision.allowed, decision.reasons
    assert decision.used == ("evasion", "restore", "roni", "trained")


@given(st.permutations(CHAIN))
def test_the_order_of_a_chain_never_matters(claims):
    assert judge(claims, RULES) == judge(CHAIN, RULES)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metrics": {"restored_rows": 6}}, "restore.restored_rows <= 5: measured 6"),
        ({"metrics": {}}, "restore.restored_rows <= 5: not measured"),
        ({"failed": True}, "restore.restored_rows <= 5: the check failed"),
        ({"inputs": {**RESTORED.inputs, "train": CODE}}, "train=666666666666..."),
        ({"inputs": {**RESTORED.inputs, "rows": CODE}}, "rows=666666666666..."),
        ({"inputs": {"filtered": KEPT, "train": RAW}}, "rows=nothing"),
        ({"subjects": {"filtered": CODE, "kept": BACK}}, "no trusted statement of roni"),
        ({"outputs": {}}, "no trusted statement of roni"),
        ({"finished": (NOW - timedelta(days=8)).isoformat()}, "it is from"),
    ],
)
def test_denies_a_restore_that_does_not_hold(change, reason):
    claims = [ON_BACK, replace(RESTORED, **change), SIFTED, ATTACKED]

    assert reason in " ".join(judge(claims, RULES).reasons)


def test_a_restore_does_not_excuse_the_filter():
    sieve = replace(SIFTED, metrics={"rejected_fraction": 0.2})

    assert "measured 0.2" in judge([ON_BACK, RESTORED, sieve, ATTACKED], RULES).reasons[0]


@pytest.mark.parametrize("rules", [(RONI, EVASION), (RONI, {**RESTORE, "severity": "warn"})])
def test_denies_a_filter_that_no_blocking_rule_speaks_about(rules):
    decision = judge(CHAIN, policy(*rules))

    assert "not trained on the rows that roni kept" in decision.reasons[0]
    assert "restore filtered the data, but no blocking rule speaks about it" in decision.notes


def test_denies_a_restore_of_everything_even_if_the_filter_read_the_same():
    all_back = replace(RESTORED, subjects={"filtered": KEPT, "kept": RAW}, outputs={"kept": RAW})
    on_raw = replace(TRAINED, inputs={"model": MODEL, "data": RAW})
    many = replace(all_back, metrics={"restored_rows": 100})

    assert not judge([on_raw, all_back, SIFTED, ATTACKED], policy(RONI, EVASION)).allowed
    assert not judge([on_raw, many, SIFTED, ATTACKED], RULES).allowed


def test_two_steps_of_a_ladder_do_not_reach_further_than_one():
    higher, forged = "3" * 64, "4" * 64
    second = replace(
        RESTORED,
        subjects={"filtered": BACK, "kept": higher},
        inputs={"filtered": BACK, "train": RAW, "rows": forged},
        outputs={"kept": higher},
        sha256="second",
    )
    on_higher = replace(TRAINED, inputs={"model": MODEL, "data": higher})
    reasons = judge([on_higher, second, RESTORED, SIFTED, ATTACKED], RULES).reasons

    assert "asked otherwise: rows=444444444444" in " ".join(reasons)


def test_a_way_that_was_asked_otherwise_does_not_lend_its_filter_to_another():
    other = "3" * 64
    straight = replace(RESTORED, inputs={"filtered": KEPT, "train": CODE, "rows": CODE})
    around = replace(
        RESTORED,
        subjects={"filtered": other, "kept": BACK},
        inputs={"filtered": other, "train": BACK, "rows": BACK},
        sha256="around",
    )
    reasons = judge([ON_BACK, straight, around, SIFTED, ATTACKED], RULES).reasons

    assert "not trained on the rows that roni kept" in reasons[0]


def test_an_open_word_for_a_chained_input_is_visible_and_accepted():
    rules = policy(RONI, {**RESTORE, "inputs": {"train": "any", "rows": "any"}}, EVASION)
    strange = replace(RESTORED, inputs={"filtered": KEPT, "train": CODE, "rows": CODE})

    assert RULES.asked["restore"]["inputs"] == {"train": "chain", "rows": "chain"}
    assert judge([ON_BACK, strange, SIFTED, ATTACKED], rules).allowed


ASKED_OF_INTEGRITY = {"target": "", "ignore": "", "engine": "pandas"}


def test_what_a_check_that_is_no_filter_says_it_kept_is_not_followed():
    rules = policy(
        RONI,
        {
            "check": "integrity",
            "metric": "rows",
            "op": ">=",
            "value": 1,
            "inputs": {"suite": "any"},
        },
        EVASION,
    )
    odd = claim(
        "integrity",
        options=ASKED_OF_INTEGRITY,
        subjects={"data": KEPT},
        inputs={"data": KEPT, "suite": CODE},
        outputs={"kept": BACK},
        metrics={"rows": 9},
    )

    assert not judge([ON_BACK, odd, SIFTED, ATTACKED], rules).allowed


def test_a_filter_that_kept_nothing_gives_no_answer():
    silent = replace(SIFTED, subjects={"train": KEPT}, outputs={})

    assert "not trained on the rows" in judge([TRAINED, silent, ATTACKED]).reasons[0]


def test_what_was_judged_gives_the_same_when_nothing_else_is_judged_again():
    easier = replace(ATTACKED, options={**ATTACKED.options, "epsilon": 1e-6})
    rules = policy(RONI, {**RESTORE, "severity": "warn"}, {**EVASION, "severity": "warn"})
    first = judge([ON_BACK, RESTORED, SIFTED, easier], rules)
    again = judge([c for c in [*CHAIN[:3], easier] if c.sha256 in first.used], rules)

    assert (again.results, again.used) == (first.results, first.used)


def test_filters_that_were_not_followed_are_judged_again_too():
    suite = {"check": "integrity", "metric": "rows", "op": ">=", "value": 1, "severity": "warn"}
    rules = policy({**suite, "inputs": {"suite": "any"}}, EVASION)
    held = claim(
        "integrity",
        options=ASKED_OF_INTEGRITY,
        subjects={"data": RAW},
        inputs={"data": RAW, "suite": CODE},
        metrics={"rows": 9},
    )
    first = judge([*CHAIN, held], rules)
    again = judge([c for c in [*CHAIN, held] if c.sha256 in first.used], rules)

    assert first.results[1].why == "the model was not trained on the rows that integrity checked"
    assert (again.results, again.used) == (first.results, first.used)


NOT_WORSE = {**EVASION, "worse_by": 0.02}
CURRENT = "9" * 64
BEFORE = [
    claim(
        "trained", sha256="t0", subjects={"model": CURRENT}, inputs={"model": CURRENT, "data": KEPT}
    ),
    replace(
        ATTACKED,
        sha256="a0",
        subjects={"model": CURRENT},
        inputs={"model": CURRENT, "evaluation": ROWS},
        metrics={"robust_accuracy_low": 0.8},
    ),
]


def compare(measured, before=BEFORE, rule=NOT_WORSE, current=CURRENT):
    now = replace(ATTACKED, metrics={"robust_accuracy_low": measured})
    rules = policy(RONI, rule)
    return judge_by(rules, MODEL, [TRAINED, FILTERED, now, *before], CHECKS, NOW, current)


@pytest.mark.parametrize(("measured", "allowed"), [(0.7799, False), (0.78, True), (0.9, True)])
def test_a_model_may_be_only_so_much_worse_than_the_current_release(measured, allowed):
    assert compare(measured).allowed is allowed


def test_says_what_the_current_release_had():
    (result,) = [r for r in compare(0.75).results if r.rule.startswith("evasion")]

    assert result.current == 0.8
    assert "measured 0.75, the current release 0.8" in result.why


def test_the_threshold_holds_beside_the_current_release():
    low = [replace(c, metrics={"robust_accuracy_low": 0.1} if c.metrics else {}) for c in BEFORE]

    assert not compare(0.6, low).allowed


def test_a_negative_allowance_demands_a_better_model():
    assert not compare(0.8, rule={**EVASION, "worse_by": -0.01}).allowed
    assert compare(0.82, rule={**EVASION, "worse_by": -0.01}).allowed


def test_without_a_current_release_the_threshold_alone_counts():
    decision = compare(0.7, current="")

    assert decision.allowed
    assert decision.results[-1].why == "no current release to compare with"


@pytest.mark.parametrize(
    "change",
    [
        {"options": {**ATTACKED.options, "epsilon": 0.01}},
        {"metrics": {"robust_accuracy_low": float("nan")}},
        {"metrics": {}},
    ],
)
def test_denies_when_the_current_release_was_not_asked_the_same(change):
    before = [BEFORE[0], replace(BEFORE[1], **change)]

    assert "was not asked the same" in compare(0.9, before).reasons[0]


def test_a_bad_answer_about_the_current_release_does_not_lower_the_bar():
    worse = replace(BEFORE[1], sha256="a1", metrics={"robust_accuracy_low": 0.1})

    assert not compare(0.7, [*BEFORE, worse]).allowed


def test_for_a_metric_that_should_be_small_worse_is_more():
    rule = {**RONI, "worse_by": 0.01}
    raw = replace(FILTERED, sha256="f0", metrics={"rejected_fraction": 0.03})
    claims = [TRAINED, FILTERED, ATTACKED, BEFORE[0]]
    rules = policy(rule, EVASION)

    assert not judge_by(rules, MODEL, [*claims, raw], CHECKS, NOW, CURRENT).allowed
    assert judge_by(rules, MODEL, claims, CHECKS, NOW, CURRENT).allowed


def test_a_policy_that_does_not_compare_ignores_the_current_release():
    assert compare(0.7, rule=EVASION).used == ("evasion", "roni", "trained")


def test_what_the_comparison_used_is_enough_to_repeat_it():
    first = compare(0.78)
    claims = [TRAINED, FILTERED, replace(ATTACKED, metrics={"robust_accuracy_low": 0.78}), *BEFORE]
    kept = [c for c in claims if c.sha256 in first.used]
    again = judge_by(policy(RONI, NOT_WORSE), MODEL, kept, CHECKS, NOW, CURRENT)

    assert again == first


BACKDOOR = {
    "check": "backdoor",
    "metric": "worst_attack_success",
    "op": "<=",
    "value": 0.2,
    "options": {"target": "label"},
    "inputs": {"profile": "any", "sample": "any", "predictor": "model"},
}
STAMPED = claim(
    "backdoor",
    subjects={"train": KEPT},
    options={**CHECKS["backdoor"].options, "target": "label"},
    inputs={"train": KEPT, "profile": ROWS, "sample": TRUSTED, "predictor": MODEL},
    outputs={"triggers": CODE},
    metrics={"worst_attack_success": 0.1, "triggers": 0},
)


def asked_of(predictor):
    inputs = {**STAMPED.inputs, "predictor": predictor}
    return replace(STAMPED, inputs={name: value for name, value in inputs.items() if value})


def test_a_policy_demands_that_a_check_of_data_asked_the_model_that_is_decided_about():
    rules = policy(RONI, BACKDOOR)

    assert judge([TRAINED, FILTERED, STAMPED], rules).allowed
    for other in ("9" * 64, "", KEPT, "model", "the model that is decided about"):
        reasons = judge([TRAINED, FILTERED, asked_of(other)], rules).reasons
        assert "the policy wants the model that is decided about" in reasons[0]


def test_another_answer_about_another_model_does_not_help():
    claims = [TRAINED, FILTERED, asked_of("9" * 64), replace(STAMPED, metrics={}, sha256="b")]

    assert "not measured" in judge(claims, policy(RONI, BACKDOOR)).reasons[0]


def test_a_model_that_a_policy_does_not_name_must_have_been_left_out():
    silent = {**BACKDOOR, "metric": "triggers", "value": 0}
    silent["inputs"] = {"profile": "any", "sample": "any"}

    assert judge([TRAINED, FILTERED, asked_of("")], policy(RONI, silent)).allowed
    assert not judge([TRAINED, FILTERED, STAMPED], policy(RONI, silent)).allowed


def test_any_opens_the_model_to_all_and_a_digest_to_one():
    for word, allowed in (("any", True), ("9" * 64, True), (MODEL, False)):
        rules = policy(
            RONI, {**BACKDOOR, "inputs": {"profile": "any", "sample": "any", "predictor": word}}
        )
        assert judge([TRAINED, FILTERED, asked_of("9" * 64)], rules).allowed is allowed


def test_a_chained_model_that_is_not_optional_must_be_the_one_that_is_decided_about():
    cards = {**CHECKS, "backdoor": replace(CHECKS["backdoor"], optional=())}
    silent = {**BACKDOOR, "inputs": {"profile": "any", "sample": "any"}}
    rules = Policy.read(canonical({"version": 1, "rules": [RONI, silent]}), "p.yaml", cards)

    assert judge_by(rules, MODEL, [TRAINED, FILTERED, STAMPED], cards, NOW).allowed
    assert not judge_by(rules, MODEL, [TRAINED, FILTERED, asked_of("9" * 64)], cards, NOW).allowed


def test_the_word_model_is_for_inputs_that_belong_to_the_model():
    for inputs in ({"trusted": "model"}, {"trusted": "chain"}):
        with pytest.raises(PolicyError, match="a SHA-256 digest or any"):
            policy({**RONI, "inputs": inputs})
    with pytest.raises(PolicyError, match="digest or model or any"):
        policy({**BACKDOOR, "inputs": {**BACKDOOR["inputs"], "predictor": "this"}})


def test_compared_with_the_current_release_each_model_must_have_been_asked_itself():
    current = "8" * 64
    rules = policy(RONI, {**BACKDOOR, "worse_by": 0.05})
    old = claim("trained", subjects={"model": current}, inputs={"model": current, "data": KEPT})
    of_old = replace(asked_of(current), metrics={"worst_attack_success": 0.04}, sha256="old")
    claims = [TRAINED, FILTERED, STAMPED, replace(old, sha256="t2"), of_old]

    decision = judge_by(rules, MODEL, claims, CHECKS, NOW, current=current)
    assert "the current release 0.04" in decision.reasons[0]
