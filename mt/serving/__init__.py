"""Translation over HTTP: requests in batches, an interface like LibreTranslate's, a page."""
