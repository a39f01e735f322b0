"""What a person reads when a credential cannot be replaced, and when its whole kind was ended.

`{product}` stands for the product's name. No Django here.
"""

from __future__ import annotations

from typing import Final

from connections.errors import Who
from connections.explanation import Button, Explanation

METHOD_ENDS: Final = "method_ends"  # it still answers
METHOD_ENDED: Final = "method_ended"  # it is refused

REPLACEMENT = (
    Explanation(
        "not_installed",
        "Connector not installed",
        "This installation has no connector for this product any more, so nothing is asked of it.",
        "What was read and the record stay. Put the connector back on the list, or revoke this.",
        Who.OPERATOR,
    ),
    Explanation(
        METHOD_ENDS,
        "{product} removes credentials of this kind",
        "This one was still accepted at the last look; that may end at any moment.",
        "Replace it by one of the kind that followed. Name, webhook address and history stay.",
        Who.MEMBER,
        Button.REPLACE,
    ),
    Explanation(
        METHOD_ENDED,
        "{product} ended credentials of this kind",
        "No credential of this kind is accepted any more, whoever made it.",
        "Replace it by one of the kind that followed. Name, webhook address and history stay.",
        Who.MEMBER,
        Button.REPLACE,
        state="broken",
    ),
    Explanation(
        "replaced_by_other",
        "This belongs to another account",
        "What you entered works, and acts as another {product} account than this connection.",
        "Enter one of the same account. To move to another account, link the connection again.",
        Who.MEMBER,
        Button.FIX_FORM,
    ),
    Explanation(
        "other_place",
        "This leads to another place",
        "What you entered works, and opens another place at {product} than this connection.",
        "Enter one of the same place. To move to another, link the connection again.",
        Who.MEMBER,
        Button.FIX_FORM,
    ),
    Explanation(
        "personal",
        "The rotation policy forbids it",
        "It acts as a person, and nothing that does may be used here.",
        "Bring one that belongs to nobody, or have the policy changed or the connection excepted.",
        Who.MANAGER,
    ),
    Explanation(
        "left_at_vendor",
        "A token that we made is left at {product}",
        "It is not used, and {product} did not withdraw it on our request.",
        "Withdraw it there by the name that is given here.",
        Who.MEMBER,
    ),
    Explanation(
        "unfinished",
        "Nobody finished it",
        "It was begun and then left for days, so it was ended. The credential in use was not"
        " touched.",
        "Begin again if the credential has to be replaced.",
        Who.MEMBER,
        Button.START_OVER,
    ),
    Explanation(
        "moved_on",
        "The connection moved on meanwhile",
        "Another credential was put in use while this replacement was under way.",
        "Look at the credential in use. Begin again if it has to be replaced.",
        Who.MEMBER,
        Button.START_OVER,
    ),
)
