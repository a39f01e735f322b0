"""The ground floor's forms; what they mean is decided by the flows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms

from portal.audit import Action
from portal.fields import CleanForm, CleanText, OnceKey
from portal.models import Membership, Team
from portal.policy import MAY_GRANT, ROLE_MEANING, Actor, Role, TeamRole


class OrganizationForm(CleanForm):
    name = CleanText(
        label="Name of the organization",
        max_length=100,
        help_text="The company or group whose people work here together. You can change it later.",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    key = OnceKey()


class RenameForm(CleanForm):
    name = CleanText(label="Name", max_length=100, help_text="The address stays as it is.")


class InviteForm(CleanForm):
    """Offers only the roles that the actor may give."""

    email = forms.EmailField(
        label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(label="Role", initial=Role.MEMBER)
    key = OnceKey()

    def __init__(self, *args: Any, actor: Actor, **options: Any) -> None:
        super().__init__(*args, actor=actor, **options)
        choice(self, "role").choices = role_choices(actor)


class RoleForm(CleanForm):
    role = forms.ChoiceField(label="What they may do here", widget=forms.RadioSelect)

    def __init__(self, *args: Any, actor: Actor, **options: Any) -> None:
        super().__init__(*args, actor=actor, **options)
        choice(self, "role").choices = [
            (value, f"{label}: {ROLE_MEANING[Role(value)]}") for value, label in role_choices(actor)
        ]


class TransferForm(CleanForm):
    heir = forms.ChoiceField(label="New owner")
    confirm_name = CleanText(label="Type the organization’s name to confirm", max_length=100)

    def __init__(self, *args: Any, heirs: Iterable[Membership], **options: Any) -> None:
        super().__init__(*args, **options)
        choice(self, "heir").choices = [
            (str(one.id), f"{one.user} ({one.get_role_display()})") for one in heirs
        ]


class TeamForm(CleanForm):
    name = CleanText(label="Name of the team", max_length=80)
    parent = forms.ChoiceField(
        label="Lies under",
        required=False,
        help_text="A team may lie under another one, as a department under a division.",
    )
    key = OnceKey()

    def __init__(
        self, *args: Any, teams: Iterable[Team], without: UUID | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.fields["key"].required = without is None
        choice(self, "parent").choices = [("", "No other team")] + [
            (str(one.id), one.name) for one in teams if one.id != without
        ]


class TeamMemberForm(CleanForm):
    email = forms.EmailField(
        label="E-mail address of a member",
        widget=forms.EmailInput(attrs={"list": "member-addresses", "autocomplete": "off"}),
    )
    role = forms.ChoiceField(label="In the team", choices=TeamRole.choices, initial=TeamRole.READER)


class LookForm(CleanForm):
    reason = CleanText(
        label="Why do you need to look?",
        max_length=300,
        min_length=10,
        help_text="The organization reads this on its own record. A ticket number helps them.",
    )


class ErasureForm(CleanForm):
    """Besides the typed name, which the flow checks."""

    because = CleanText(label="Why", max_length=500, required=False)


class FindForm(CleanForm):
    slug = CleanText(
        label="Address of the organization",
        max_length=50,
        help_text="The part after /o/ in the address of its pages, exactly.",
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )


class AuditFilter(forms.Form):
    """What the audit page is narrowed to; everything is optional."""

    q = CleanText(max_length=200, required=False)
    who = CleanText(max_length=200, required=False)
    about = CleanText(max_length=200, required=False)
    action = forms.ChoiceField(required=False)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)
    subject = forms.UUIDField(required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choice(self, "action").choices = [("", "")] + [(one.value, one.label) for one in Action]


def role_choices(actor: Actor) -> list[tuple[str, str]]:
    """The roles this actor may give, as a form offers them."""
    mine = MAY_GRANT[actor.role] if actor.role else frozenset()
    return [(role.value, role.label) for role in Role if role in mine]


def choice(form: forms.Form, name: str) -> Any:
    """The form's choice field of this name; its choices depend on who asks."""
    return form.fields[name]
