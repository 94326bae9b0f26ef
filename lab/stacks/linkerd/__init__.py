"""The `linkerd` stack: everything that is Linkerd's."""
