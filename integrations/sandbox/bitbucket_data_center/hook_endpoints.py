"""Webhooks of projects and repositories over REST, for their administrators only."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_data_center import render_code
from integrations.sandbox.bitbucket_data_center.call import Call
from integrations.sandbox.bitbucket_data_center.endpoints import administered
from integrations.sandbox.bitbucket_data_center.errors import no_thing, not_permitted
from integrations.sandbox.bitbucket_data_center.hooks import Subject
from integrations.sandbox.code.records import Hook

Json = dict[str, Any]


def hooks(call: Call) -> Json:
    subject = watched(call)
    return call.page(call.scene.subscriptions.of(subject), lambda one: shown(call, one))


def hook(call: Call) -> Json:
    return shown(call, found(call, watched(call)))


def create(call: Call) -> Json:
    return shown(call, call.scene.subscriptions.create(watched(call), call.body()))


def update(call: Call) -> Json:
    subject = watched(call)
    one = found(call, subject)
    call.scene.subscriptions.replace(subject, one, call.body())
    return shown(call, one)


def delete(call: Call) -> None:
    subject = watched(call)
    call.scene.subscriptions.delete(subject, found(call, subject))


def test(call: Call) -> Json:
    """A ping is on its way to the hook, or to the `url`; what it answered is not waited for."""
    subject, named = watched(call), call.first("webhookId")
    one = None
    for each in call.scene.subscriptions.of(subject):
        one = each if each.uuid == named else one
    url = call.first("url") or (one.url if one else "")
    secret = one.secret if one else ""
    call.scene.ping(Hook(named or "0", url, "Test connection", True, [], secret, ""))
    return {"request": {"url": url, "method": "POST", "body": '{"test":true}'}}


def watched(call: Call) -> Subject:
    """What the hooks in the path watch."""
    if "repositorySlug" in call.ids:
        return administered(call)[1]
    project = call.project()
    if not call.identity.administers(project):
        raise not_permitted()
    return project


def found(call: Call, subject: Subject) -> Hook:
    for one in call.scene.subscriptions.of(subject):
        if one.uuid == call.ids["webhookId"]:
            return one
    raise no_thing(f"Webhook {call.ids['webhookId']} does not exist.", "webhook.NoSuchWebhook")


def shown(call: Call, one: Hook) -> Json:
    scope = "REPOSITORY" if "repositorySlug" in call.ids else "PROJECT"
    return render_code.hook(call.write, one, scope)
