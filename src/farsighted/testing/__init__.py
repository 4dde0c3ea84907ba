"""A conformance kit for anyone's selector."""
