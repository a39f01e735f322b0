"""The settings of a small Django project with allauth, in a scratch database."""

import os

SECRET_KEY = "a key of the recipe"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
]
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SOCIALACCOUNT_STORE_TOKENS = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["RECIPE_DATABASE"],
        "HOST": os.environ["RECIPE_HOST"],
        "USER": "postgres",
    }
}
