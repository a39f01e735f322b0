"""Notices: what people are told, who receives it, and the messages that carry it out."""

import uuid

import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import composite_key, global_table, same_organization, tenant_table

# As for connections: the organization's own, and those of the teams that were entered.
TEAMS = (
    "team_id IS NULL OR (SELECT current_setting('app.teams')) = '*'"
    " OR team_id::text = ANY (string_to_array((SELECT current_setting('app.teams')), ','))"
)
NOTICE = (
    "id",
    "organization_id",
    "kind",
    "dedupe",
    "severity",
    "title",
    "body",
    "url",
    "button",
    "subject_kind",
    "subject_id",
    "subject_name",
    "team_id",
    "answers_id",
    "opened_at",
    "ready_at",
    "resolved_at",
)


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0004_schedules"),
    ]

    operations = [
        # As in 0004: the new constraints are checked last, through the tables' row security.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="Dispatch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("email", "E-mail"), ("chat", "Chat")], max_length=10
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("address", models.CharField(blank=True, max_length=255)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("in_doubt", "Perhaps sent"),
                            ("refused", "Refused"),
                            ("failed", "Not sent"),
                            ("dropped", "No longer needed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=80)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("intent_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("dedupe", models.CharField(max_length=120)),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("broken", "Broken"),
                            ("attention", "Attention"),
                            ("news", "News"),
                        ],
                        max_length=10,
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("body", models.CharField(blank=True, max_length=1000)),
                ("url", models.CharField(max_length=300)),
                ("button", models.CharField(max_length=40)),
                ("subject_kind", models.CharField(blank=True, max_length=40)),
                ("subject_id", models.UUIDField(null=True)),
                ("subject_name", models.CharField(blank=True, max_length=200)),
                ("opened_at", models.DateTimeField()),
                ("ready_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                (
                    "answers",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.notice",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.team",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="NoticeSettings",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("email", models.JSONField(default=dict)),
                (
                    "digest",
                    models.CharField(
                        choices=[("at_once", "As it happens"), ("daily", "Once a day")],
                        default="at_once",
                        max_length=10,
                    ),
                ),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("wanted", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("told_at", models.DateTimeField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                (
                    "dispatch",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="receipts",
                        to="portal.dispatch",
                    ),
                ),
                (
                    "notice",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="receipts",
                        to="portal.notice",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Bounce",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", models.EmailField(max_length=254)),
                ("status", models.CharField(max_length=12)),
                ("source", models.CharField(max_length=8)),
                ("at", models.DateTimeField()),
                ("code_hash", models.BinaryField(max_length=32, null=True)),
                ("code_until", models.DateTimeField(null=True)),
                ("code_tries", models.SmallIntegerField(default=0)),
                ("cleared_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("cleared_at", None)),
                        fields=("user",),
                        name="bounce_open_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ChatHook",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                ("last_four", models.CharField(max_length=4)),
                ("added_by_name", models.CharField(max_length=200)),
                ("added_at", models.DateTimeField()),
                ("sealed_at", models.DateTimeField(null=True)),
                ("posted_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("last_code", models.CharField(blank=True, max_length=40)),
                ("tested_at", models.DateTimeField(null=True)),
                ("disabled_at", models.DateTimeField(null=True)),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at", None)),
                        fields=("organization",),
                        name="chat_hook_once",
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="dispatch",
            index=models.Index(
                fields=["organization", "user", "-created_at"], name="dispatch_recent"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["organization", "-opened_at"], name="notice_recent"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["organization", "subject_id"], name="notice_subject"),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at", None)),
                fields=("organization", "dedupe"),
                name="notice_open_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="noticesettings",
            constraint=models.UniqueConstraint(
                fields=("organization", "user"), name="notice_settings_once"
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                fields=["organization", "user", "-created_at"], name="receipt_inbox"
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("read_at", None)),
                fields=["organization", "user"],
                name="receipt_unread",
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("dispatch", None), ("told_at", None), ("wanted", True)),
                fields=["organization", "user"],
                name="receipt_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.UniqueConstraint(
                fields=("organization", "notice", "user"), name="receipt_once", nulls_distinct=False
            ),
        ),
        composite_key("portal_notice"),
        composite_key("portal_dispatch"),
        tenant_table("portal_notice", support=NOTICE),
        RunSQL(
            f"CREATE POLICY teams ON portal_notice AS RESTRICTIVE TO portal_app, portal_worker"
            f" USING ({TEAMS}) WITH CHECK ({TEAMS})",
            RunSQL.noop,
        ),
        same_organization("portal_notice", "team_id", "portal_team"),
        same_organization("portal_notice", "answers_id", "portal_notice"),
        tenant_table("portal_dispatch"),
        tenant_table("portal_receipt"),
        same_organization("portal_receipt", "notice_id", "portal_notice"),
        same_organization("portal_receipt", "dispatch_id", "portal_dispatch", on_delete="SET NULL"),
        tenant_table("portal_noticesettings"),
        tenant_table("portal_chathook"),
        # An address belongs to a person, in whatever organizations they are.
        global_table(
            "portal_bounce",
            {"portal_app": "SELECT, UPDATE", "portal_worker": "SELECT, INSERT, UPDATE"},
        ),
    ]
