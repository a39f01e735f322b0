"""The settings of mail: console and files in development, SMTP by setting; of `settings.py`."""

from portal import env

MAIL_DIR = env.text("MAIL_DIR", "")
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", "Portal <portal@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
MAIL_BOUNCES_TO = env.text("MAIL_BOUNCES_TO", "")  # where the mail of notices comes back to
EMAIL_HOST = env.text("SMTP_HOST", "")
if EMAIL_HOST:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_PORT = env.integer("SMTP_PORT", 587)
    EMAIL_USE_TLS = env.boolean("SMTP_STARTTLS", True)
    EMAIL_HOST_USER = env.text("SMTP_USER", "")
    EMAIL_HOST_PASSWORD = env.secret("SMTP_PASSWORD") if EMAIL_HOST_USER else ""
    EMAIL_TIMEOUT = 10
elif MAIL_DIR:
    EMAIL_BACKEND = "portal.mail.ConsoleAndFileBackend"
    EMAIL_FILE_PATH = MAIL_DIR
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
