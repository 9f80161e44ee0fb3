"""The operator that mirrors the plugin registry into FloePlugin objects."""
