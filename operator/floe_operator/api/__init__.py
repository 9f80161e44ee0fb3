"""The only door to the API server: nothing else imports kopf, kubernetes or aiohttp."""
