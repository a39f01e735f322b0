"""What a person reads while a grant is doubted, and when it is gone for another reason than theirs.

`{product}` stands for the product's name. No Django here.
"""

from __future__ import annotations

from typing import Final

from connections.errors import Who
from connections.explanation import Button, Explanation

SUSPECTED, INCIDENT, SERVER_INCIDENT = "suspected", "vendor_incident", "server_incident"
LOST, RESTORED, ORPHANED = "grant_lost", "restored", "orphaned"

# Why a connection needs a new link, when that was not withdrawn at the vendor.
GONE_OTHERWISE: Final = frozenset({LOST, RESTORED, "subject_changed", "method_ended"})

GRANT = (
    Explanation(
        SUSPECTED,
        "{product} refused this credential, and we look again",
        "A single refusal proves little: vendors refuse by mistake, too. Tokens that live go on "
        "working.",
        "We look twice more within a quarter of an hour before we believe it. Nothing needs doing.",
    ),
    Explanation(
        INCIDENT,
        "{product} refuses many connections at once",
        "So many fail in the same minutes that the trouble is at {product} and not with your "
        "grant.",
        "We wait, try one connection each half minute, and ask nobody to link again.",
    ),
    Explanation(
        SERVER_INCIDENT,
        "This server of {product} refuses all its connections",
        "Every connection to it that was asked in the last minutes is refused, so the trouble is "
        "most likely the server's and not this credential's.",
        "We go on trying, and believe no refusal until it accepts one. Ask who runs the server. "
        "Only if the credentials were withdrawn there, link again.",
    ),
    Explanation(
        LOST,
        "The next token of {product} was lost on its way",
        "{product} spent the old token and gave a new one, and the answer never arrived. It would "
        "not give it again. Nobody withdrew anything.",
        "Link it again. Name, settings and history stay.",
        Who.MEMBER,
        Button.LINK_AGAIN,
        state="broken",
    ),
    Explanation(
        ORPHANED,
        "Who granted this connection is gone",
        "They left the organization, or lost access to a workspace that was chosen here. The grant "
        "is theirs, so {product} may end it at any time.",
        "Link it again in the name of somebody who stays. It keeps its id, name and history.",
        Who.MEMBER,
        Button.LINK_AGAIN,
    ),
    Explanation(
        RESTORED,
        "A restored backup is older than this credential",
        "The portal's database was restored, and {product} has replaced this credential since that "
        "backup was made. It was not used.",
        "Link it again. Name, settings and history stay.",
        Who.MEMBER,
        Button.LINK_AGAIN,
        state="broken",
    ),
)
