"""The networks between the features and the head; each file has one."""
