"""The command that gates models: scaffolding, weaving and conversion put together."""
