"""What Jira told of each thing: accepted, refused, unknown; and whatever else may stand there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from connections.contracts import Answer, Outcomes, Parcel, RelayEvent, Told
from connections.errors import UnexpectedResponse
from integrations.jira import relay, relay_answers
from integrations.jira.builds import build_key
from integrations.jira.deployments import deployment_key
from integrations.jira.entity_ids import repository_id
from tests.integrations.jira_events import (
    HOME,
    MARK,
    branch,
    build,
    commit,
    deployment,
    pull,
    sha,
)

SAMPLES = Path(__file__).parents[3] / "shared/samples/jira/builds-deployments/builds_api_response"
HERE = repository_id(HOME)


def answer(body: Any) -> Answer:
    return Answer(202, {}, body, "POST /bulk", 0.1)


def parcel(*events: RelayEvent) -> Parcel:
    (made,) = relay.pack(events, way=relay.DEVELOPMENT, mark=MARK).parcels
    return made


def told(body: Any, *events: RelayEvent) -> dict[str, Told]:
    return {word.event.key: word for word in relay_answers.told(parcel(*events), answer(body))}


def accepted(**lists: list[str]) -> Any:
    return {"acceptedDevinfoEntities": {HERE: lists}}


def test_each_entity_has_its_own_word() -> None:
    body = accepted(commits=[sha(1)], branches=[], pullRequests=["7"]) | {
        "failedDevinfoEntities": {
            HERE: {
                "commits": [{"id": sha(2), "errorMessages": [{"message": "fileCount is lost"}]}],
                "branches": [{"id": "PAY-2-x", "errorMessages": []}],
            }
        },
        "unknownIssueKeys": ["GONE-1"],
    }
    found = told(
        body,
        commit(1, "PAY-1 GONE-1 x"),
        commit(2, "PAY-1 y"),
        commit(3, "gone-1 z"),
        branch("PAY-2-x"),
        pull(7),
    )
    assert found[sha(1)].outcome is Outcomes.ACCEPTED
    assert found[sha(1)].subjects == ("PAY-1",)
    assert found[sha(1)].unknown == ("GONE-1",)
    assert (found[sha(2)].outcome, found[sha(2)].detail) == (
        Outcomes.REFUSED,
        "fileCount is lost",
    )
    assert found[sha(3)].outcome is Outcomes.UNKNOWN_SUBJECT
    assert found[sha(3)].detail == "Jira knows none of the issues GONE-1."
    assert found["branch:PAY-2-x"].outcome is Outcomes.REFUSED
    assert found["7"].outcome is Outcomes.ACCEPTED


def test_a_repository_that_is_refused_takes_its_entities_along() -> None:
    body = {"failedDevinfoEntities": {HERE: {"errorMessages": [{"message": "name is too long"}]}}}
    found = told(body, commit(1), branch())
    assert {word.detail for word in found.values()} == {"name is too long"}


def test_what_is_not_mentioned_is_not_taken_for_accepted() -> None:
    assert told({}, commit(1))[sha(1)].outcome is Outcomes.REFUSED
    assert told({}, commit(1))[sha(1)].detail == relay_answers.SILENT


def test_a_stale_update_is_accepted() -> None:
    assert told(accepted(commits=[sha(1)]), commit(1))[sha(1)].outcome is Outcomes.ACCEPTED


def test_builds_and_deployments_are_found_by_their_keys() -> None:
    run, gone = build_key(build()), deployment_key(deployment())
    assert run and gone
    key = {"pipelineId": run.pipeline, "buildNumber": run.number}
    assert next(iter(told({"acceptedBuilds": [key]}, build()).values())).subjects == ("PAY-1",)
    rejected = [{"key": key, "errors": [{"message": "'url' is required"}]}]
    assert next(iter(told({"rejectedBuilds": rejected}, build()).values())).detail == (
        "'url' is required"
    )
    deployed = {
        "pipelineId": gone.pipeline,
        "environmentId": gone.environment,
        "deploymentSequenceNumber": gone.number,
    }
    body = {"acceptedDeployments": [deployed], "unknownAssociations": []}
    assert next(iter(told(body, deployment()).values())).outcome is Outcomes.ACCEPTED


def test_unknown_associations_are_unknown_issues() -> None:
    body = {"unknownAssociations": [{"associationType": "issueIdOrKeys", "values": ["PAY-1"]}]}
    word = next(iter(told(body, deployment()).values()))
    assert word.outcome is Outcomes.UNKNOWN_SUBJECT


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded answers are not here")
def test_recorded_answers_are_read() -> None:
    def outcome(name: str, **lists: Any) -> Told:
        run = build_key(build())
        assert run
        text = (SAMPLES / f"{name}.json").read_text()
        text = text.replace('"Test Pipeline Build"', json.dumps(run.pipeline))
        for number in ("35", "36"):
            text = text.replace(f'"buildNumber": {number}', f'"buildNumber": {run.number}')
        return next(iter(told(json.loads(text.replace("TEST-110", "PAY-1")), build()).values()))

    assert outcome("accepted_builds").outcome is Outcomes.ACCEPTED
    assert outcome("rejected_builds_invalid_url").detail == "'url' is required"
    assert outcome("rejected_builds_unknown_issue_keys").outcome is Outcomes.UNKNOWN_SUBJECT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("acceptedDevinfoEntities", "failedDevinfoEntities", "unknownIssueKeys"),
                    *("acceptedBuilds", "rejectedBuilds", "unknownAssociations", "values"),
                    *("acceptedDeployments", "rejectedDeployments", "commits", "errorMessages"),
                    *(HERE, "id", "key", "errors", "message", "pipelineId", "buildNumber"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_whatever_stands_there_each_event_has_one_word(body: Any) -> None:
    for made in (parcel(commit(1), branch(), pull()), parcel(build()), parcel(deployment())):
        try:
            words = relay_answers.told(made, answer(body))
        except UnexpectedResponse:
            assert not isinstance(body, dict)
            continue
        assert [word.event for word in words] == list(made.events)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_a_refusal_always_has_a_sentence(body: Any) -> None:
    assert relay_answers.reason(Answer(400, {}, body, "POST /bulk", 0.1))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"errorMessages": ["No repositories"]}, "No repositories"),
        ([{"message": "'builds' is invalid"}], "'builds' is invalid"),
        ({"errors": [{"message": "bad"}]}, "bad"),
        ({"code": 400, "message": "wrong"}, "wrong"),
        (None, "Jira refused it."),
        ({"errorMessages": 5}, "Jira refused it."),
    ],
)
def test_a_refusal_is_told_in_the_vendors_words(body: Any, says: str) -> None:
    assert relay_answers.reason(Answer(400, {}, body, "POST /bulk", 0.1)) == says
