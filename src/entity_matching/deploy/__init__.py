"""The phased deployment: one bundle, read by the Databricks CLI and, on the target ``local``, by this package."""
