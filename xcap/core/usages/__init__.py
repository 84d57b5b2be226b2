"""The standard application usages, one file each."""
