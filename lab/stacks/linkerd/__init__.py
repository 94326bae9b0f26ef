"""The `linkerd` stack."""
