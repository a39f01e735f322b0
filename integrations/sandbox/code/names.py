"""Names for the seeded world: ordinary ones by combination, and awkward ones people use."""

from __future__ import annotations

SYSTEMS = (  # noqa: SIM905
    "billing catalogue checkout claims delivery fleet identity inventory ledger loyalty mailing "
    "maps metering orders payroll pricing quoting refunds reporting returns routing search "
    "settlement shipping sign-in stock subscriptions support telemetry vouchers"
).split()
PARTS = (  # noqa: SIM905
    "api gateway worker web mobile infra schemas sdk charts migrations scheduler importer "
    "exporter console terraform docs fixtures proxy rules tools"
).split()
LANGUAGES = (
    "python",
    "go",
    "typescript",
    "java",
    "kotlin",
    "rust",
    "c#",
    "ruby",
    "php",
    "",
    "shell",
)
DESCRIPTIONS = (
    "Owned by the platform group. See the runbook before you deploy.",
    "Replaces the old monolith's module, one table at a time.",
    "Nightly jobs and the small console that watches them.",
    "Shared by three teams; ask in the channel before changing the schema.",
    "",
)

# (slug, name, description): each stands at a fixed place of the first workspace.
AWKWARD = (
    (
        "the-longest-name",
        "The repository whose name was written by a committee that could not agree on what to "
        "leave out, so that it left out nothing at all, and then added the year, the region, the "
        "department and the name of the person who asked for it – 2026 EMEA Finance (Margarete)",
        "A name of more than 250 characters.",
    ),
    ("shalom-docs", "תיעוד המערכת – גרסה 2", "מאגר התיעוד של הצוות. נכתב מימין לשמאל."),
    ("arabic-invoices", "فواتير العملاء (قديم)", "مستودع الفواتير، للقراءة فقط."),
    ("mixed-direction", "API לקוחות v3 – عملاء", "Both directions in one line: abc אבג 123 دهو."),
    ("party-parrot", "🦜 party parrot 👩‍👩‍👧‍👦 🏳️‍🌈", "Emoji joined by zero-width joiners."),
    ("html-looking", '<b>Bold</b> & "quoted" <script>alert(1)</script>', "<h1>Not a heading</h1>"),
    ("spreadsheet", '=HYPERLINK("https://example.com","click")', "+1 -1 @sum"),
    ("template-braces", "{{7*7}} {% debug %} ${7*7}", "Literal text, all of it."),
    ("override-txt", "invoice_\u202egnp.exe", "Holds a right-to-left override."),
    ("zalgo", "Z̵a̵l̵g̵o̵ c̷o̷m̷e̷s̷", "Combining marks."),
    ("one", "1", "A name of one character."),
    ("han-shan", "寒山 · 仓库管理系统", "中文说明。"),
    ("percent-and-underscore", "100%_done\\maybe", "LIKE wildcards in a name."),
    (
        "white-space",
        "  two  leading and double  spaces ",
        "Spaces that must survive or be trimmed once.",
    ),
)

PEOPLE = (  # noqa: SIM905
    "Aoife Ní Bhriain|Łukasz Żółć|Ingrid Sørensen|עומר כהן|ليلى حداد|Nguyễn Thị Minh|"
    "Björk Guðmundsdóttir|山田 太郎|김 지우|Олена Шевченко|Γιώργος Παππάς|Zoë Renée D'Arcy|"
    "Jean-Baptiste de la Fontaine-Montmorency|<i>Ivan</i> Petrov|Bo|Priya Raghunathan|"
    "Kwame Mensah|Ana María Núñez|Chidi Okafor|Freya Lindqvist|Hana Novák|Mehmet Yılmaz|"
    "Siobhán O'Connor|Tadeáš Kříž|🌻 Sunny|Wei Zhang|Yusuf Demir|Noa Peretz|Omar Farouk|"
    "Rosa Luz Aguilar|Samuel Adeyemi|Tuulikki Virtanen|Uma Krishnan|Viktor Horváth|"
    "Xavier Dupont|Yael Ben-David|Zainab Hussein|Bartholomew Featherstonehaugh"
).split("|")

BRANCHES = (
    "develop", "release/2026.11", "feature/split-invoices", "fix/timeouts", "hotfix/rounding",
    "feature/ticket-1184-retry-with-jitter-and-a-very-long-branch-name",
    "dependabot/pip/django-5.2.19",
)  # fmt: skip
PULL_REQUESTS = (
    "Split invoices by tax period", "Retry with jitter", "Bump Django to 5.2.19",
    "Round half to even", "Fix flaky test in <Importer>", "הוספת תרגום לעברית", "Remove dead code",
)  # fmt: skip


def issue(number: int) -> str:
    """The key of an issue that the sandbox's tracker has; one for each number."""
    return f"PAY-{1 + number % 40}"
