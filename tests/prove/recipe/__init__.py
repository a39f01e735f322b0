"""How Django projects usually keep a token fresh: allauth's table and requests-oauthlib's session.

After the third recipe of https://requests-oauthlib.readthedocs.io/en/latest/oauth2_workflow.html,
as Read the Docs runs it (readthedocs/oauth/clients.py). Nothing of the portal is imported.
"""
